import { expect } from 'chai';
import * as fc from 'fast-check';
import { inOrder, notOffered, pick, type SrvRecord } from '../../../lib/mesh/dns/srv.js';

const record = (target: string, weight: number, priority = 0): SrvRecord => ({ priority, weight, port: 6011, target });

/** Weights in arranged order, the number drawn, the index picked. */
const VECTORS: readonly (readonly [weights: readonly number[], drawn: number, picked: number])[] = [
  [[0, 1, 3], 0, 0],
  [[0, 1, 3], 1, 1],
  [[0, 1, 3], 2, 2],
  [[10, 20, 30], 10, 0],
  [[10, 20, 30], 11, 1],
  [[10, 20, 30], 60, 2],
  [[0, 0], 0, 0],
];

const HARBOUR = [
  record('spare-a.harbour.example', 0, 9),
  record('fast.harbour.example', 3, 5),
  record('spare-b.harbour.example', 0, 9),
  record('slow.harbour.example', 1, 5),
];

describe('the order of SRV records', () => {
  for (const [weights, drawn, picked] of VECTORS) {
    it(`REQ-CPIM-007 picks number ${picked} of the weights ${weights.join(', ')} when ${drawn} is drawn`, () => {
      expect(
        pick(
          weights.map((weight) => ({ weight })),
          drawn,
        ),
      ).to.equal(picked);
    });
  }

  it('REQ-CPIM-005 puts the lower priority first for every random number, and every record exactly once', () => {
    const records = fc.array(
      fc.record({
        priority: fc.integer({ min: 0, max: 3 }),
        weight: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 65_535 })),
        port: fc.constant(1),
        target: fc.stringMatching(/^[a-z]{1,8}$/),
      }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(
        records,
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        (all, numbers) => {
          const ordered = inOrder(all, (most) => Math.floor((numbers.next().value ?? 0) * (most + 1)));
          expect(ordered.map(({ priority }) => priority)).to.deep.equal(all.map(({ priority }) => priority).sort());
          expect(all.every((one) => ordered.includes(one))).to.equal(true);
          expect(ordered).to.have.length(all.length);
        },
      ),
    );
  });

  it('REQ-CPIM-005 picks in the ratio 2 : 3 from the weights 1 and 3, because the range is inclusive', () => {
    const slowThenFast = [{ weight: 1 }, { weight: 3 }];
    expect([0, 1, 2, 3, 4].map((drawn) => pick(slowThenFast, drawn))).to.deep.equal([0, 0, 1, 1, 1]);
  });

  it('REQ-CPIM-007 gives the heavier record more of the load', () => {
    const fast = Array.from({ length: 1000 }, () => inOrder(HARBOUR)[0]?.target).filter((target) =>
      target?.startsWith('fast'),
    );
    expect(fast.length).to.be.within(600, 800); // 7/10 on average over both arrangements
  });

  it('spreads the load where all weights are 0', () => {
    const first = new Set(Array.from({ length: 100 }, () => inOrder(HARBOUR.slice(0, 3))[1]?.target));
    expect(first).to.deep.equal(new Set(['spare-a.harbour.example', 'spare-b.harbour.example']));
  });

  it('REQ-CPIM-006 takes a service as not offered only if "." is the sole target', () => {
    expect(notOffered([record('.', 0)])).to.equal(true);
    expect(notOffered([])).to.equal(false);
    expect(notOffered([record('.', 0), record('a.example', 0)])).to.equal(false);
  });
});
