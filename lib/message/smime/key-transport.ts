/**
 * RSA key transport of content keys (RFC 3370 §4.2.1, RFC 3560). Sending malformed keys reveals nothing to an attacker.
 */
import { constants, type KeyObject, privateDecrypt, publicEncrypt, randomBytes } from 'node:crypto';
import { AlgorithmIdentifier, RSAESOAEPParams } from 'pkijs';
import { algorithmOf, digestOf } from './algorithms.js';
import { OID, octetsOf, tagOf, valuesIn } from './asn1.js';

const MGF1 = '1.2.840.113549.1.1.8';
const SHA1 = '1.3.14.3.2.26';

/** RSAES-OAEP with SHA-256; `classic` is RSAES-PKCS1-v1_5, which every CMS implementation can read. */
export function wrapped(key: Buffer, to: KeyObject, classic: boolean): { algorithm: AlgorithmIdentifier; key: Buffer } {
  if (classic) {
    return {
      algorithm: algorithmOf(OID.RSA),
      key: publicEncrypt({ key: to, padding: constants.RSA_PKCS1_PADDING }, key),
    };
  }
  const mask = new AlgorithmIdentifier({ algorithmId: MGF1, algorithmParams: algorithmOf(OID.SHA256).toSchema() });
  const params = new RSAESOAEPParams({ hashAlgorithm: algorithmOf(OID.SHA256), maskGenAlgorithm: mask });
  return {
    algorithm: new AlgorithmIdentifier({ algorithmId: OID.RSA_OAEP, algorithmParams: params.toSchema() }),
    key: publicEncrypt({ key: to, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, key),
  };
}

/**
 * Decrypts the content key.
 *
 * @param length the required length
 * @returns a random key if there is none inside (RFC 3218 §2.3.2) or the algorithm is not supported
 */
export function unwrapped(algorithm: AlgorithmIdentifier, octets: Buffer, key: KeyObject, length: number): Buffer {
  const madeUp = randomBytes(length);
  try {
    const found = opened(algorithm, octets, key, madeUp);
    return found.length === length ? found : madeUp;
  } catch {
    return madeUp;
  }
}

function opened(algorithm: AlgorithmIdentifier, octets: Buffer, key: KeyObject, madeUp: Buffer): Buffer {
  switch (algorithm.algorithmId) {
    case OID.RSA:
      return unpadded(privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, octets), madeUp);
    case OID.RSA_OAEP:
      return privateDecrypt(
        { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: oaepDigest(algorithm) },
        octets,
      );
    default:
      return madeUp;
  }
}

/**
 * RFC 4055 §4.1. The mask uses the same digest, as in node:crypto; labels, which are not used in practice, are not
 * supported.
 */
function oaepDigest({ algorithmParams }: AlgorithmIdentifier): string {
  const params = algorithmParams === undefined ? [] : valuesIn(algorithmParams);
  const source = params.find((param) => tagOf(param) === 2);
  const [, label] = source === undefined ? [] : valuesIn(valuesIn(source)[0]);
  if (label !== undefined && octetsOf(label).length > 0) return '';
  const hash = params.find((param) => tagOf(param) === 0);
  if (hash === undefined) return 'sha1';
  const algorithm = new AlgorithmIdentifier({ schema: valuesIn(hash)[0] });
  return digestOf(algorithm) ?? (algorithm.algorithmId === SHA1 ? 'sha1' : '');
}

/**
 * RFC 8017 §7.2.2: 00 02, at least eight octets that are not zero, 00, the key. Node offers no such check. Here all
 * octets are examined in constant time, and the random key is used if they are wrong.
 */
function unpadded(block: Buffer, madeUp: Buffer): Buffer {
  const { length } = madeUp;
  const begin = block.length - length;
  let wrong = (block[0] ?? 1) | ((block[1] ?? 0) ^ 2) | (block[begin - 1] ?? 1);
  for (let at = 2; at < begin - 1; at += 1) wrong |= Number((block[at] ?? 0) === 0);
  const mask = wrong === 0 ? 0xff : 0;
  const key = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) {
    key[at] = ((block[begin + at] ?? 0) & mask) | ((madeUp[at] ?? 0) & ~mask);
  }
  return key;
}
