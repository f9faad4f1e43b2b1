/**
 * CMS EnvelopedData (RFC 5652 §6) and AuthEnvelopedData (RFC 5083): encrypts octets for several recipients and decrypts
 * them with the key of one. With a matching key all failures look the same.
 */
import { randomBytes } from 'node:crypto';
import { AlgorithmIdentifier } from 'pkijs';
import { LocalError } from '../../errors.js';
import { strengthOf } from './algorithms.js';
import {
  Asn1Set,
  type AsnType,
  contentInfo,
  derOf,
  Integer,
  ObjectIdentifier,
  OctetString,
  OID,
  octetsIn,
  octetsOf,
  oidOf,
  Primitive,
  Sequence,
  tagOf,
  valuesIn,
} from './asn1.js';
import type { Certificate } from './certificate.js';
import * as cryptography from './cryptography.js';
import { guarded, invalidSecured, type SmimeLimits, unreadable } from './fault.js';
import type { SmimeIdentity } from './identity.js';
import { agreedKey, KEY_AGREEMENT, readAgreedKeys } from './key-agreement.js';
import { readTransportedKey, transportedKey } from './key-transport.js';
import type { SmimeVersion } from './version.js';
import { type Work, waited } from './work.js';
import type { WrappedKey } from './wrapped-key.js';

interface Cipher {
  readonly name: string;
  readonly keyOctets: number;
}

/** RFC 5084: authenticated encryption, which detects changes. */
const AUTHENTICATED: ReadonlyMap<string, Cipher & { readonly name: cryptography.GcmCipher }> = new Map([
  ['2.16.840.1.101.3.4.1.6', { name: 'aes-128-gcm', keyOctets: 16 }],
  ['2.16.840.1.101.3.4.1.26', { name: 'aes-192-gcm', keyOctets: 24 }],
  [OID.AES256_GCM, { name: 'aes-256-gcm', keyOctets: 32 }],
] as const);

/** RFC 3565, and RFC 3370 §5.1 for what was required in 2004; changes are not detected. */
const PLAIN: ReadonlyMap<string, Cipher> = new Map([
  ['2.16.840.1.101.3.4.1.2', { name: 'aes-128-cbc', keyOctets: 16 }],
  ['2.16.840.1.101.3.4.1.22', { name: 'aes-192-cbc', keyOctets: 24 }],
  [OID.AES256_CBC, { name: 'aes-256-cbc', keyOctets: 32 }],
  [OID.DES_EDE3_CBC, { name: 'des-ede3-cbc', keyOctets: 24 }],
]);

/** What EnvelopedData is written with: the strongest of RFC 5751 §2.7, and what RFC 3851 §2.7 requires of everybody. */
const WRITTEN = {
  '3.2': { oid: OID.AES256_CBC, name: 'aes-256-cbc', keyOctets: 32, ivOctets: 16 },
  '3.1': { oid: OID.DES_EDE3_CBC, name: 'des-ede3-cbc', keyOctets: 24, ivOctets: 8 },
} as const;

const TAG_OCTETS = 16;
const NONCE_OCTETS = 12;

/**
 * Encrypts octets.
 *
 * @param version AES-256-GCM in AuthEnvelopedData (4.0), or in EnvelopedData AES-256-CBC (3.2) or 3DES (3.1)
 * @returns a ContentInfo in DER
 * @throws LocalError ARGUMENT for a certificate that cannot be used for encryption
 */
export function* makeEnveloped(content: Buffer, to: readonly Certificate[], version: SmimeVersion): Work<Buffer> {
  if (version !== '4.0') return yield* makePlain(content, to, version);
  const key = randomBytes(32);
  const nonce = randomBytes(NONCE_OCTETS);
  const whole = yield* waited(cryptography.encryptedGcm(key, nonce, content, TAG_OCTETS));
  const [encrypted, tag] = [whole.subarray(0, -TAG_OCTETS), whole.subarray(-TAG_OCTETS)];
  // RFC 5084 §3.2
  const params = new Sequence({ value: [new OctetString({ valueHex: nonce }), new Integer({ value: TAG_OCTETS })] });
  const inner = encryptedContent(OID.AES256_GCM, params, encrypted);
  const mac = new OctetString({ valueHex: tag });
  const value = [new Integer({ value: 0 }), yield* recipientsOf(to, key, version), inner, mac];
  return derOf(contentInfo(OID.AUTHENTICATED, new Sequence({ value })));
}

function* makePlain(content: Buffer, to: readonly Certificate[], version: '3.1' | '3.2'): Work<Buffer> {
  const { oid, name, keyOctets, ivOctets } = WRITTEN[version];
  const [key, iv] = [randomBytes(keyOctets), randomBytes(ivOctets)];
  const encrypted = yield* waited(cryptography.encryptedCbc(name, key, iv, content));
  const inner = encryptedContent(oid, new OctetString({ valueHex: iv }), encrypted);
  // RFC 5652 §6.1: 2 when a recipient is named by other means than key transport
  const number = to.every((one) => one.x509.publicKey.asymmetricKeyType === 'rsa') ? 0 : 2;
  const value = [new Integer({ value: number }), yield* recipientsOf(to, key, version), inner];
  return derOf(contentInfo(OID.ENVELOPED, new Sequence({ value })));
}

function* recipientsOf(to: readonly Certificate[], key: Buffer, version: SmimeVersion): Work<AsnType> {
  const value: AsnType[] = [];
  for (const one of to) value.push(yield* recipientOf(one, key, version));
  return new Asn1Set({ value });
}

