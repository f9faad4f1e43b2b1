import { expect } from 'chai';
import { FairLimit } from '../../lib/transport/fair-limit.js';

describe('transport/fair-limit', () => {
  const LIMITS = { all: 6, perHost: 4 };
  /** A newcomer; whoever has to go for him goes. */
  function come(limit: FairLimit<string>, member: string, place: string): string | undefined {
    const out = limit.memberToEvict(place, LIMITS);
    if (out !== undefined) limit.remove(out);
    limit.add(member, place);
    return out;
  }

  it('lets the oldest of the same place go when the place has its share', () => {
    const limit = new FairLimit<string>();
    for (const member of ['a1', 'a2', 'a3', 'a4']) expect(come(limit, member, 'a')).to.equal(undefined);
    expect(come(limit, 'a5', 'a')).to.equal('a1');
    expect(come(limit, 'b1', 'b')).to.equal(undefined);
    expect(limit.size).to.equal(5);
  });

  it('lets the oldest of the place with the most go when all places are taken', () => {
    const limit = new FairLimit<string>();
    for (const member of ['a1', 'a2', 'a3', 'a4']) come(limit, member, 'a');
    for (const member of ['b1', 'b2']) come(limit, member, 'b');
    expect(come(limit, 'c1', 'c')).to.equal('a1');
    expect(come(limit, 'c2', 'c')).to.equal('a2');
    expect(limit.count('b')).to.equal(2);
  });

  it('never lets one place displace the members of another, however many come', () => {
    const limit = new FairLimit<string>();
    come(limit, 'honest', 'b');
    for (let i = 0; i < 10_000; i += 1) come(limit, `a${i}`, 'a');
    expect(limit.has('honest')).to.equal(true);
    expect(limit.size).to.be.at.most(LIMITS.all);
  });

  it('forgets places without members', () => {
    const limit = new FairLimit<string>();
    limit.add('a1', 'a');
    limit.remove('a1');
    limit.remove('a1');
    expect([limit.size, limit.count('a')]).to.deep.equal([0, 0]);
  });
});
