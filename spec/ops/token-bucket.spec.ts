import { expect } from 'chai';
import fc from 'fast-check';
import { TokenBucket, TokenBuckets } from '../../lib/ops/token-bucket.js';

describe('ops/token-bucket', () => {
  it('gives a burst, and then the rate', () => {
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

  it('gives no more than burst and rate together over any time', () => {
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

  it('reads the clock only when it is empty', () => {
    let reads = 0;
    const bucket = new TokenBucket({ perSecond: 1, burst: 1000 }, () => {
      reads += 1;
      return 0;
    });
    for (let i = 0; i < 1000; i += 1) bucket.take();
    expect(reads).to.equal(1);
  });

  it('gives one name one bucket, and keeps a bounded number of them', () => {
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
