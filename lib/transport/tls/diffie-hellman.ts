/**
 * Diffie-Hellman key agreement in a group that the peer chose (RFC 2246 §7.4.3, §8.1.2). The group is given to node:crypto
 * in the keys: `createDiffieHellman` would first find out whether the prime is one, which takes seconds for an unknown
 * prime of 2,048 bits.
 */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject, randomBytes } from 'node:crypto';
import { BitString, Integer, ObjectIdentifier, OctetString, Sequence } from 'asn1js';
import { DER, derElement, derExpect, derInside } from './der.js';
import { ALERT, TlsFault } from './record.js';

/** PKCS #3 dhKeyAgreement. */
const DH_KEY_AGREEMENT = '1.2.840.113549.1.3.1';
/** Smaller groups protect nothing; larger ones take too long, and peers of the year 2000 have none. */
const [SMALLEST_BITS, LARGEST_BITS] = [1024, 2048];

/** ServerDHParams: the group, and the public value of the server. */
export interface DhParams {
  readonly prime: Buffer;
  readonly generator: Buffer;
  readonly value: Buffer;
}

/**
 * Agrees on a secret with a key made for it.
 *
 * @returns the public value of this side, and the secret without leading zeros (RFC 2246 §8.1.2)
 * @throws TlsFault illegal_parameter for a group or a value that cannot be used
 */
export function agreeWith(params: DhParams): { readonly point: Buffer; readonly secret: Buffer } {
  const prime = withoutZeros(params.prime);
  const bits = prime.length * 8 - Math.clz32(prime[0] ?? 0) + 24;
  if (bits < SMALLEST_BITS || bits > LARGEST_BITS) {
    throw new TlsFault(ALERT.ILLEGAL_PARAMETER, `a Diffie-Hellman group of ${bits} bits`);
  }
  for (const number of [params.generator, params.value]) {
    if (!isWithin(number, prime)) {
      throw new TlsFault(ALERT.ILLEGAL_PARAMETER, 'a Diffie-Hellman generator or value outside of the group');
    }
  }
  try {
    const group = groupOf(prime, params.generator);
    const exponent = derOf(integer(randomBytes(prime.length - 1)));
    const key = [new Integer({ value: 0 }), group, new OctetString({ valueHex: exponent })];
    const privateKey = createPrivateKey({ format: 'der', type: 'pkcs8', key: derOf(new Sequence({ value: key })) });
    const value = derOf(integer(params.value));
    const peer = derOf(new Sequence({ value: [group, new BitString({ valueHex: value })] }));
    const publicKey = createPublicKey({ format: 'der', type: 'spki', key: peer });
    return { point: pointOf(privateKey), secret: withoutZeros(diffieHellman({ privateKey, publicKey })) };
  } catch (cause) {
    throw new TlsFault(ALERT.ILLEGAL_PARAMETER, 'a Diffie-Hellman group that cannot be used', {}, cause);
  }
}

function groupOf(prime: Buffer, generator: Buffer): Sequence {
  const group = new Sequence({ value: [integer(prime), integer(generator)] });
  return new Sequence({ value: [new ObjectIdentifier({ value: DH_KEY_AGREEMENT }), group] });
}

/** The public value that belongs to a private key. */
function pointOf(privateKey: KeyObject): Buffer {
  const key = createPublicKey(privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const [, bits] = derInside(derElement(key.export({ format: 'der', type: 'spki' })));
  return withoutZeros(derExpect(derElement(derExpect(bits, DER.BIT_STRING).content, 1), DER.INTEGER).content);
}

/** From 2 to the prime minus 2: the others are known to everybody. */
function isWithin(number: Buffer, prime: Buffer): boolean {
  const short = withoutZeros(number);
  return short.length <= prime.length && numberIn(short) > 1n && numberIn(short) < numberIn(prime) - 1n;
}

function numberIn(octets: Buffer): bigint {
  return octets.length === 0 ? 0n : BigInt(`0x${octets.toString('hex')}`);
}

function withoutZeros(octets: Buffer): Buffer {
  const first = octets.findIndex((octet) => octet !== 0);
  return first < 0 ? Buffer.alloc(0) : octets.subarray(first);
}

/** An INTEGER that is not negative. */
function integer(octets: Buffer): Integer {
  return new Integer({ valueHex: Buffer.concat([Buffer.from([0]), withoutZeros(octets)]) }).convertToDER();
}

function derOf(value: Integer | Sequence): Buffer {
  return Buffer.from(value.toBER());
}
