/**
 * Diffie-Hellman key agreement in a group that the peer chose (RFC 2246 §7.4.3, §8.1.2). The group is given to node:crypto
 * in the keys: `createDiffieHellman` would first find out whether the prime is one, which takes seconds for an unknown
 * prime of 2,048 bits.
 */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject, randomBytes } from 'node:crypto';
import { DER, derElement, derExpect, derInside, derWritten } from './der.js';
import { ALERT, TlsFault } from './record.js';

/** PKCS #3 dhKeyAgreement, 1.2.840.113549.1.3.1. */
const DH_KEY_AGREEMENT = derWritten(DER.OID, Buffer.from('2a864886f70d010301', 'hex'));
/** Version of a PKCS #8 key. */
const VERSION = derWritten(DER.INTEGER, Buffer.of(0));
/** Of a BIT STRING all of whose octets are used. */
const NO_UNUSED_BITS = Buffer.of(0);
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
    const exponent = derWritten(DER.OCTET_STRING, integer(randomBytes(prime.length - 1)));
    const own = derWritten(DER.SEQUENCE, VERSION, group, exponent);
    const privateKey = createPrivateKey({ format: 'der', type: 'pkcs8', key: own });
    const value = derWritten(DER.BIT_STRING, NO_UNUSED_BITS, integer(params.value));
    const peer = derWritten(DER.SEQUENCE, group, value);
    const publicKey = createPublicKey({ format: 'der', type: 'spki', key: peer });
    return { point: pointOf(privateKey), secret: withoutZeros(diffieHellman({ privateKey, publicKey })) };
  } catch (cause) {
    throw new TlsFault(ALERT.ILLEGAL_PARAMETER, 'a Diffie-Hellman group that cannot be used', {}, cause);
  }
}

function groupOf(prime: Buffer, generator: Buffer): Buffer {
  return derWritten(DER.SEQUENCE, DH_KEY_AGREEMENT, derWritten(DER.SEQUENCE, integer(prime), integer(generator)));
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

/** An INTEGER that is not negative: a zero octet precedes one whose first bit is set, and stands for zero. */
function integer(octets: Buffer): Buffer {
  const short = withoutZeros(octets);
  return derWritten(DER.INTEGER, ...((short[0] ?? 0x80) >= 0x80 ? [Buffer.of(0)] : []), short);
}
