import { expect } from 'chai';
import fc from 'fast-check';
import { MessageTable } from '../../lib/beep/message-table.js';

interface Value {
  readonly number: number;
}

describe('beep/message-table', () => {
  it('does what a Map does, in the same order', () => {
    const number = fc.oneof(fc.nat(40), fc.integer({ min: 0, max: 2_147_483_647 }));
    const step = fc.tuple(fc.constantFrom('set', 'set', 'delete'), number);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
        const [table, map] = [new MessageTable<Value>(), new Map<number, Value>()];
        for (const [what, number] of steps) {
          if (what === 'set') {
            const value = { number };
            table.set(number, value);
            map.set(number, value);
          } else {
            expect(table.delete(number)).to.equal(map.delete(number));
          }
          expect(table.size).to.equal(map.size);
          expect(table.get(number)).to.equal(map.get(number));
          expect(table.has(number)).to.equal(map.has(number));
        }
        expect([...table]).to.deep.equal([...map]);
        expect(table.values()).to.deep.equal([...map.values()]);
      }),
    );
  });

  it('keeps many that come and go, in order and out of it, and numbers that differ in high bits only', () => {
    const table = new MessageTable<Value>();
    for (let number = 0; number < 20_000; number += 1) {
      table.set(number, { number });
      if (number >= 256) expect(table.delete(number - 256)).to.equal(true);
    }
    expect(table.values().map((value) => value.number)).to.deep.equal(
      Array.from({ length: 256 }, (_, at) => 19_744 + at),
    );
    for (let number = 19_999; number >= 19_744; number -= 1) expect(table.delete(number)).to.equal(true);
    expect([table.size, [...table]]).to.deep.equal([0, []]);
    for (let high = 0; high < 2000; high += 1) table.set(high * 65_536, { number: high });
    for (let high = 0; high < 2000; high += 1) expect(table.get(high * 65_536)?.number).to.equal(high);
    for (let high = 0; high < 2000; high += 2) expect(table.delete(high * 65_536)).to.equal(true);
    for (let high = 0; high < 2000; high += 1) expect(table.has(high * 65_536)).to.equal(high % 2 === 1);
    expect(table.size).to.equal(1000);
  });

  it('may change while it is walked, and walks what was there', () => {
    const table = new MessageTable<Value>();
    for (let number = 0; number < 10; number += 1) table.set(number, { number });
    const walked: number[] = [];
    for (const [number] of table) {
      walked.push(number);
      table.delete(number);
      table.set(number + 100, { number });
    }
    expect(walked).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(table.size).to.equal(10);
  });
});
