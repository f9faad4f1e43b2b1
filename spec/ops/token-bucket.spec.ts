import { expect } from 'chai';
import fc from 'fast-check';
import { TokenBucket, TokenBuckets } from '../../lib/ops/token-bucket.js';

describe('ops/token-bucket', () => {
  it('allows a burst, and then the rate', () => {
    let now = 0;
    const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, () => now);
    const takes = (count: number): number => Array.from({ length: count }, () => bucket.take()).filter(Boolean).length;
    expect(takes(5)).to.equal(3);
    now = 99;
    expect(takes(1)).to.equal(0);
    now = 100;
    expect(takes(5)).to.equal(1);
    now = 100_000;
    expect(takes(5)).to.equal(3);
  });

  it('allows no more than burst and rate together over any time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.nat(400), { maxLength: 200 }),
        (perSecond, burst, gaps) => {
          let now = 0;
          let taken = 0;
          const bucket = new TokenBucket({ perSecond, burst }, () => now);
          for (const gap of gaps) {
            now += gap;
            if (bucket.take()) taken += 1;
          }
          return taken <= burst + (perSecond * now) / 1000 + 1e-6;
        },
      ),
    );
  });

  it('allows one request above the burst when it is full, and waits for the rest', () => {
    let now = 0;
    const bucket = new TokenBucket({ perSecond: 10, burst: 30 }, () => now);
    expect(bucket.take(20)).to.equal(true);
    expect(bucket.take(20)).to.equal(false);
    now = 2000;
    expect(bucket.take(50)).to.equal(true);
    expect(bucket.take()).to.equal(false);
    now = 4000;
    expect(bucket.take()).to.equal(false);
    now = 4200;
    expect([bucket.take(), bucket.take(), bucket.take()]).to.deep.equal([true, true, false]);
  });

  it('applies a rate of its own to a name, until it changes', () => {
    const buckets = new TokenBuckets({ perSecond: 0, burst: 1 }, () => 0);
    expect(buckets.of('fred')).to.equal(undefined);
    const slow = { perSecond: 1, burst: 1 };
    const own = buckets.of('fred', slow);
    expect([own?.take(), own?.take()]).to.deep.equal([true, false]);
    expect(buckets.of('fred', { ...slow })).to.equal(own);
    expect(buckets.of('fred', { perSecond: 2, burst: 1 })).to.not.equal(own);
    expect(buckets.of('fred', { perSecond: 0, burst: 1 })).to.equal(undefined);
    expect(buckets.size).to.equal(1);
  });

  it('reads the clock only when it is empty', () => {
    let reads = 0;
    const bucket = new TokenBucket({ perSecond: 1, burst: 1000 }, () => {
      reads += 1;
      return 0;
    });
    for (let i = 0; i < 1000; i += 1) bucket.take();
    expect(reads).to.equal(1);
  });

  it('has one bucket for each name, and a bounded number of buckets', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, () => 0);
    expect(buckets.of('fred')?.take()).to.equal(true);
    expect(buckets.of('fred')?.take()).to.equal(false);
    expect(buckets.of('wilma')?.take()).to.equal(true);
    for (let i = 0; i < 50_000; i += 1) buckets.of(`user${i}`);
    expect(buckets.size).to.equal(20_000);
  });

  it('limits nothing with a rate of 0', () => {
    expect(new TokenBuckets({ perSecond: 0, burst: 1 }).of('fred')).to.equal(undefined);
  });
});
