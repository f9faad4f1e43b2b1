import { expect } from 'chai';
import { FairLimit } from '../../lib/transport/fair-limit.js';

describe('transport/fair-limit', () => {
  const LIMITS = { all: 6, perHost: 4 };
  /** A newcomer; whoever has to go for him goes. */
  function come(crowd: FairLimit<string>, member: string, place: string): string | undefined {
    const out = crowd.memberToEvict(place, LIMITS);
    if (out !== undefined) crowd.remove(out);
    crowd.add(member, place);
    return out;
  }

  it('lets the oldest of the same place go when the place has its share', () => {
    const crowd = new FairLimit<string>();
    for (const member of ['a1', 'a2', 'a3', 'a4']) expect(come(crowd, member, 'a')).to.equal(undefined);
    expect(come(crowd, 'a5', 'a')).to.equal('a1');
    expect(come(crowd, 'b1', 'b')).to.equal(undefined);
    expect(crowd.size).to.equal(5);
  });

  it('lets the oldest of the place with the most go when all places are taken', () => {
    const crowd = new FairLimit<string>();
    for (const member of ['a1', 'a2', 'a3', 'a4']) come(crowd, member, 'a');
    for (const member of ['b1', 'b2']) come(crowd, member, 'b');
    expect(come(crowd, 'c1', 'c')).to.equal('a1');
    expect(come(crowd, 'c2', 'c')).to.equal('a2');
    expect(crowd.count('b')).to.equal(2);
  });

  it('never has one place crowd out another, however many come', () => {
    const crowd = new FairLimit<string>();
    come(crowd, 'honest', 'b');
    for (let i = 0; i < 10_000; i += 1) come(crowd, `a${i}`, 'a');
    expect(crowd.has('honest')).to.equal(true);
    expect(crowd.size).to.be.at.most(LIMITS.all);
  });

  it('forgets places without members', () => {
    const crowd = new FairLimit<string>();
    crowd.add('a1', 'a');
    crowd.remove('a1');
    crowd.remove('a1');
    expect([crowd.size, crowd.count('a')]).to.deep.equal([0, 0]);
  });
});
