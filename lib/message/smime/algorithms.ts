/**
 * Supported algorithms and their names in node:crypto. What RFC 3851 required in 2004 (SHA-1, DSA, RSA keys of 1024
 * bits) can be forged today; it is recognized, and told apart as `outdated`. Algorithms for decryption may be older than
 * those for signatures.
 */
import type { KeyObject, KeyType } from 'node:crypto';
import { AlgorithmIdentifier, RSASSAPSSParams } from 'pkijs';
import { LocalError } from '../../errors.js';
import { Null, OID } from './asn1.js';
import { isSignature, type SignatureScheme, signed as signedBy } from './cryptography.js';
import { type Awaitable, type Work, waited } from './work.js';

/** Digests, with the names that micalg of multipart/signed has for them (RFC 8551 §3.5.3.2; SHA-1: RFC 3851 §3.4.3.2). */
interface Digest {
  readonly name: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  readonly oid: string;
  readonly micalg: string;
}

const SHA1: Digest = { name: 'sha1', oid: OID.SHA1, micalg: 'sha1' };
const SHA256: Digest = { name: 'sha256', oid: OID.SHA256, micalg: 'sha-256' };
const SHA384: Digest = { name: 'sha384', oid: '2.16.840.1.101.3.4.2.2', micalg: 'sha-384' };
const SHA512: Digest = { name: 'sha512', oid: '2.16.840.1.101.3.4.2.3', micalg: 'sha-512' };
const DIGESTS = [SHA1, SHA256, SHA384, SHA512] as const;

/** Signature schemes, and the types of key that sign with them. */
const KEY_TYPES = {
  RSA: ['rsa'],
  'RSASSA-PSS': ['rsa', 'rsa-pss'],
  ECDSA: ['ec'],
  DSA: ['dsa'],
  Ed25519: ['ed25519'],
} as const satisfies Record<string, readonly KeyType[]>;
type SchemeName = keyof typeof KEY_TYPES;

interface Scheme {
  readonly scheme: SchemeName;
  /** Undefined where the SignerInfo names it; null where the scheme has one of its own. */
  readonly digest: Digest['name'] | null | undefined;
}

const [RSA, ECDSA, DSA] = ['RSA', 'ECDSA', 'DSA'] as const;
const SIGNATURES: ReadonlyMap<string, Scheme> = new Map([
  [OID.RSA, { scheme: RSA, digest: undefined }],
  ['1.2.840.113549.1.1.5', { scheme: RSA, digest: 'sha1' }],
  ['1.2.840.113549.1.1.11', { scheme: RSA, digest: 'sha256' }],
  ['1.2.840.113549.1.1.12', { scheme: RSA, digest: 'sha384' }],
  ['1.2.840.113549.1.1.13', { scheme: RSA, digest: 'sha512' }],
  ['1.2.840.10045.4.1', { scheme: ECDSA, digest: 'sha1' }],
  ['1.2.840.10045.4.3.2', { scheme: ECDSA, digest: 'sha256' }],
  ['1.2.840.10045.4.3.3', { scheme: ECDSA, digest: 'sha384' }],
  ['1.2.840.10045.4.3.4', { scheme: ECDSA, digest: 'sha512' }],
  ['1.2.840.10040.4.1', { scheme: DSA, digest: undefined }],
  ['1.2.840.10040.4.3', { scheme: DSA, digest: 'sha1' }],
  ['2.16.840.1.101.3.4.3.2', { scheme: DSA, digest: 'sha256' }],
  ['1.3.101.112', { scheme: 'Ed25519', digest: null }],
]);

const RSA_BITS = 2048;
/** The shortest keys that still mean anything; those of 2004. */
const OUTDATED_BITS = 1024;

/** The digest's name in node:crypto; undefined for an unsupported one. */
export function digestOf({ algorithmId }: AlgorithmIdentifier): Digest['name'] | undefined {
  return DIGESTS.find(({ oid }) => oid === algorithmId)?.name;
}

/** How much a key proves or protects: short RSA keys are `outdated`, very short ones `worthless`. */
export function strengthOf({
  asymmetricKeyType,
  asymmetricKeyDetails,
}: KeyObject): 'current' | 'outdated' | 'worthless' {
  if (!['rsa', 'rsa-pss', 'dsa'].includes(asymmetricKeyType ?? '')) return 'current';
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  return bits >= RSA_BITS ? 'current' : bits >= OUTDATED_BITS ? 'outdated' : 'worthless';
}

/**
 * A signature's verification: `good`; `outdated` when it is right but by an algorithm or a key of 2004 that can be
 * forged today; `wrong`; `unsupported` when it was not even tried.
 */
export type Verdict = 'good' | 'outdated' | 'wrong' | 'unsupported';

/**
 * The name of a signature algorithm for people, such as "RSA with SHA-256".
 *
 * @param digest the digest for algorithms that do not name theirs
 */
export function nameOf(algorithm: AlgorithmIdentifier, digest: string | undefined): string {
  const found = schemeOf(algorithm, digest);
  if (found === undefined) return algorithm.algorithmId;
  return found.digest === null ? found.scheme : `${found.scheme} with ${found.digest.toUpperCase().replace('A', 'A-')}`;
}

