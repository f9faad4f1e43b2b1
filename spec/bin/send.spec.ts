import { expect } from 'chai';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { type Finished, type RunOptions, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

interface Arrived {
  readonly type: string;
  readonly body: Buffer;
}

interface Read {
  readonly subject: string | undefined;
  readonly lang: string | undefined;
  readonly type: string | undefined;
  readonly text: string | undefined;
}

describe('imxp send', function () {
  this.timeout(60_000);
  this.slow(5000);
  let mesh: LocalMesh;
  let workshop: Workshop;
  let arrived: Arrived[];
  let read: Read[];
  let addressees: readonly string[] = [];

  before(async () => {
    mesh = await LocalMesh.start();
    workshop = await Workshop.open();
    await workshop.file('fred', `${passwordOf(FRED)}\n`);
    await workshop.file('wrong', 'stone\n');
    const barney = await mesh.attach(BARNEY);
    barney.receive((delivery) => {
      const { content } = delivery;
      if (content.kind !== 'part') throw new Error(content.kind);
      const { message } = delivery;
      if (message !== undefined) {
        const { subject, lang, type, text } = message;
        read.push({ subject, lang, type, text });
        addressees = message.to.flatMap((entry) => ('uri' in entry ? [entry.uri] : []));
      }
      arrived.push({ type: content.headers.get('Content-Type') ?? '', body: Buffer.from(content.body) });
      if (delivery.text() === 'refuse me') delivery.refuse({ code: 554, text: 'I will \u001b[31mnot\u001b[0m' });
    });
  });

  beforeEach(() => {
    arrived = [];
    read = [];
  });

  after(async () => {
    await mesh.close();
    await workshop.close();
  });

  function send(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const relay = mesh.url('example.com');
    return workshop.run(['send', '--from', FRED, '--to', BARNEY, '--relay', relay, ...args], options);
  }

  const WITH_PASSWORD = ['--password-file', 'fred'];

  it('sends standard input as text, and prints nothing when it is accepted', async () => {
    const { code, stdout, stderr } = await send(WITH_PASSWORD, { input: 'Bowling tonight? Ä\n' });
    expect([code, stdout.toString(), stderr.toString()]).to.deep.equal([0, '', '']);
    expect(arrived).to.deep.equal([{ type: 'text/plain; charset=UTF-8', body: Buffer.from('Bowling tonight? Ä\n') }]);
  });

  it('logs in as the endpoint when it sends as one of its subaddresses', async () => {
    const args = ['--from', 'fred/appl=x@example.com', ...WITH_PASSWORD];
    const { code, stderr } = await send(args, { input: 'hi' });
    expect([code, stderr.toString()]).to.deep.equal([0, '']);
  });

  it('sends a file that is not text as octets, or with the given type', async () => {
    const octets = Buffer.from([0xff, 0x00, 0x0d, 0x0a, 0x80]);
    const file = await workshop.file('file.bin', octets);
    const { code, stdout } = await send([...WITH_PASSWORD, '--json', file]);
    expect(code).to.equal(0);
    expect(JSON.parse(stdout.toString())).to.deep.include({
      accepted: true,
      from: FRED,
      to: [BARNEY],
      type: 'application/octet-stream',
      octets: 5,
    });
    expect((await send([...WITH_PASSWORD, '--type', 'image/png', file])).code).to.equal(0);
    expect(arrived).to.deep.equal([
      { type: 'application/octet-stream', body: octets },
      { type: 'image/png', body: octets },
    ]);
  });

  it('sends an instant message when a subject or a language is given', async () => {
    const args = [...WITH_PASSWORD, '--json', '--subject', 'Kegeln – heute?', '--lang', 'de'];
    const { code, stdout } = await send(args, { input: 'Um acht. Ä\n' });
    expect(code).to.equal(0);
    expect(JSON.parse(stdout.toString())).to.deep.include({ accepted: true, subject: 'Kegeln – heute?', octets: 12 });
    expect((await send([...WITH_PASSWORD, '--lang', 'de', '--type', 'image/png'], { input: 'x' })).code).to.equal(0);
    expect((await send([...WITH_PASSWORD, '--lang', 'too_long'], { input: 'x' })).code).to.equal(64);
    expect(read).to.deep.equal([
      { subject: 'Kegeln – heute?', lang: 'de', type: 'text/plain; charset=UTF-8', text: 'Um acht. Ä\n' },
      { subject: undefined, lang: 'de', type: 'image/png', text: undefined },
    ]);
    expect(arrived.every(({ type }) => type.startsWith('multipart/related'))).to.equal(true);
  });

  it('takes the relay and the password from the environment', async () => {
    const environment = { IMXP_RELAY: mesh.url('example.com'), IMXP_PASSWORD: passwordOf(FRED) };
    const args = ['send', '--from', FRED, '--to', BARNEY, '-'];
    expect((await workshop.run(args, { input: 'x', environment })).code).to.equal(0);
    expect(arrived).to.have.lengthOf(1);
  });

  it('prints code and text of a refusal without control characters, and exits 1', async () => {
    const { code, stdout, stderr } = await send([...WITH_PASSWORD, '--json'], { input: 'refuse me' });
    expect(code).to.equal(1);
    expect(stderr.toString()).to.match(/^error: 554 I will \ufffd\[31mnot\ufffd\[0m\nhint: .*\n$/);
    expect(JSON.parse(stdout.toString())).to.deep.include({ accepted: false, code: 554 });
  });

  it('takes the place of nobody: a message to oneself finds nobody attached', async () => {
    const args = ['send', '--from', FRED, '--to', FRED, '--relay', mesh.url('example.com'), ...WITH_PASSWORD];
    const { code, stderr } = await workshop.run(args, { input: 'to myself' });
    expect(stderr.toString()).to.match(/450 .*not attached/);
    expect(code).to.equal(1);
  });

  it('exits 1 when the originator or the recipient is not allowed', async () => {
    const args = ['send', '--from', FRED, '--to', 'pebbles@nowhere.example', '--relay', mesh.url('example.com')];
    const nowhere = await workshop.run([...args, ...WITH_PASSWORD], { input: 'x' });
    expect(nowhere.code).to.equal(1);
    expect(nowhere.stderr.toString()).to.match(/^error: 550 ./);
  });

  it('reports for each of several recipients, and exits 1 when one refused', async () => {
    const args = [
      ...WITH_PASSWORD,
      '--to',
      'nobody@rubble.com',
      '--to',
      'BARNEY@rubble.com',
      '--to',
      'barney@Rubble.com',
    ];
    const { code, stdout, stderr } = await send(args, { input: 'x' });
    expect(code).to.equal(1);
    expect(stdout.toString().split('\n')).to.deep.equal([
      'barney@rubble.com  250  delivered',
      'nobody@rubble.com  550  unknown endpoint identity',
      'BARNEY@rubble.com  550  unknown endpoint identity',
      '',
    ]);
    expect(stderr.toString()).to.match(/^error: not accepted by 2 of 3 recipients\nhint: .*\n$/);
    expect(arrived, 'who is named twice gets one').to.have.lengthOf(1);
    const json = await send([...args.slice(0, 4), '--json'], { input: 'x' });
    expect(json.code).to.equal(1);
    const { ms, results, ...facts } = JSON.parse(json.stdout.toString());
    expect(facts).to.deep.equal({
      from: FRED,
      to: [BARNEY, 'nobody@rubble.com'],
      type: 'text/plain; charset=UTF-8',
      octets: 1,
      accepted: false,
      code: 550,
      text: 'unknown endpoint identity',
    });
    expect(ms).to.be.a('number');
    expect(results[0]).to.include({ to: BARNEY, accepted: true, code: 250 });
    expect(results[1]).to.include({ to: 'nobody@rubble.com', accepted: false, code: 550 });
  });

  it('names all recipients in the header of an instant message', async () => {
    const args = [...WITH_PASSWORD, '--to', 'nobody@rubble.com', '--subject', 'Bowling'];
    expect((await send(args, { input: 'x' })).code).to.equal(1);
    expect(arrived[0]?.body.length ?? 0).to.be.greaterThan(0);
    expect(read[0]?.subject).to.equal('Bowling');
    expect(addressees).to.deep.equal(['im:barney@rubble.com', 'im:nobody@rubble.com']);
  });

  it('exits 77 when the login fails, and says so as JSON too', async () => {
    const { code, stdout, stderr } = await send(['--password-file', 'wrong', '--json'], { input: 'x' });
    expect(code).to.equal(77);
    expect(stderr.toString()).to.contain('535');
    const failure = JSON.parse(stdout.toString());
    expect(failure).to.include({ failed: true, error: 'SASL_REFUSED', code: 535, exitCode: 77 });
  });

  it('exits 77 when TLS is required and not offered', async () => {
    expect((await send([...WITH_PASSWORD, '--tls', 'require'], { input: 'x' })).code).to.equal(77);
  });

  it('exits 69 when nothing listens there', async () => {
    const { code, stderr } = await send([...WITH_PASSWORD, '--relay', 'tcp://127.0.0.1:1'], { input: 'x' });
    expect(code).to.equal(69);
    expect(stderr.toString()).to.contain('tcp://127.0.0.1:1');
  });

  it('exits 64 without required options', async () => {
    const wrong = [
      ['send', '--to', BARNEY],
      ['send', '--from', FRED],
      ['send', '--from', 'fred', '--to', BARNEY],
      ['send', '--from', FRED, '--to', BARNEY, '--relay', 'rubble.com'],
      ['send', '--from', FRED, '--to', BARNEY, '--tls', 'maybe'],
      ['send', '--from', FRED, '--to', BARNEY],
      ['send', '--from', FRED, '--to', BARNEY, ...WITH_PASSWORD, 'no-such-file'],
    ];
    const results = await Promise.all(wrong.map((args) => workshop.run(args, { environment: { IMXP_PASSWORD: '' } })));
    for (const [index, { code, stderr }] of results.entries()) {
      expect(code, `${wrong[index]?.join(' ')}: ${stderr}`).to.equal(64);
      expect(stderr.toString()).to.match(/^error: /);
    }
  });
});
