import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { type RecordKeys, RecordOpener, RecordSealer } from '../../../lib/transport/tls/record-cipher.js';

describe('transport/tls/record-cipher', () => {
  const keys = (minor: number): RecordKeys => ({
    minor,
    key: randomBytes(24),
    macKey: randomBytes(20),
    ...(minor === 1 ? { iv: randomBytes(8) } : {}),
  });

  for (const minor of [1, 2]) {
    describe(`TLS 1.${minor - 1}`, () => {
      it('opens what was sealed, in order, for every length', () => {
        const own = keys(minor);
        const [sealer, opener] = [new RecordSealer(own), new RecordOpener(own)];
        for (const length of [0, 1, 2, 3, 4, 5, 6, 7, 8, 100, 16_383, 16_384]) {
          const content = randomBytes(length);
          const fragment = sealer.seal(23, content);
          expect(fragment.length).to.be.at.most(18_432);
          expect(opener.open(23, fragment)?.equals(content), String(length)).to.equal(true);
        }
      });

      it('opens no record that was changed, repeated, left out or given another type', () => {
        const own = keys(minor);
        const content = Buffer.from('across the years');
        const sealed = (count: number): Buffer[] => {
          const sealer = new RecordSealer(own);
          return Array.from({ length: count }, () => sealer.seal(23, content));
        };
        const [first = content, second = content] = sealed(2);
        expect(new RecordOpener(own).open(22, first)).to.equal(undefined);
        expect(new RecordOpener(own).open(23, second)).to.equal(undefined);
        const repeated = new RecordOpener(own);
        expect(repeated.open(23, first)?.equals(content)).to.equal(true);
        expect(repeated.open(23, first)).to.equal(undefined);
        fc.assert(
          fc.property(fc.nat(first.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
            const copy = Buffer.from(first);
            copy[at] = (copy[at] ?? 0) ^ change;
            const opened = new RecordOpener(own).open(23, copy);
            expect(opened).to.equal(undefined);
          }),
          { numRuns: 300 },
        );
      });

      it('opens nothing out of arbitrary octets, of whatever length', () => {
        const opener = new RecordOpener(keys(minor));
        fc.assert(
          fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => {
            expect(opener.open(23, Buffer.from(octets))).to.equal(undefined);
          }),
          { numRuns: 1000 },
        );
      });
    });
  }

  it('TLS 1.1 never seals the same content alike', () => {
    const own = keys(2);
    const fragments = [0, 1].map(() => new RecordSealer(own).seal(23, Buffer.from('x')).toString('hex'));
    expect(fragments[0]).not.to.equal(fragments[1]);
  });
});
