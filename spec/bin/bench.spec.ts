import { expect } from 'chai';
import { type NodeProcess, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const PASSWORD = 'yabba dabba doo';

describe('imxp bench', function () {
  this.timeout(180_000);
  this.slow(20_000);
  let workshop: Workshop;
  let node: NodeProcess;

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.relay([FRED, WILMA], PASSWORD);
  });

  after(() => workshop.close());

  const words = (from: string, ...more: readonly string[]): string[] => {
    const passwords = workshop.path(`secrets/${encodeURIComponent(from)}`);
    const relay = `tcp://127.0.0.1:${node.port}`;
    return ['bench', '--from', from, '--relay', relay, '--tls', 'off', '--password-file', passwords, ...more];
  };

  const bench = (...more: readonly string[]) => workshop.run(words(FRED, ...more), { deadlineMs: 60_000 });

  it('counts what its own receivers accept, and how long that takes', async () => {
    const { code, stdout } = await bench(
      ...['--messages', '200', '--size', '1000', '--senders', '2', '--receivers', '2', '--window', '8', '--json'],
    );
    expect(code).to.equal(0);
    const result = JSON.parse(stdout.toString());
    expect(result).to.include({ sent: 200, delivered: 200, size: 1000, senders: 2, window: 8 });
    expect(result.failed).to.deep.equal({});
    expect(result.recipients).to.have.length(2);
    for (const recipient of result.recipients) expect(recipient).to.match(/^fred\/bench=[0-9a-f]{16}@example\.com$/);
    expect(result.perSecond).to.be.closeTo(200 / result.seconds, result.perSecond / 50);
    const { min, p50, p90, p99, p999, max } = result.ms;
    const ascending = [0, min, p50, p90, p99, p999, max];
    expect([...ascending].sort((one, other) => one - other)).to.deep.equal(ascending);
    expect(max).to.be.at.most(result.seconds * 1000);
  });

  it('ends after its time, and fails where messages are refused, by code', async () => {
    const one = await bench('--messages', '10000000', '--seconds', '1');
    expect([one.code, one.stderr.toString()]).to.satisfy(([code, text]: [number, string]) => {
      return code === 0 && text.startsWith('10000000 messages of 128 B from 1 sender to 1 receiver');
    });
    expect(one.stdout.toString()).to.match(
      /^delivered +\d+ of \d+ messages of 128 B in 1\.\d\d s\nrate +\S+ messages\/s/,
    );
    const none = await bench('--to', WILMA, '--messages', '3', '--json');
    expect(none.code).to.equal(1);
    expect(JSON.parse(none.stdout.toString())).to.deep.include({
      sent: 3,
      delivered: 0,
      failed: { '450 not attached': 3 },
      ms: {},
    });
  });

  it('receives for a bench that sends to it from elsewhere', async () => {
    const receiver = workshop.command(words(WILMA, '--receive', '--messages', '50', '--json'));
    await receiver.seen((output) => (output.includes('receiving as wilma') ? true : undefined), 'it receives', 60_000);
    const { code } = await bench('--to', WILMA, '--messages', '50', '--json');
    expect(code).to.equal(0);
    const { code: ended, stdout } = await receiver.finished();
    expect(ended).to.equal(0);
    expect(JSON.parse(stdout.toString())).to.include({ received: 50 });
  });
});
