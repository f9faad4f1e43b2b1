/**
 * Wrapping of content keys by key agreement: ephemeral-static ECDH (RFC 5753 §3.1) on the curves of NIST. Node's ECDH
 * refuses points that are not on the curve.
 */
import { type KeyObject, randomBytes } from 'node:crypto';
import { AlgorithmIdentifier } from 'pkijs';
import { LocalError } from '../../errors.js';
import { algorithmOf } from './algorithms.js';
import {
  type AsnType,
  BitString,
  derOf,
  Integer,
  OctetString,
  octetsIn,
  octetsOf,
  oidOf,
  Sequence,
  tagged,
  tagOf,
  valuesIn,
} from './asn1.js';
import type { Certificate } from './certificate.js';
import { agreedSecret, agreement, digest as digested, unwrapped, wrapped } from './cryptography.js';
import { invalidSecured } from './fault.js';
import { type Awaitable, type Work, waited } from './work.js';
import { identifies, recipientIdOf, type WrappedKey } from './wrapped-key.js';

/** RFC 5753 §7.1.4: schemes and the digests of their key derivation; on these curves the cofactor is 1. */
const SHA1_KDF = '1.3.133.16.840.63.0.2';
const SHA256_KDF = '1.3.132.1.11.1';
const SCHEMES: ReadonlyMap<string, string> = new Map([
  [SHA1_KDF, 'sha1'],
  ['1.3.132.1.11.0', 'sha224'],
  [SHA256_KDF, 'sha256'],
  ['1.3.132.1.11.2', 'sha384'],
  ['1.3.132.1.11.3', 'sha512'],
  ['1.3.133.16.840.63.0.3', 'sha1'],
  ['1.3.132.1.14.0', 'sha224'],
  ['1.3.132.1.14.1', 'sha256'],
  ['1.3.132.1.14.2', 'sha384'],
  ['1.3.132.1.14.3', 'sha512'],
]);

interface Wrap {
  readonly cipher: string;
  readonly octets: number;
  readonly iv: Buffer | null;
}

/** RFC 3394 §2.2.3.1 */
const AES_IV = Buffer.alloc(8, 0xa6);
/** RFC 3565 §2.3.2; RFC 3370 §4.3.1 for that of 2002. */
const AES256_WRAP = '2.16.840.1.101.3.4.1.45';
const DES3_WRAP = '1.2.840.113549.1.9.16.3.6';
const WRAPS: ReadonlyMap<string, Wrap> = new Map([
  ['2.16.840.1.101.3.4.1.5', { cipher: 'id-aes128-wrap', octets: 16, iv: AES_IV }],
  ['2.16.840.1.101.3.4.1.25', { cipher: 'id-aes192-wrap', octets: 24, iv: AES_IV }],
  [AES256_WRAP, { cipher: 'id-aes256-wrap', octets: 32, iv: AES_IV }],
  [DES3_WRAP, { cipher: 'des3-wrap', octets: 24, iv: null }],
]);

const EC_PUBLIC_KEY = '1.2.840.10045.2.1';
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
/** RFC 5652 §6.2: `[1] KeyAgreeRecipientInfo`. */
export const KEY_AGREEMENT = 1;
/** RFC 5652 §6.2.2: `[1] OriginatorPublicKey`. */
const ORIGINATOR_KEY = 1;

/**
 * Wraps a content key for the EC key of a recipient.
 *
 * @param old whether to use the algorithms of RFC 3278 (SHA-1 and 3DES) instead of SHA-256 and AES-256
 * @returns a RecipientInfo
 * @throws LocalError ARGUMENT for a key on another curve
 */
export function* agreedKey(content: Buffer, certificate: Certificate, old: boolean): Work<AsnType> {
  const { publicKey } = certificate.x509;
  const curve = curveOf(publicKey);
  if (curve === undefined) {
    throw new LocalError('ARGUMENT', 'messages can be encrypted only for EC keys on the curves P-256, P-384 and P-521');
  }
  const [scheme, wrap] = old ? [SHA1_KDF, algorithmOf(DES3_WRAP)] : [SHA256_KDF, algorithm(AES256_WRAP)];
  const wrapper = wrapperOf(scheme, wrap.toSchema(), undefined);
  if (wrapper === undefined) throw new Error(`${scheme} is not among the schemes`);
  const { point, secret } = yield* waited(agreement(curve, pointOf(certificate)));
  const octets = yield* waited(wrapper.wrap(wrapper.key(secret), content));
  const originator = tagged(ORIGINATOR_KEY, [algorithm(EC_PUBLIC_KEY).toSchema(), new BitString({ valueHex: point })]);
  return tagged(KEY_AGREEMENT, [
    new Integer({ value: 3 }),
    tagged(0, [originator]),
    new AlgorithmIdentifier({ algorithmId: scheme, algorithmParams: wrap.toSchema() }).toSchema(),
    new Sequence({
      value: [new Sequence({ value: [recipientIdOf(certificate), new OctetString({ valueHex: octets })] })],
    }),
  ]);
}

