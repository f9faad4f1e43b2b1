/**
 * Supported algorithms and their names in node:crypto. MD5, SHA-1 and short RSA keys are no longer secure and are
 * refused; algorithms for decryption may be older than those for signatures.
 */
import { constants, type KeyObject, sign, verify } from 'node:crypto';
import { AlgorithmIdentifier, RSASSAPSSParams } from 'pkijs';
import { LocalError } from '../../errors.js';
import { Null, OID } from './asn1.js';

const DIGESTS: ReadonlyMap<string, string> = new Map([
  [OID.SHA256, 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

/** Signature algorithms that name their digest; null where the key decides. */
const SIGNATURES: ReadonlyMap<string, string | null> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', null],
]);

const RSA_BITS = 2048;

/** The digest's name in node:crypto; undefined for an unsupported one. */
export function digestOf({ algorithmId }: AlgorithmIdentifier): string | undefined {
  return DIGESTS.get(algorithmId);
}

/** Whether the key is long enough to be trusted. */
export function isStrong({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  const rsa = asymmetricKeyType === 'rsa' || asymmetricKeyType === 'rsa-pss';
  return !rsa || (asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_BITS;
}

/**
 * Verifies a signature.
 *
 * @param digest the digest for algorithms that do not name theirs
 * @returns undefined when the algorithm or the key is not trusted
 */
export function verified(
  algorithm: AlgorithmIdentifier,
  digest: string | undefined,
  key: KeyObject,
  signed: Buffer,
  signature: Buffer,
): boolean | undefined {
  if (!isStrong(key)) return undefined;
  try {
    if (algorithm.algorithmId === OID.RSA_PSS) return verifiedPss(algorithm, key, signed, signature);
    const named = algorithm.algorithmId === OID.RSA ? digest : SIGNATURES.get(algorithm.algorithmId);
    return named === undefined ? undefined : verify(named, signed, key, signature);
  } catch {
    // A signature by another kind of key.
    return false;
  }
}

function verifiedPss(
  { algorithmParams }: AlgorithmIdentifier,
  key: KeyObject,
  signed: Buffer,
  signature: Buffer,
): boolean | undefined {
  const { hashAlgorithm, saltLength } = new RSASSAPSSParams({ schema: algorithmParams });
  const digest = digestOf(hashAlgorithm);
  if (digest === undefined) return undefined;
  return verify(digest, signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature);
}

/** Signs with SHA-256. @throws LocalError ARGUMENT for an unsupported kind of key */
export function signedWith(key: KeyObject, octets: Buffer): { algorithm: AlgorithmIdentifier; signature: Buffer } {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return { algorithm: algorithmOf(OID.RSA), signature: sign('sha256', octets, key) };
    case 'ec':
      return {
        algorithm: new AlgorithmIdentifier({ algorithmId: '1.2.840.10045.4.3.2' }),
        signature: sign('sha256', octets, key),
      };
    default:
      throw new LocalError(
        'ARGUMENT',
        `a key of type ${key.asymmetricKeyType} cannot sign messages; use an RSA or EC key`,
      );
  }
}

/** An algorithm whose parameters are NULL (RFC 3370 §2, §3.2, §4.2.1). */
export function algorithmOf(algorithmId: string): AlgorithmIdentifier {
  return new AlgorithmIdentifier({ algorithmId, algorithmParams: new Null() });
}
