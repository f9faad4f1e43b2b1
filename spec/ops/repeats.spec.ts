import { expect } from 'chai';
import { Repeats } from '../../lib/ops/repeats.js';

describe('ops/repeats', () => {
  let now: number;
  let told: (readonly [string, number])[];
  let repeats: Repeats<string>;
  beforeEach(() => {
    now = 0;
    told = [];
    const limits = { first: 2, intervalMs: 1000, kinds: 3 };
    repeats = new Repeats(
      limits,
      (last, count) => told.push([last, count]),
      () => now,
    );
  });

  const admitted = (name: string, ...things: string[]): string[] => things.filter((one) => repeats.admit(name, one));

  it('passes the first, and reports the number of repetitions once an interval', () => {
    expect(admitted('a', '1', '2', '3', '4')).to.deep.equal(['1', '2']);
    expect(admitted('b', '5')).to.deep.equal(['5']);
    now = 999;
    repeats.sweep();
    expect(told).to.deep.equal([]);
    now = 1000;
    repeats.sweep();
    expect(told).to.deep.equal([['4', 2]]);
  });

  it('suppresses what continues, and passes what was quiet before', () => {
    admitted('a', '1', '2', '3');
    now = 1000;
    repeats.sweep();
    expect(admitted('a', '4', '5')).to.deep.equal([]);
    now = 2000;
    repeats.sweep();
    expect(told).to.deep.equal([
      ['3', 1],
      ['5', 2],
    ]);
    now = 3000;
    repeats.sweep();
    expect(admitted('a', '6')).to.deep.equal(['6']);
  });

  it('needs no periodic cleaning', () => {
    admitted('a', '1', '2', '3');
    now = 1500;
    expect(admitted('a', '4')).to.deep.equal([]);
    expect(told).to.deep.equal([['3', 1]]);
    now = 5000;
    admitted('a', '5');
    now = 9000;
    admitted('a', '6');
    repeats.end();
    expect(told).to.deep.equal([
      ['3', 1],
      ['4', 1],
      ['5', 1],
      ['6', 1],
    ]);
  });

  it('distinguishes a bounded number of kinds, and counts the others together', () => {
    for (const name of ['a', 'b', 'c']) admitted(name, name);
    expect(['d', 'e', 'f', 'g'].filter((name) => repeats.admit(name, name))).to.deep.equal(['d', 'e']);
    repeats.end();
    expect(told).to.deep.equal([['g', 2]]);
  });

  it('reuses the place of a quiet kind', () => {
    for (const name of ['a', 'b', 'c']) admitted(name, name);
    now = 1000;
    repeats.sweep();
    expect(admitted('d', '1', '2', '3')).to.deep.equal(['1', '2']);
    expect(admitted('e', '4', '5', '6')).to.deep.equal(['4', '5']);
  });
});
