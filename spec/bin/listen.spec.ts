import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { type Command, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

describe('imxp listen', function () {
  this.timeout(60_000);
  this.slow(5000);
  let mesh: LocalMesh;
  let workshop: Workshop;
  let fred: Endpoint;

  before(async () => {
    mesh = await LocalMesh.start();
    workshop = await Workshop.open();
    await workshop.file('barney', `${passwordOf(BARNEY)}\n`);
    fred = await mesh.attach(FRED, { reconnect: true });
  });

  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  /** A listener that is attached. */
  async function listen(...args: readonly string[]): Promise<Command> {
    const relay = mesh.url('rubble.com');
    const command = workshop.command(['listen', BARNEY, '--relay', relay, '--password-file', 'barney', ...args]);
    await command.seen((output) => /attached as/.exec(output)?.[0], 'is attached', 20_000);
    return command;
  }

  it('prints text with a header, and detaches after a given number of messages', async () => {
    const command = await listen('--count', '2');
    await fred.send({ to: BARNEY, content: 'Bowling tonight?' });
    await fred.send({ to: BARNEY, content: 'esc \u001b[31m\n' });
    const { code, stdout } = await command.finished();
    expect(code).to.equal(0);
    expect(stdout.toString()).to.equal(
      [
        `${FRED} -> ${BARNEY}  text/plain; charset=UTF-8, 16 octets`,
        'Bowling tonight?',
        `${FRED} -> ${BARNEY}  text/plain; charset=UTF-8, 10 octets`,
        'esc \\u001b[31m',
        '',
      ].join('\n'),
    );
    expect((await failureOf(fred.send({ to: BARNEY, content: 'x' }))).reply?.code).to.equal(450);
  });

  it('prints JSON lines with text or base64', async () => {
    const command = await listen('--json', '--count', '3');
    const octets = Buffer.from([0, 255, 10]);
    await fred.send({ to: BARNEY, content: 'line 1\nline 2' });
    await fred.send({ to: BARNEY, content: octets });
    await fred.send({ to: BARNEY, content: { xml: '<note>hi</note>' } });
    const { stdout } = await command.finished();
    const lines = stdout
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const common = { from: FRED, to: [BARNEY] };
    const sha256 = (content: Buffer | string): string => createHash('sha256').update(content).digest('hex');
    expect(lines).to.deep.equal([
      {
        ...common,
        type: 'text/plain; charset=UTF-8',
        octets: 13,
        sha256: sha256('line 1\nline 2'),
        content: 'line 1\nline 2',
      },
      {
        ...common,
        type: 'application/octet-stream',
        octets: 3,
        sha256: sha256(octets),
        encoding: 'base64',
        content: 'AP8K',
      },
      { ...common, type: 'text/xml', octets: 15, sha256: sha256('<note>hi</note>'), content: '<note>hi</note>' },
    ]);
  });

  it('shows subject and content of an instant message, and refuses one that it does not understand', async () => {
    const command = await listen('--count', '1');
    const xml = `<message xmlns='URN:IANA:message:rfc822:'><encrypted seeNoEvil='false'>x</encrypted></message>`;
    expect((await failureOf(fred.send({ to: BARNEY, content: { xml } }))).reply?.code).to.equal(504);
    await fred.send({ to: BARNEY, content: { message: { subject: 'Böwling \u202e', text: 'Tonight?' } } });
    const { stdout, stderr } = await command.finished();
    expect(stdout.toString().split('\n')).to.deep.equal([
      `${FRED} -> ${BARNEY}  text/plain; charset=UTF-8, 8 octets`,
      'Böwling \\u202e',
      'Tonight?',
      '',
    ]);
    expect(stderr.toString()).to.contain('refused a message from fred@example.com');
  });

  it('prints the subject in JSON, and only the content with --raw', async () => {
    const json = await listen('--json', '--count', '1');
    const message = { subject: 'Böwling', content: { type: 'image/png', body: Buffer.from([1, 255]) } };
    await fred.send({ to: BARNEY, content: { message } });
    expect(JSON.parse((await json.finished()).stdout.toString())).to.deep.include({
      subject: 'Böwling',
      type: 'image/png',
      octets: 2,
      content: 'Af8=',
    });
    const raw = await listen('--raw', '--count', '1');
    await fred.send({ to: BARNEY, content: { message } });
    expect([...(await raw.finished()).stdout]).to.deep.equal([1, 255]);
  });

  it('REQ-IMXP-034 prints 5 MiB octet for octet', async () => {
    const octets = randomBytes(5 * 1_048_576);
    const command = await listen('--raw', '--count', '1');
    await fred.send({ to: BARNEY, content: octets });
    const { code, stdout } = await command.finished();
    expect(code).to.equal(0);
    expect(stdout.equals(octets)).to.equal(true);
  });

  it('stores contents in separate files, and overwrites none', async () => {
    await workshop.file('inbox/0001-fred@example.com.txt', 'an earlier one');
    const octets = randomBytes(100_000);
    const command = await listen('--output', 'inbox', '--count', '2');
    await fred.send({ to: BARNEY, content: 'text' });
    await fred.send({ to: BARNEY, content: octets });
    await command.finished();
    const files = (await readdir(workshop.path('inbox'))).sort();
    expect(files).to.deep.equal([
      '0001-fred@example.com.txt',
      '0002-fred@example.com.txt',
      '0003-fred@example.com.bin',
    ]);
    const contents = await Promise.all(files.map((file) => readFile(workshop.path(`inbox/${file}`))));
    expect(contents[0]?.toString()).to.equal('an earlier one');
    expect(contents[1]?.toString()).to.equal('text');
    expect(contents[2]?.equals(octets)).to.equal(true);
  });

  it('leaves no partial file on a full disk, and refuses the message', async function () {
    if (spawnSync('prlimit', ['--version']).error !== undefined) {
      console.log('      SKIPPED: prlimit is not installed (Debian: util-linux)');
      return this.skip();
    }
    const command = await listen('--output', 'full', '--count', '2');
    await fred.send({ to: BARNEY, content: 'text' });
    execFileSync('prlimit', ['--pid', String(command.pid), '--fsize=50000']);
    const { reply } = await failureOf(fred.send({ to: BARNEY, content: randomBytes(100_000) }));
    expect(reply?.code).to.equal(450);
    const { code, stderr } = await command.finished();
    expect(code).to.equal(69);
    expect(stderr.toString()).to.include('full/0002-fred@example.com.bin: the disk is full');
    expect(await readdir(workshop.path('full'))).to.deep.equal(['0001-fred@example.com.txt']);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`detaches in order on ${signal}`, async () => {
      const command = await listen();
      command.signal(signal);
      const { code } = await command.finished();
      expect(code).to.equal(0);
      expect((await failureOf(fred.send({ to: BARNEY, content: 'x' }))).reply?.text).to.equal('not attached');
    });
  }

  it('reconnects after its relay was restarted', async () => {
    const command = await listen('--count', '1');
    await mesh.stopNode('rubble.com');
    await command.seen((output) => /connection lost/.exec(output)?.[0], 'notices');
    await mesh.startNode('rubble.com');
    await command.seen((output) => /reconnected as/.exec(output)?.[0], 'is back', 20_000);
    const betty = await mesh.attach('betty@rubble.com');
    await betty.send({ to: BARNEY, content: 'still there?' });
    const { code, stdout } = await command.finished();
    expect([code, stdout.toString().split('\n')[1]]).to.deep.equal([0, 'still there?']);
  });

  it('exits with 77 for a wrong password, 69 where nobody listens, and 64 for invalid arguments', async () => {
    await workshop.file('wrong', 'stone\n');
    const relay = mesh.url('rubble.com');
    const run = (...args: string[]) => workshop.run(['listen', ...args]);
    const results = await Promise.all([
      run(BARNEY, '--relay', relay, '--password-file', 'wrong'),
      run(BARNEY, '--relay', 'tcp://127.0.0.1:1', '--password-file', 'barney'),
      run('barney'),
      run(BARNEY, '--count', '0'),
      run(BARNEY, '--json', '--raw', '--password-file', 'barney'),
    ]);
    expect(results.map(({ code }) => code)).to.deep.equal([77, 69, 64, 64, 64]);
  });
});
