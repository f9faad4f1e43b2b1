import { expect } from 'chai';
import { NO_SESSIONS } from '../../lib/node/session-counts.js';
import { combinedStatus } from '../../lib/node/worker-status.js';
import { EventLoop } from '../../lib/ops/event-loop.js';
import { type LinkStatus, type NodeStatus, statusOf } from '../../lib/ops/status.js';
import { Traffic } from '../../lib/ops/traffic.js';

describe('node/worker-status', () => {
  const loop = new EventLoop();
  after(() => loop.stop());

  function status(listener: number, attachments: number, links: readonly LinkStatus[] = [], hops: string[] = []) {
    const traffic = new Traffic();
    for (const hop of hops) traffic.answered(hop, 10, undefined, 0);
    const facts = {
      state: 'ready' as const,
      domains: ['example.com'],
      listening: [],
      sessions: { ...NO_SESSIONS, listener, endpoints: listener },
      attachments,
      bindings: 1,
      accounts: { total: 9, disabled: 1 },
      outstanding: 2,
      certificates: [
        { holder: 'neighbour' as const, name: 'rubble.com', notAfter: '2027-01-01T00:00:00.000Z', days: 9 },
      ],
      links,
      held: { data: 0, octets: 0, endpoints: 0, oldestMs: 0, stored: 0, delivered: 0, failed: 0 },
      presence: {
        subscriptions: 0,
        watches: 0,
        outstanding: 0,
        counts: { entries: 0, publish: 0, notify: 0, terminate: 0, failed: 0 },
      },
    };
    return statusOf(facts, traffic, loop);
  }

  const of = (all: NodeStatus, name: string) => all.hops.find((hop) => hop.name === name);

  it('adds up what each process has, and takes from the center what only it has', () => {
    const link = (state: string): LinkStatus => ({ name: 'rubble.com', state, outstanding: 1, waiting: 0 });
    const all = combinedStatus(
      status(0, 3),
      [
        { name: 'w1', status: status(2, 2, [link('backoff')], ['rubble.com', 'rubble.com']), forwarded: 5 },
        { name: 'w2', status: status(1, 1, [link('ready')], ['rubble.com']), forwarded: 6 },
      ],
      4,
    );
    expect([all.sessions.listener, all.attachments, all.bindings, all.outstanding]).to.deep.equal([3, 3, 3, 6]);
    expect(all.accounts).to.deep.equal({ total: 9, disabled: 1 });
    expect(all.certificates).to.have.length(1);
    expect(all.links).to.deep.equal([{ name: 'rubble.com', state: 'ready', outstanding: 2, waiting: 0 }]);
    expect([of(all, 'rubble.com')?.delivered, of(all, 'rubble.com')?.octets]).to.deep.equal([3, 30]);
    expect(all.process.residentOctets).to.be.greaterThan(status(0, 0).process.residentOctets * 2);
    expect(all.workers?.map(({ name, sessions, forwarded }) => [name, sessions, forwarded])).to.deep.equal([
      ['w1', 2, 5],
      ['w2', 1, 6],
    ]);
    expect(all.workersRestarted).to.equal(4);
  });
});
