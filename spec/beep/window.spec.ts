/**
 * Sequence numbers and windows alone.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { advance, offset, seqnoDistance } from '../../lib/beep/seqno.js';
import { InboundWindow, OutboundWindow } from '../../lib/beep/window.js';

const seqno = fc.oneof(
  fc.integer({ min: 0, max: 4294967295 }),
  fc.constantFrom(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
);
const octets = fc.oneof(fc.integer({ min: 0, max: 2147483647 }), fc.constantFrom(0, 1, 2147483647));

describe('beep: seqno and window', () => {
  it('REQ-BEEP-021 property: distance undoes advance, modulo 2^32', () => {
    fc.assert(
      fc.property(seqno, octets, (from, count) => {
        const to = advance(from, count);
        expect(to).to.be.within(0, 4294967295);
        expect(seqnoDistance(from, to)).to.equal(count);
        expect(offset(from, to)).to.equal(count);
        expect(offset(to, from)).to.equal(count === 0 ? 0 : -count);
      }),
    );
  });

  it('REQ-BEEP-074 property: whatever is received, consumed and allotted, the edge never moves left', () => {
    const step = fc.oneof(
      fc.record({ what: fc.constant('receive' as const), amount: fc.nat(5000) }),
      fc.record({ what: fc.constant('hold' as const), amount: fc.nat(5000) }),
      fc.record({ what: fc.constant('consume' as const), amount: fc.nat(5000) }),
      fc.record({ what: fc.constant('space' as const), amount: fc.integer({ min: 1, max: 20_000 }) }),
    );
    fc.assert(
      fc.property(seqno, fc.array(step, { maxLength: 60 }), (origin, steps) => {
        const window = new InboundWindow(origin);
        for (const { what, amount } of steps) {
          const before = seqnoDistance(origin, window.edge);
          const received = Math.min(amount, window.room);
          if (what === 'receive' || what === 'hold') {
            window.receive(received);
            window.unconsumed += what === 'hold' ? received : 0;
          } else if (what === 'consume') {
            window.unconsumed -= Math.min(amount, window.unconsumed);
          } else {
            window.space = amount;
          }
          if (window.worthwhile) {
            const size = window.advertise();
            expect(size * 2).to.be.at.least(window.space);
            expect(seqnoDistance(origin, window.edge)).to.be.greaterThan(before);
            expect(window.worthwhile).to.equal(false);
          }
          expect(seqnoDistance(origin, window.edge)).to.be.at.least(before);
          expect(window.unconsumed + window.room).to.be.at.most(20_000 + 5000);
        }
      }),
    );
  });

  it('REQ-BEEP-062 REQ-BEEP-065 property: the room is never negative, and only what was sent can be acknowledged', () => {
    fc.assert(
      fc.property(seqno, fc.nat(10_000), fc.nat(20_000), octets, (origin, sent, acknowledged, size) => {
        const window = new OutboundWindow(origin);
        window.next = advance(origin, sent);
        const valid = window.acknowledge(advance(origin, acknowledged), size);
        expect(valid).to.equal(acknowledged <= sent);
        expect(window.room).to.equal(valid ? Math.max(0, acknowledged + size - sent) : Math.max(0, 4096 - sent));
      }),
    );
  });
});