/** @param digest the digest for algorithms that do not name theirs */
export function* verified(
  algorithm: AlgorithmIdentifier,
  digest: string | undefined,
  key: KeyObject,
  signed: Buffer,
  signature: Buffer,
): Work<Verdict> {
  const found = schemeOf(algorithm, digest);
  const strength = strengthOf(key);
  if (found === undefined || strength === 'worthless') return 'unsupported';
  // node:crypto would verify by the type of the key, whatever the algorithm says.
  const types: readonly (KeyType | undefined)[] = KEY_TYPES[found.scheme];
  if (!types.includes(key.asymmetricKeyType)) return 'wrong';
  try {
    const right = yield* waited(isSignature(found, key, signed, signature));
    if (right === 'unsupported') return right;
    if (!right) return 'wrong';
  } catch {
    // Parameters of RSASSA-PSS that do not exist or that the key does not allow.
    return 'wrong';
  }
  return strength === 'outdated' || found.digest === 'sha1' || found.scheme === DSA ? 'outdated' : 'good';
}

/** The parameters of RSASSA-PSS; undefined where a peer sent something else. To OpenSSL, negative lengths mean any. */
function pssParams(schema: unknown): RSASSAPSSParams | undefined {
  try {
    const params = new RSASSAPSSParams({ schema });
    return params.saltLength < 0 ? undefined : params;
  } catch {
    return undefined;
  }
}

function schemeOf(
  { algorithmId, algorithmParams }: AlgorithmIdentifier,
  named: string | undefined,
): SignatureScheme | undefined {
  if (algorithmId === OID.RSA_PSS) {
    const params = pssParams(algorithmParams);
    const digest = params === undefined ? undefined : digestOf(params.hashAlgorithm);
    return params === undefined || digest === undefined
      ? undefined
      : { scheme: 'RSASSA-PSS', digest, saltLength: params.saltLength };
  }
  const found = SIGNATURES.get(algorithmId);
  if (found === undefined) return undefined;
  const digest = found.digest === undefined ? named : found.digest;
  return digest === undefined ? undefined : { scheme: found.scheme, digest };
}

/** How a key signs messages. */
export interface Signing {
  /** The digest's name in node:crypto. */
  readonly digest: Digest['name'];
  /** As in micalg of multipart/signed. */
  readonly micalg: string;
  readonly digestAlgorithm: AlgorithmIdentifier;
  readonly algorithm: AlgorithmIdentifier;
  sign(octets: Buffer): Awaitable<Buffer>;
}

/** ECDSA by the strength of the curve (RFC 5753 §7). */
const CURVES: ReadonlyMap<string, { readonly digest: Digest; readonly oid: string }> = new Map([
  ['secp384r1', { digest: SHA384, oid: '1.2.840.10045.4.3.3' }],
  ['secp521r1', { digest: SHA512, oid: '1.2.840.10045.4.3.4' }],
]);

/**
 * Chooses how a key signs.
 *
 * @param sha1 whether to sign with SHA-1 (RFC 3851 §2.1), as programs of 2004 require; for RSA keys
 * @throws LocalError ARGUMENT for an unsupported kind of key
 */
export function signingOf(key: KeyObject, sha1: boolean): Signing {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return signing(key, sha1 ? SHA1 : SHA256, algorithmOf(OID.RSA));
    case 'ec': {
      const curve = key.asymmetricKeyDetails?.namedCurve ?? '';
      const { digest, oid } = CURVES.get(curve) ?? { digest: SHA256, oid: '1.2.840.10045.4.3.2' };
      return signing(key, digest, new AlgorithmIdentifier({ algorithmId: oid }));
    }
    case 'ed25519':
      // RFC 8419 §3.1: the digest of the content is SHA-512; the signature algorithm names none.
      return signing(key, SHA512, new AlgorithmIdentifier({ algorithmId: '1.3.101.112' }), null);
    default:
      throw new LocalError(
        'ARGUMENT',
        `a key of type ${key.asymmetricKeyType} cannot sign messages; use an RSA, EC or Ed25519 key`,
      );
  }
}

function signing(
  key: KeyObject,
  { name, oid, micalg }: Digest,
  algorithm: AlgorithmIdentifier,
  named: string | null = name,
): Signing {
  // RFC 8419 §2.3, RFC 5754 §2: without parameters; with NULL for RSA, as older programs expect.
  const digestAlgorithm =
    key.asymmetricKeyType === 'rsa' ? algorithmOf(oid) : new AlgorithmIdentifier({ algorithmId: oid });
  return { digest: name, micalg, digestAlgorithm, algorithm, sign: (octets) => signedBy(named, octets, key) };
}

/** An algorithm whose parameters are NULL (RFC 3370 §2, §3.2, §4.2.1). */
export function algorithmOf(algorithmId: string): AlgorithmIdentifier {
  return new AlgorithmIdentifier({ algorithmId, algorithmParams: new Null() });
}
