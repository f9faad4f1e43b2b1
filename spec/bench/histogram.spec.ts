import { expect } from 'chai';
import { drawn, histogram } from './histogram.js';

describe('bench: histogram', () => {
  it('counts each sample in the column it lies in, and leaves none out', () => {
    const samples = [0.1, 0.11, 0.4, 0.41, 0.42, 9];
    const buckets = histogram(samples);
    expect(buckets.reduce((sum, { count }) => sum + count, 0)).to.equal(samples.length);
    for (const { fromMs, toMs, count } of buckets) {
      expect(samples.filter((ms) => ms >= fromMs && ms < toMs)).to.have.length(count);
    }
    expect(buckets[0]?.count).to.equal(2);
    expect(buckets.at(-1)?.count).to.equal(1);
  });

  it('draws several on one scale', () => {
    const [axis = '', ...lines] = drawn([
      histogram([1.1, 1.1, 1.1]),
      histogram([11, 11, ...Array.from({ length: 50 }, () => 110)]),
    ]);
    expect(axis).to.equal('1  2    5   10 20   50   ');
    expect(lines[0]).to.equal(`█${' '.repeat(24)}`);
    expect(lines[1]).to.equal(`${' '.repeat(12)}·${' '.repeat(11)}█`);
  });
});
