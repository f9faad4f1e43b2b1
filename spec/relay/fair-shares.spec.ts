import { expect } from 'chai';
import { FairShares } from '../../lib/relay/fair-shares.js';

describe('relay/fair-shares', () => {
  const taken = (shares: FairShares, owner: string, tries: number, octets = 1): number => {
    let count = 0;
    for (let at = 0; at < tries; at += 1) if (shares.take(owner, octets) !== undefined) count += 1;
    return count;
  };

  it('gives one owner half, and each further one half of what is left', () => {
    const shares = new FairShares({ count: 80, octets: 10_000 });
    expect([taken(shares, 'a', 100), taken(shares, 'b', 100), taken(shares, 'c', 100)]).to.deep.equal([40, 20, 10]);
  });

  it('shares octets in the same way, and accepts a first one of any size', () => {
    const shares = new FairShares({ count: 1000, octets: 800 });
    expect(taken(shares, 'a', 100, 10)).to.equal(40);
    expect(new FairShares({ count: 10, octets: 100 }).take('a', 5000)).to.not.equal(undefined);
    expect(taken(shares, 'b', 1, 500)).to.equal(0);
  });

  it('has the full amount again once everything was returned', () => {
    const shares = new FairShares({ count: 4, octets: 100 });
    for (let round = 0; round < 3; round += 1) {
      const held = ['a', 'b', 'c'].map((owner) => shares.take(owner, 30));
      expect(held.filter((share) => share !== undefined)).to.have.length(3);
      for (const share of held) if (share !== undefined) shares.give(share, 30);
    }
    expect(taken(shares, 'a', 10, 10)).to.equal(2);
  });
});