function recipientOf(certificate: Certificate, key: Buffer, version: SmimeVersion): Work<AsnType> {
  const { publicKey } = certificate.x509;
  if (publicKey.asymmetricKeyType === 'ec') return agreedKey(key, certificate, version === '3.1');
  const strength = strengthOf(publicKey);
  if (
    publicKey.asymmetricKeyType !== 'rsa' ||
    strength === 'worthless' ||
    (strength === 'outdated' && version !== '3.1')
  ) {
    throw new LocalError('ARGUMENT', 'messages can be encrypted only for EC keys, and RSA keys of at least 2048 bits');
  }
  return transportedKey(key, certificate, version !== '4.0');
}

function encryptedContent(algorithm: string, params: AsnType, octets: Buffer): AsnType {
  const content = new Primitive({ idBlock: { tagClass: 3, tagNumber: 0 }, valueHex: octets });
  const identifier = new AlgorithmIdentifier({ algorithmId: algorithm, algorithmParams: params });
  return new Sequence({ value: [new ObjectIdentifier({ value: OID.DATA }), identifier.toSchema(), content] });
}

/**
 * Decrypts content for one recipient.
 *
 * @param authenticated whether it is AuthEnvelopedData
 * @throws RemoteProtocolError SMIME_INVALID | SMIME_UNREADABLE
 */
export function* openEnveloped(
  value: AsnType,
  authenticated: boolean,
  { chain, key }: SmimeIdentity,
  limits: SmimeLimits,
): Work<Buffer> {
  const { recipients, algorithm, encrypted, additional, mac } = guarded('its structure cannot be read', () =>
    partsOf(value, limits),
  );
  const [own] = chain;
  const info = recipients.find((one) => one.isFor(own));
  if (info === undefined) throw unreadable('it was encrypted for others, or for another key of yours');
  const cipher = (authenticated ? AUTHENTICATED : PLAIN).get(algorithm.algorithmId);
  if (cipher === undefined) throw unreadable('the algorithm is not supported');
  try {
    const content = yield* info.unwrapped(key, cipher.keyOctets);
    return authenticated
      ? yield* decryptedGcm(algorithm, content, encrypted, additional, mac)
      : yield* waited(cryptography.decryptedCbc(cipher.name, content, octetsOf(algorithm.algorithmParams), encrypted));
  } catch (cause) {
    throw unreadable('it was changed in transit, or the key does not match', cause);
  }
}

interface Parts {
  readonly recipients: readonly WrappedKey[];
  readonly algorithm: AlgorithmIdentifier;
  readonly encrypted: Buffer;
  /** The authenticated attributes, as received. */
  readonly additional: Buffer | undefined;
  readonly mac: Buffer | undefined;
}

/** Reads what both structures share: version, [0] originator, recipients, content, then [1], MAC, [2]. */
function partsOf(value: AsnType, { recipients: limit }: SmimeLimits): Parts {
  const parts = valuesIn(value).slice(1);
  if (tagOf(parts[0]) === 0) parts.shift();
  const [set, content, ...rest] = parts;
  const recipients = valuesIn(set).flatMap(wrappedKeys);
  if (recipients.length > limit) throw invalidSecured(`more than ${limit} recipients`);
  const [type, algorithm, octets] = valuesIn(content);
  if (oidOf(type) !== OID.DATA || tagOf(octets) !== 0 || octets === undefined) {
    throw invalidSecured('the encrypted content is not a MIME entity');
  }
  const attributes = rest.find((part) => tagOf(part) === 1);
  const mac = rest.find((part) => tagOf(part) === undefined);
  return {
    recipients,
    algorithm: new AlgorithmIdentifier({ schema: algorithm }),
    encrypted: encryptedOctets(octets),
    additional: attributes === undefined ? undefined : setOf(attributes),
    mac: mac === undefined ? undefined : octetsOf(mac),
  };
}

/** RFC 5652 §6.2: key transport, or `[1]` key agreement; other types (passwords, shared keys) are ignored. */
function wrappedKeys(info: AsnType): readonly WrappedKey[] {
  const tag = tagOf(info);
  if (tag === undefined) return [readTransportedKey(info)];
  return tag === KEY_AGREEMENT ? readAgreedKeys(info) : [];
}

/** `[0] IMPLICIT OCTET STRING`, possibly in several pieces. */
function encryptedOctets(value: AsnType): Buffer {
  return value.idBlock.isConstructed ? Buffer.concat(valuesIn(value).map(octetsOf)) : octetsIn(value);
}

/** RFC 5083 §2.2: the SET is authenticated, not the tag that replaces it. */
function setOf(attributes: AsnType): Buffer {
  const octets = Buffer.from(attributes.valueBeforeDecodeView);
  octets[0] = 0x31;
  return octets;
}

function* decryptedGcm(
  { algorithmId, algorithmParams }: AlgorithmIdentifier,
  key: Buffer,
  encrypted: Buffer,
  additional: Buffer | undefined,
  mac: Buffer | undefined,
): Work<Buffer> {
  const cipher = AUTHENTICATED.get(algorithmId);
  const [nonce, length] = valuesIn(algorithmParams);
  // RFC 5084 §3.2: 12 by default; shorter tags are not secure
  const authTagLength = length === undefined ? 12 : (octetsIn(length)[0] ?? 0);
  if (cipher === undefined || mac?.length !== authTagLength || authTagLength < 12)
    throw unreadable('its authentication tag is missing or too short');
  return yield* waited(cryptography.decryptedGcm(cipher.name, key, octetsOf(nonce), encrypted, mac, additional));
}
