import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { workerConfig } from '../../lib/node/worker-config.js';

describe('node/worker-config', () => {
  const config = (limits: object = {}) =>
    parseConfig({ domains: ['example.com'], listen: [{ port: 0 }], workers: 3, admin: { port: 0 }, limits }, '/');

  it('divides what limits all sessions together, and nothing else', () => {
    const own = config({ node: { sessions: 100, loginBurst: 10 }, unauthenticated: { sessions: 7 } });
    const { limits, workers, admin, domains } = workerConfig(own, 3);
    expect([limits.node.sessions, limits.node.loginBurst, limits.unauthenticated.sessions]).to.deep.equal([34, 4, 3]);
    expect(limits.node.sessionsPerAddress).to.equal(own.limits.node.sessionsPerAddress);
    expect(limits.attachment).to.deep.equal(own.limits.attachment);
    expect([workers, admin, domains]).to.deep.equal([1, undefined, ['example.com']]);
  });

  it('leaves 0 what it is, and room for one message and two handshakes', () => {
    const own = config({ node: { loginsPerSecond: 0, handshakes: 2, unfinishedOctets: 67_108_864 } });
    const { node } = workerConfig(own, 64).limits;
    expect([node.loginsPerSecond, node.handshakes, node.unfinishedOctets]).to.deep.equal([0, 2, 67_108_864]);
    expect(workerConfig(config({ node: { unfinishedOctets: 4096 } }), 2).limits.node.unfinishedOctets).to.equal(4096);
  });

  it('stops before the center does', () => {
    const own = config();
    expect(workerConfig(own, 3).limits.node.drainTimeoutMs).to.be.lessThan(own.limits.node.drainTimeoutMs);
  });
});
