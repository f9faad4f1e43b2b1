import { expect } from 'chai';
import { ChannelLane, type ChannelLaneOwner, Flight, type FlightPlan } from '../../lib/relay/channel-lane.js';
import { FairShares } from '../../lib/relay/fair-shares.js';
import type { DeliverySink, OutboundDelivery } from '../../lib/relay/target.js';
import { DIALECT } from '../support/fake-channel.js';
import { data } from '../support/fake-dialect.js';

const OWNER: ChannelLaneOwner = {
  relay: undefined,
  now: () => 0,
  deliverBy: () => {},
  ended: () => {},
  accepted: () => {},
};
const PLAN: FlightPlan = { account: 'fred@example.com', recipient: 'barney@rubble.com', proven: true };
const DELIVERY: OutboundDelivery = {
  data: data('fred@example.com', ['barney@rubble.com']),
  payload: () => DIALECT.encodeData(data('fred@example.com', ['barney@rubble.com'])),
};
const SINK: DeliverySink = { delivered: () => {}, failed: () => {} };

/** Three Data under way on one lane. */
function threeUnderWay() {
  const lane = new ChannelLane(OWNER, undefined, 0);
  const shares = new FairShares({ count: 10, octets: 10_000 });
  const flights = [0, 1, 2].map(() => {
    const share = shares.take(PLAN.account, 1);
    if (share === undefined) throw new Error('no share');
    const flight = new Flight(lane, PLAN, 1, share, []);
    lane.send(DELIVERY, SINK, flight, 0);
    return flight;
  });
  return { lane, flights };
}

describe('ChannelLane', () => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 0, 2],
  ]) {
    it(`lets go of each Data that is over, so that none keeps another in memory: answered in the order ${order}`, () => {
      const { lane, flights } = threeUnderWay();
      for (const at of order) {
        const flight = flights[at];
        if (flight === undefined) throw new Error('no flight');
        lane.answered(flight, true);
        expect(flight.before, `before ${at}`).to.equal(undefined);
        expect(flight.after, `after ${at}`).to.equal(undefined);
      }
      expect(lane.head).to.equal(undefined);
      expect(lane.outstanding).to.equal(0);
    });
  }

  it('keeps the order of those that stay when one in the middle is over', () => {
    const { lane, flights } = threeUnderWay();
    const [first, middle, last] = flights;
    if (middle === undefined) throw new Error('no flight');
    lane.answered(middle, true);
    expect(lane.head).to.equal(first);
    expect(first?.after).to.equal(last);
    expect(last?.before).to.equal(first);
  });
});
