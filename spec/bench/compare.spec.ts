import { expect } from 'chai';
import { comparison } from './compare.js';

const spread = (median: number) => ({ median, minimum: median - 1, maximum: median + 1 });
const path = (octets: number, cost: number) => ({
  path: 'one relay',
  octets,
  cpu: spread(cost),
  latency: { p50Ms: cost / 10 },
});

describe('bench: comparison with another run', () => {
  it('gives the ratio of each figure of a row that both runs have', () => {
    const text = comparison({ paths: [path(100, 2), path(400, 3)] }, { load: 1, paths: [path(100, 4), path(400, 3)] });
    const lines = text.split('\n').map((line) => line.split(/ {2,}/));
    expect(lines).to.deep.include(['paths: one relay, octets 100', 'cpu', '4', '2', '0.500']);
    expect(lines).to.deep.include(['paths: one relay, octets 100', 'latency.p50Ms', '0.4', '0.2', '0.500']);
    expect(lines).to.deep.include(['paths: one relay, octets 400', 'cpu', '3', '3', '1.000']);
  });

  it('names the rows that only one of them has', () => {
    const text = comparison({ paths: [path(100, 2)] }, { paths: [path(400, 2)] });
    expect(text)
      .to.include('only now: paths: one relay, octets 100')
      .and.include('only before: paths: one relay, octets 400');
  });

  it('refuses a file without results', () => {
    expect(() => comparison({}, [])).to.throw(/--json/);
  });
});
