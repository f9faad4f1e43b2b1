/** Payloads in pieces, against the same octets in one buffer. */
import { expect } from 'chai';
import fc from 'fast-check';
import { contiguous, headOf, indexInPieces, payloadOctets, portion } from '../../lib/mime/payload.js';

/** Octets of few values, so that what is sought occurs often and nearly, cut into pieces, empty ones among them. */
const cut = fc.array(
  fc.array(fc.constantFrom(0x61, 0x62, 0x0d), { maxLength: 6 }).map((octets) => Buffer.from(octets)),
  {
    maxLength: 12,
  },
);

describe('mime: payloads in pieces', () => {
  it('finds the first occurrence, wherever it is cut', () => {
    const wanted = fc.array(fc.constantFrom(0x61, 0x62, 0x0d), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(cut, wanted, fc.nat(40), (pieces, octets, from) => {
        const whole = Buffer.concat(pieces);
        // Node looks from the end when the offset is behind it.
        const expected = from > whole.length ? -1 : whole.indexOf(Buffer.from(octets), from);
        expect(indexInPieces(pieces, Buffer.from(octets), from)).to.equal(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('cuts and joins as one buffer does', () => {
    fc.assert(
      fc.property(cut, fc.nat(40), fc.nat(40), (pieces, start, end) => {
        const whole = Buffer.concat(pieces);
        expect(payloadOctets(pieces)).to.equal(whole.length);
        expect(contiguous(pieces)).to.deep.equal(whole);
        expect(Buffer.concat(portion(pieces, start, end))).to.deep.equal(whole.subarray(start, Math.max(start, end)));
        expect(Buffer.concat(portion(whole, start, end))).to.deep.equal(whole.subarray(start, Math.max(start, end)));
      }),
    );
  });

  it('copies nothing but a beginning that is too short', () => {
    const large = [Buffer.alloc(20_000, 'a'), Buffer.alloc(20_000, 'b')];
    expect(headOf(large)).to.equal(large[0]);
    const small = [Buffer.alloc(10_000, 'a'), Buffer.alloc(20_000, 'b')];
    expect(headOf(small).toString()).to.equal('a'.repeat(10_000) + 'b'.repeat(6384));
    expect(headOf([Buffer.from('ab'), Buffer.from('c')]).toString()).to.equal('abc');
    expect(contiguous([large[0] ?? Buffer.alloc(0)])).to.equal(large[0]);
  });
});
