import { expect } from 'chai';
import fc from 'fast-check';
import { SmallMap } from '../../lib/relay/small-map.js';

describe('relay/small-map', () => {
  it('is what a Map is, whatever is done to it', () => {
    const step = fc.record({
      key: fc.integer({ min: 0, max: 3 }),
      value: fc.option(fc.string()),
      remove: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const small = new SmallMap<number, string | null>();
        const map = new Map<number, string | null>();
        for (const { key, value, remove } of steps) {
          if (remove) {
            small.delete(key);
            map.delete(key);
          } else {
            small.set(key, value);
            map.set(key, value);
          }
          expect(small.size).to.equal(map.size);
          expect(small.keys()).to.deep.equal([...map.keys()]);
          expect(small.values()).to.deep.equal([...map.values()]);
          for (const one of [0, 1, 2, 3]) {
            expect(small.get(one)).to.equal(map.get(one));
            expect(small.has(one)).to.equal(map.has(one));
          }
        }
      }),
    );
  });
});
