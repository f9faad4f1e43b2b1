import { expect } from 'chai';
import { LATENCY_BOUNDS_MS, LOCAL_HOP, OTHER_HOPS, Traffic } from '../../lib/ops/traffic.js';
import { attached, makeRelay, neighbour } from '../support/fake-channel.js';
import { data } from '../support/fake-dialect.js';

describe('ops/traffic', () => {
  const timedIn = (traffic: Traffic, hop: string): number =>
    traffic.hops.get(hop)?.buckets.reduce((sum, count) => sum + count, 0) ?? 0;

  it('counts answers by who gave them, and by their meaning', () => {
    const traffic = new Traffic();
    traffic.answered('rubble.com', 100, undefined, 0);
    traffic.answered('rubble.com', 10, 450, 0);
    traffic.answered('rubble.com', 1, 550, 0);
    traffic.answered(undefined, 7, undefined, 0);
    expect(traffic.hops.get('rubble.com')).to.include({ delivered: 1, transient: 1, permanent: 1, octets: 111 });
    expect(traffic.hops.get(LOCAL_HOP)).to.include({ delivered: 1, transient: 0, permanent: 0, octets: 7 });
  });

  it('counts a measured time in the bucket of its latency', () => {
    const traffic = new Traffic();
    const bounds = LATENCY_BOUNDS_MS.length;
    traffic.answered(undefined, 1, undefined, performance.now() - 30);
    const local = traffic.hops.get(LOCAL_HOP) ?? expect.fail('nothing was counted');
    expect(LATENCY_BOUNDS_MS[local.buckets.indexOf(1)]).to.be.within(50, 500);
    expect(local.timedMs).to.be.within(30, 500);
    local.timed(0.1);
    local.timed(3_600_000);
    expect(local.buckets[0], 'a bound belongs to its bucket').to.equal(1);
    expect(local.buckets[bounds], 'above all bounds').to.equal(1);
  });

  it('measures every Data while they are rare, and a sample when they are many', () => {
    const traffic = new Traffic();
    const many = 16_000;
    let timed = 0;
    for (let i = 0; i < many; i += 1) {
      const begun = traffic.begin();
      if (begun > 0) timed += 1;
      traffic.answered(undefined, 1, undefined, begun);
    }
    expect(timed)
      .to.be.within(1, many / 4)
      .and.equal(timedIn(traffic, LOCAL_HOP));
    expect(traffic.hops.get(LOCAL_HOP)?.delivered).to.equal(many);
    const rare = new Traffic();
    expect(rare.begin()).to.be.greaterThan(0);
  });

  it('keeps a bounded number of next hops', () => {
    const traffic = new Traffic();
    for (let i = 0; i < 1000; i += 1) traffic.answered(`d${i}.example`, 1, undefined, 0);
    expect(traffic.hops.size).to.be.lessThan(110);
    expect(traffic.hops.get(OTHER_HOPS)?.delivered).to.be.greaterThan(890);
  });

  it('hears from the relay of each outgoing Data and each failure', () => {
    const traffic = new Traffic();
    const relay = makeRelay({ traffic });
    const fred = attached(relay, 'fred@example.com');
    const wilma = attached(relay, 'wilma@example.com');
    const rubble = neighbour(relay, 'rubble.com');
    rubble.bind('rubble.com', 9);
    fred.send(data('fred@example.com', ['barney@rubble.com']));
    rubble.requests[0]?.ok();
    fred.send(data('fred@example.com', ['wilma@example.com', 'barney@rubble.com', 'joe@slate.example']));
    wilma.requests[0]?.ok();
    rubble.requests[1]?.error(450, 'busy');
    expect(traffic.hops.get('rubble.com')).to.include({ delivered: 1, transient: 1, permanent: 0 });
    expect(traffic.hops.get(LOCAL_HOP), 'wilma, and joe whose domain nobody serves').to.include({
      delivered: 1,
      transient: 0,
      permanent: 1,
    });
    expect(timedIn(traffic, 'rubble.com')).to.be.greaterThan(0);
  });
});
