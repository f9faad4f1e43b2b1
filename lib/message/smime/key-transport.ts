/**
 * RSA key transport of content keys (RFC 3370 §4.2.1, RFC 3560). Sending malformed keys reveals nothing to an attacker.
 */
import { type KeyObject, randomBytes } from 'node:crypto';
import { AlgorithmIdentifier, RSAESOAEPParams } from 'pkijs';
import { algorithmOf, digestOf } from './algorithms.js';
import { type AsnType, Integer, OctetString, OID, octetsOf, Sequence, tagOf, valuesIn } from './asn1.js';
import type { Certificate } from './certificate.js';
import { decryptedBlock, decryptedOaep, encryptedOaep, encryptedPkcs1 } from './cryptography.js';
import { type Work, waited } from './work.js';
import { identifies, recipientIdOf, type WrappedKey } from './wrapped-key.js';

const MGF1 = '1.2.840.113549.1.1.8';

/**
 * Wraps a content key for the RSA key of a recipient: RSAES-OAEP with SHA-256.
 *
 * @param old whether to use RSAES-PKCS1-v1_5, which every CMS implementation can read
 * @returns a RecipientInfo
 */
export function* transportedKey(content: Buffer, certificate: Certificate, old: boolean): Work<AsnType> {
  const to = certificate.x509.publicKey;
  const encrypted = yield* waited(old ? encryptedPkcs1(to, content) : encryptedOaep(to, content));
  const algorithm = old ? algorithmOf(OID.RSA) : oaep();
  return new Sequence({
    value: [
      new Integer({ value: 0 }),
      recipientIdOf(certificate),
      algorithm.toSchema(),
      new OctetString({ valueHex: encrypted }),
    ],
  });
}

function oaep(): AlgorithmIdentifier {
  const mask = new AlgorithmIdentifier({ algorithmId: MGF1, algorithmParams: algorithmOf(OID.SHA256).toSchema() });
  const params = new RSAESOAEPParams({ hashAlgorithm: algorithmOf(OID.SHA256), maskGenAlgorithm: mask });
  return new AlgorithmIdentifier({ algorithmId: OID.RSA_OAEP, algorithmParams: params.toSchema() });
}

/** Reads a KeyTransRecipientInfo. @throws RemoteProtocolError SMIME_INVALID */
export function readTransportedKey(value: AsnType): WrappedKey {
  const [, id, identifier, octets] = valuesIn(value);
  const algorithm = new AlgorithmIdentifier({ schema: identifier });
  const encrypted = octetsOf(octets);
  return {
    isFor: (certificate) => identifies(id, certificate),
    *unwrapped(key, length) {
      const madeUp = randomBytes(length);
      try {
        const found = yield* opened(algorithm, encrypted, key, madeUp);
        return found.length === length ? found : madeUp;
      } catch {
        return madeUp;
      }
    },
  };
}

function* opened(algorithm: AlgorithmIdentifier, octets: Buffer, key: KeyObject, madeUp: Buffer): Work<Buffer> {
  switch (algorithm.algorithmId) {
    case OID.RSA:
      return unpadded(yield* waited(decryptedBlock(key, octets)), madeUp);
    case OID.RSA_OAEP:
      return yield* waited(decryptedOaep(key, octets, oaepDigest(algorithm)));
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
  return digestOf(new AlgorithmIdentifier({ schema: valuesIn(hash)[0] })) ?? '';
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
