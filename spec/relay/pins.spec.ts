import { expect } from 'chai';
import { ChannelLane, type ChannelLaneOwner } from '../../lib/relay/channel-lane.js';
import { Pins } from '../../lib/relay/pins.js';

const OWNER: ChannelLaneOwner = {
  relay: undefined,
  now: () => 0,
  deliverBy: () => {},
  ended: () => {},
  accepted: () => {},
};
const lane = (): ChannelLane => new ChannelLane(OWNER, undefined, 0);

describe('Pins', () => {
  it('keeps the lane of an originator and a recipient while anything is under way, and takes another one after that', () => {
    const pins = new Pins();
    const [first, second] = [lane(), lane()];
    const pin = pins.take('fred@a.example', 'barney@b.example', first);
    expect(pins.take('fred@a.example', 'barney@b.example', second)).to.equal(pin);
    expect(pins.lane('fred@a.example', 'barney@b.example')).to.equal(first);
    pin.count -= 2;
    expect(pins.lane('fred@a.example', 'barney@b.example')).to.equal(undefined);
    pins.take('fred@a.example', 'barney@b.example', second);
    expect(pins.lane('fred@a.example', 'barney@b.example')).to.equal(second);
  });

  it('tells pairs apart by both names', () => {
    const pins = new Pins();
    const [first, second, third] = [lane(), lane(), lane()];
    pins.take('fred@a.example', 'barney@b.example', first);
    pins.take('fred@a.example', 'betty@b.example', second);
    pins.take('wilma@a.example', 'barney@b.example', third);
    expect(pins.lane('fred@a.example', 'barney@b.example')).to.equal(first);
    expect(pins.lane('fred@a.example', 'betty@b.example')).to.equal(second);
    expect(pins.lane('wilma@a.example', 'barney@b.example')).to.equal(third);
    expect(pins.lane('wilma@a.example', 'betty@b.example')).to.equal(undefined);
    expect(pins.size).to.equal(3);
  });

  it('forgets the pairs of which nothing is under way, and no others', () => {
    const pins = new Pins();
    const kept = lane();
    for (let at = 0; at < 100; at += 1) pins.take(`f${at % 10}@a.example`, `b${at}@b.example`, kept).count -= 1;
    pins.take('f3@a.example', 'b3@b.example', kept);
    pins.take('solo@a.example', 'b@b.example', kept);
    expect(pins.size).to.equal(101);
    pins.prune();
    expect(pins.size).to.equal(2);
    expect(pins.lane('f3@a.example', 'b3@b.example')).to.equal(kept);
    expect(pins.lane('solo@a.example', 'b@b.example')).to.equal(kept);
  });
});
