import { expect } from 'chai';
import fc from 'fast-check';
import { TimerWheel, type TimerWheelItem } from '../../../lib/services/presence/timer-wheel.js';

class Item implements TimerWheelItem<Item> {
  due: number;
  before: Item | undefined = undefined;
  after: Item | undefined = undefined;
  slot = -1;

  constructor(due: number) {
    this.due = due;
  }
}

describe('presence/wheel', () => {
  it('returns everything when it is due, once, and nothing that was removed', () => {
    const action = fc.oneof(
      fc.record({ add: fc.integer({ min: -5000, max: 20_000_000 }) }),
      fc.record({ remove: fc.nat(20) }),
      fc.record({ pass: fc.oneof(fc.nat(3000), fc.nat(10_000_000)) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        let now = 1_000_000_000_000;
        const wheel = new TimerWheel<Item>(now);
        const expected = new Set<Item>();
        for (const one of actions) {
          if ('add' in one) {
            const item = new Item(now + one.add);
            wheel.add(item);
            expected.add(item);
          } else if ('remove' in one) {
            const item = [...expected][one.remove];
            if (item === undefined) continue;
            expect(wheel.remove(item)).to.equal(true);
            expect(wheel.remove(item)).to.equal(false);
            expected.delete(item);
          } else {
            now += one.pass;
            const due = [...expected].filter((item) => item.due <= now);
            const taken = wheel.take(now);
            expect(taken).to.have.length(due.length);
            expect(due.every((item) => taken.includes(item))).to.equal(true);
            for (const item of due) expected.delete(item);
          }
          expect(wheel.size).to.equal(expected.size);
        }
      }),
    );
  });
});