function algorithm(algorithmId: string): AlgorithmIdentifier {
  return new AlgorithmIdentifier({ algorithmId });
}

function curveOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  const curve = asymmetricKeyDetails?.namedCurve;
  return asymmetricKeyType === 'ec' && curve !== undefined && CURVES.has(curve) ? curve : undefined;
}

/** RFC 5480 §2.2: the point in SubjectPublicKeyInfo. */
function pointOf({ parsed }: Certificate): Buffer {
  return octetsIn(parsed.subjectPublicKeyInfo.subjectPublicKey);
}

/** Reads a KeyAgreeRecipientInfo, which may be for several recipients. @throws RemoteProtocolError SMIME_INVALID */
export function readAgreedKeys(value: AsnType): WrappedKey[] {
  const [, originator, ...rest] = valuesIn(value);
  const ukm = tagOf(rest[0]) === 1 ? octetsOf(valuesIn(rest.shift())[0]) : undefined;
  const [scheme, keys] = rest;
  const [schemeId, wrap] = valuesIn(scheme);
  const point = originatorPoint(valuesIn(originator)[0]);
  const wrapper = wrap === undefined ? undefined : wrapperOf(oidOf(schemeId), wrap, ukm);
  function* contentKey(key: KeyObject, wrappedKey: Buffer): Work<Buffer | undefined> {
    if (point === undefined || wrapper === undefined) return undefined;
    const secret = yield* waited(secretOf(key, point));
    return yield* waited(wrapper.unwrap(wrapper.key(secret), wrappedKey));
  }
  return valuesIn(keys).map((one) => {
    const [id, octets] = valuesIn(one);
    const wrappedKey = octetsOf(octets);
    return {
      // [0] rKeyId begins with the identifier of the key.
      isFor: (certificate) => identifies(tagOf(id) === 0 ? valuesIn(id)[0] : id, certificate),
      *unwrapped(key, length) {
        const madeUp = randomBytes(length);
        try {
          const found = yield* contentKey(key, wrappedKey);
          return found?.length === length ? found : madeUp;
        } catch {
          return madeUp;
        }
      },
    };
  });
}

/** @returns undefined when it is not an ephemeral key: static keys of senders are not used in S/MIME (RFC 8551 §2.3) */
function originatorPoint(value: AsnType | undefined): Buffer | undefined {
  if (tagOf(value) !== ORIGINATOR_KEY) return undefined;
  const [, point] = valuesIn(value);
  if (!(point instanceof BitString)) throw invalidSecured('the key of the sender is missing');
  return octetsIn(point);
}

function secretOf(key: KeyObject, point: Buffer): Awaitable<Buffer> {
  const curve = curveOf(key);
  if (curve === undefined) throw new LocalError('ARGUMENT', 'the key is not an EC key');
  return agreedSecret(curve, key, point);
}

interface Wrapper {
  /** The key-encryption key of a shared secret. */
  key(secret: Buffer): Buffer;
  wrap(key: Buffer, content: Buffer): Awaitable<Buffer>;
  unwrap(key: Buffer, wrapped: Buffer): Awaitable<Buffer>;
}

/** @returns undefined for an algorithm that is not supported */
function wrapperOf(scheme: string, algorithm: AsnType, ukm: Buffer | undefined): Wrapper | undefined {
  const digest = SCHEMES.get(scheme);
  const wrap = WRAPS.get(oidOf(valuesIn(algorithm)[0]));
  if (digest === undefined || wrap === undefined) return undefined;
  const { cipher, octets, iv } = wrap;
  return {
    key: (secret) => derived(digest, secret, sharedInfo(algorithm, ukm, octets), octets),
    wrap: (key, content) => wrapped(cipher, key, iv, content),
    unwrap: (key, octetsOfKey) => unwrapped(cipher, key, iv, octetsOfKey),
  };
}

/** RFC 5753 §7.2: ECC-CMS-SharedInfo. */
function sharedInfo(algorithm: AsnType, ukm: Buffer | undefined, octets: number): Buffer {
  const bits = Buffer.alloc(4);
  bits.writeUInt32BE(octets * 8);
  const user = ukm === undefined ? [] : [tagged(0, [new OctetString({ valueHex: ukm })])];
  return derOf(new Sequence({ value: [algorithm, ...user, tagged(2, [new OctetString({ valueHex: bits })])] }));
}

/** The key derivation of ANSI X9.63 (RFC 5753 §7.2). */
function derived(digest: string, secret: Buffer, info: Buffer, octets: number): Buffer {
  const blocks: Buffer[] = [];
  for (let counter = 1, length = 0; length < octets; counter += 1) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(counter);
    const block = digested(digest, secret, number, info);
    blocks.push(block);
    length += block.length;
  }
  return Buffer.concat(blocks).subarray(0, octets);
}
