import { expect } from 'chai';
import fc from 'fast-check';
import { ChannelMap } from '../../lib/beep/channel-map.js';

const step = fc.tuple(fc.constantFrom('set', 'delete'), fc.integer({ min: 0, max: 4 }), fc.string());

describe('beep: a map by channel number', () => {
  it('behaves as a Map for any additions and removals', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const model = new Map<number, string>();
        const numbered = new ChannelMap<string>();
        for (const [what, number, thing] of steps) {
          if (what === 'set') {
            model.set(number, thing);
            numbered.set(number, thing);
          } else {
            model.delete(number);
            numbered.delete(number);
          }
          expect(numbered.size).to.equal(model.size);
          for (let at = 0; at <= 5; at += 1) {
            expect(numbered.get(at)).to.equal(model.get(at));
            expect(numbered.has(at)).to.equal(model.has(at));
          }
          expect([...numbered.values()]).to.have.members([...model.values()]);
          expect(numbered.some((one) => one === thing)).to.equal([...model.values()].includes(thing));
        }
      }),
    );
  });
});
