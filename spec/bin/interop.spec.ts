import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { AREAS } from '../../kit/conformance/check.js';
import { BrokenPeer } from '../support/broken-peer.js';
import { type CliResult, imxp } from '../support/cli.js';
import { freePort } from '../support/free-port.js';

import { Nodes, portOf } from '../support/nodes.js';
import { PLANTED } from '../support/planted.js';
import { temporaryDirectory } from '../support/temporary.js';

const PASSWORD = 'yabba dabba 4711';

describe('imxp interop', function () {
  this.timeout(90_000);
  this.slow(20_000);
  const path = temporaryDirectory();
  const nodes = new Nodes();
  let port = 0;

  before(async () => {
    port = portOf(await nodes.start({}, { 'fred@example.com': PASSWORD }));
  });
  after(async () => await nodes.stop());

  const interop = (...args: readonly string[]): Promise<CliResult> => imxp(['interop', ...args], { cwd: path() });

  it('lists what passed, and exits 0', async () => {
    const { code, stdout, stderr } = await interop(`127.0.0.1:${port}`, '--only', 'greeting,windows.widest,attach');
    expect(code, stdout + stderr).to.equal(0);
    expect(stdout).to.match(
      /^greeting\n {2}ok +greeting\.prompt: greets without waiting .* \(RFC 3080 §2\.3\.1\.1\)$/m,
    );
    expect(stdout).to.match(/^attach\n {2}skipped +\d+ checks: no account given \(--account\)$/m);
    expect(stdout).to.match(/\n15 passed, 0 failed, 0 inconclusive, \d+ skipped in \d+\.\d s\n$/);
  });

  it('shows each failure with the octets of both sides, and exits 1', async () => {
    const planted = PLANTED.find(({ fault }) => fault === 'closes channels that are not open');
    const peer = await BrokenPeer.before(port, planted?.spoil ?? {});
    try {
      const { code, stdout } = await interop(`tcp://127.0.0.1:${peer.port}`, '--only', 'channel-0.close-unknown');
      expect(code, stdout).to.equal(1);
      expect(stdout).to.match(/^ {2}FAILED +channel-0\.close-unknown: /m);
      for (const word of ['expected', 'received', 'why']) expect(stdout).to.match(new RegExp(`^ +${word} +\\S`, 'm'));
      expect(stdout).to.match(/^ +I {2}MSG 0 1 \. 52 \d+ {2}close channel 77, 200\n +MSG 0 1 \. 52 /m);
      expect(stdout).to.match(/^ +L {2}RPY 0 1 \. \d+ \d+ {2}ok\n +RPY 0 1 \. .*<ok \/>\\r\\nEND\\r\\n$/m);
      const json = await interop(`127.0.0.1:${peer.port}`, '--only', 'channel-0.close-unknown', '--json');
      const [result, counts] = json.stdout
        .trim()
        .split('\n')
        .map((line): Record<string, unknown> => JSON.parse(line));
      expect(result).to.include(
        { id: 'channel-0.close-unknown', outcome: 'failed', received: 'RPY <ok />' },
        json.stdout,
      );
      expect(counts).to.include({ passed: 0, failed: 1, blocked: 0, skipped: 0 });
    } finally {
      peer.close();
    }
  });

  it('never prints a password', async () => {
    await writeFile(path('fred'), `${PASSWORD}\n`, { mode: 0o600 });
    const login = ['--account', 'fred@example.com', '--password-file', 'fred'];
    const peer = await BrokenPeer.before(port, { down: (given) => [{ ...given, seqno: given.seqno + 1 }] });
    try {
      const { code, stdout, stderr } = await interop(`127.0.0.1:${peer.port}`, ...login, '--only', 'sasl');
      expect(code).to.equal(1);
      expect(stdout).to.include('FAILED');
      expect(stdout + stderr).not.to.include(PASSWORD);
    } finally {
      peer.close();
    }
  });

  it('lists its checks by area', async () => {
    const { code, stdout } = await interop('--list');
    expect(code).to.equal(0);
    for (const area of AREAS) expect(stdout).to.match(new RegExp(`^${area}\\n {2}${area}\\.[a-z0-9-]+: `, 'm'));
  });

  it('exits 64 for invalid arguments, and 69 where nobody listens', async () => {
    for (const args of [
      [],
      ['127.0.0.1'],
      ['127.0.0.1:1', '--only', 'taste'],
      ['127.0.0.1:1', '--second', 'barney@example.com'],
    ]) {
      expect((await interop(...args)).code, args.join(' ')).to.equal(64);
    }
    await writeFile(join(path(), 'ca.crt'), '-----BEGIN CERTIFICATE-----\n');
    const nameless = await interop('127.0.0.1:1', '--ca', 'ca.crt');
    expect(nameless.code).to.equal(64);
    expect(nameless.stderr).to.include('--domain');
    const { code, stderr } = await interop(`127.0.0.1:${await freePort()}`);
    expect(code).to.equal(69);
    expect(stderr).to.include('ECONNREFUSED');
  });
});
