import { isUtf8 as nodeIsUtf8 } from 'node:buffer';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { isUtf8, Buffer as PageBuffer } from '../../web/shim/buffer.js';
import * as crypto from '../../web/shim/crypto.js';

const ENCODINGS = ['utf8', 'latin1', 'hex', 'base64', 'ascii', 'binary'] as const;
const octets = fc.uint8Array({ maxLength: 60 });
const few = fc.uint8Array({ maxLength: 40, max: 3 });
const at = fc.integer({ min: -5, max: 50 });
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');

/** Checks that something is the same for Node's Buffer and the one for browsers. */
function same<Input>(input: fc.Arbitrary<Input>, act: (make: typeof Buffer, input: Input) => unknown): void {
  const page = PageBuffer as unknown;
  fc.assert(
    fc.property(input, (value) => {
      const [expected, actual] = [act(Buffer, value), act(page as typeof Buffer, value)];
      if (expected instanceof Uint8Array && actual instanceof Uint8Array) expect(hex(actual)).to.equal(hex(expected));
      else expect(actual).to.deep.equal(expected);
    }),
    { numRuns: 200 },
  );
}

describe('the Buffer for browsers', () => {
  it('reads and writes the encodings of Node', () => {
    for (const encoding of ENCODINGS) {
      same(octets, (make, value) => make.from(value).toString(encoding));
      // What is no hex or base64 is never read as such.
      if (encoding === 'hex' || encoding === 'base64') continue;
      same(fc.string({ unit: 'binary' }), (make, value) => make.from(value, encoding));
      same(fc.string({ unit: 'binary' }), (make, value) => make.byteLength(value, encoding));
    }
    same(octets, (make, value) => make.from(make.from(value).toString('hex'), 'hex'));
    same(octets, (make, value) => make.from(make.from(value).toString('base64'), 'base64'));
    same(fc.tuple(octets, at, at), (make, [value, start, end]) =>
      make.from(value).toString('latin1', Math.max(0, start), Math.max(0, end)),
    );
    same(octets, (make, value) => (make === Buffer ? nodeIsUtf8(value) : isUtf8(value)));
  });

  it('searches and compares as Node does', () => {
    const pair = fc.tuple(few, fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 }), at);
    same(pair, (make, [value, wanted, from]) => make.from(value).indexOf(make.from(wanted), from));
    same(pair, (make, [value, wanted, from]) => make.from(value).lastIndexOf(make.from(wanted), from));
    same(pair, (make, [value, wanted, from]) => make.from(value).includes(make.from(wanted), from));
    same(pair, (make, [value, wanted, from]) => make.from(value).indexOf(wanted[0] ?? 0, from));
    same(pair, (make, [value, wanted]) => make.from(value).lastIndexOf(make.from(wanted)));
    same(fc.tuple(few, few), (make, [one, other]) => [
      make.from(one).equals(make.from(other)),
      make.compare(make.from(one), make.from(other)),
    ]);
    same(fc.tuple(few, few, fc.nat(10)), (make, [one, other, start]) => {
      const [whole, part] = [make.from(one), make.from(other)];
      return start > whole.length ? 0 : whole.compare(part, 0, part.length, start, whole.length);
    });
    same(fc.string(), (make, value) => make.from(`x${value}\r\n`).indexOf('\r\n'));
  });

  it('slices, joins, copies, fills and reads numbers as Node does', () => {
    same(fc.tuple(octets, at, at), (make, [value, start, end]) => make.from(value).subarray(start, end));
    same(fc.tuple(octets, at, at), (make, [value, start, end]) => make.from(value).subarray(start, end).toString());
    same(fc.tuple(octets, octets), (make, [one, other]) => make.concat([make.from(one), make.from(other)]));
    same(fc.tuple(octets, fc.nat(80)), (make, [one, total]) => make.concat([make.from(one)], total));
    same(fc.tuple(octets, fc.nat(20)), (make, [value, start]) => {
      const target = make.alloc(20, 7);
      const count = make.from(value).copy(target, start);
      return [count, target.toString('hex')];
    });
    same(fc.tuple(fc.nat(20), fc.string({ minLength: 1 })), (make, [length, value]) => make.alloc(length, value));
    same(fc.nat(0xffffffff), (make, value) => {
      const number = make.alloc(8);
      number.writeUInt32BE(value, 1);
      number.writeUInt16BE(value & 0xffff, 5);
      return [number.toString('hex'), number.readUInt32BE(1), number.readInt32BE(1), number.readUInt16BE(5)];
    });
    same(fc.string({ unit: 'binary' }), (make, value) => {
      const target = make.alloc(30);
      return [target.write([...value].filter((character) => character < '\u0080').join('')), target.toString('hex')];
    });
    same(octets, (make, value) => {
      const whole = make.from(value);
      const view = make.from(whole.buffer, whole.byteOffset, whole.byteLength);
      return [make.isBuffer(view), view.toString('hex'), make.isBuffer(whole.subarray(1))];
    });
  });
});

describe('the hashes for browsers', () => {
  it('are the same as those of Node', async () => {
    fc.assert(
      fc.property(octets, octets, (key, value) => {
        for (const name of ['md5', 'sha1', 'sha256'] as const) {
          expect(crypto.createHash(name).update(value).digest('hex')).to.equal(
            createHash(name).update(value).digest('hex'),
          );
          expect(hex(crypto.createHmac(name, key).update(value).update('ü').digest())).to.equal(
            createHmac(name, key).update(value).update('ü').digest('hex'),
          );
        }
      }),
      { numRuns: 50 },
    );
    const salted = await new Promise<Uint8Array>((resolve, reject) => {
      crypto.pbkdf2('yabba', Buffer.from('salt'), 500, 32, 'sha256', (error, key) => {
        if (key === undefined) reject(error);
        else resolve(key);
      });
    });
    expect(hex(salted)).to.equal(pbkdf2Sync('yabba', 'salt', 500, 32, 'sha256').toString('hex'));
  });

  it('include random numbers within bounds, and comparison', () => {
    const drawn = Array.from({ length: 300 }, () => crypto.randomInt(5, 8));
    expect(new Set(drawn)).to.deep.equal(new Set([5, 6, 7]));
    expect(crypto.randomUUID()).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(crypto.randomBytes(12)).to.have.lengthOf(12);
    expect(crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a'))).to.equal(true);
    expect(crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('b'))).to.equal(false);
  });
});
