import { readdir } from 'node:fs/promises';
import { expect } from 'chai';
import { Workshop } from '../support/node-process.js';

interface Message {
  readonly octets: number;
  readonly equal: boolean;
  readonly sha256Sent: string;
  readonly sha256Received: string;
  readonly hops: readonly { readonly name: string; readonly ms: number }[];
}

describe('imxp demo', function () {
  this.timeout(120_000);
  this.slow(20_000);
  let workshop: Workshop;

  before(async () => {
    workshop = await Workshop.open();
  });

  after(() => workshop.close());

  /** Its temporary directories go where this spec can see them. */
  const environment = () => ({ TMPDIR: workshop.directory });
  const left = async () => (await readdir(workshop.directory)).filter((name) => name.startsWith('imxp-demo-'));

  it('shows the path, the messages with their digests and the time of each hop', async () => {
    const { code, stdout, stderr } = await workshop.run(['demo'], {
      environment: environment(),
      deadlineMs: 60_000,
    });
    const text = stdout.toString();
    expect(code, `${text}${stderr}`).to.equal(0);
    expect(text).to.match(
      /relay of example\.com +── +relay of rubble\.com +TLSv1\.\d, DIGEST-MD5 as imxp=mesh@example\.com/,
    );
    expect(text).to.match(/└ relay of rubble\.com .*\d\.\d\d ms\n/);
    const [, sent, received] = /SHA-256 sent +(\w{64}) .*\n +SHA-256 received +(\w{64}) /.exec(text) ?? [];
    expect(sent).to.be.a('string').and.to.equal(received);
    expect(text).to.contain('ボウリング').and.contain('537 access denied').and.contain('saw: away, then present');
    expect(text).to.match(/A trace to barney@rubble\.com.*\n +example\.com +250 .*\n +rubble\.com +250 /);
    expect(text).to.contain('watched the subscribers: fred@example.com');
    expect(await left()).to.deep.equal([]);
  });

  it('prints the same as JSON', async () => {
    const { code, stdout } = await workshop.run(['demo', '--json'], { environment: environment(), deadlineMs: 60_000 });
    expect(code).to.equal(0);
    const { ok, messages }: { ok: boolean; messages: Message[] } = JSON.parse(stdout.toString());
    expect(ok).to.equal(true);
    expect(Math.max(...messages.map(({ octets }) => octets))).to.be.at.least(1_048_576);
    for (const { equal, sha256Sent, sha256Received, hops } of messages) {
      expect([equal, sha256Sent]).to.deep.equal([true, sha256Received]);
      // Everybody waits for all behind.
      const times = hops.map(({ ms }) => ms);
      expect(times).to.have.lengthOf(4);
      expect([...times].sort((a, b) => b - a)).to.deep.equal(times);
    }
  });

  it('cleans up when it is interrupted', async () => {
    const command = workshop.command(['demo'], environment());
    await command.seen((output) => /started the relay of rubble/.exec(output)?.[0], 'has started a relay', 60_000);
    const directories = await left();
    expect(directories).to.have.lengthOf(1);
    command.signal('SIGINT');
    const { code } = await command.finished();
    expect(code).to.equal(1);
    expect(await left()).to.deep.equal([]);
  });
});
