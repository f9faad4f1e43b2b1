/**
 * CMS EnvelopedData (RFC 5652 §6) and AuthEnvelopedData (RFC 5083): encrypts octets for several recipients and decrypts
 * them with the key of one. With a matching key all failures look the same.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { AlgorithmIdentifier, IssuerAndSerialNumber, KeyTransRecipientInfo } from 'pkijs';
import { LocalError } from '../../errors.js';
import { isStrong } from './algorithms.js';
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
import { guarded, invalidSecured, type SmimeLimits, unreadable } from './fault.js';
import type { SmimeIdentity } from './identity.js';
import { unwrapped, wrapped } from './key-transport.js';

interface Cipher {
  readonly name: string;
  readonly keyOctets: number;
}

/** RFC 5084: authenticated encryption, which detects changes. */
const AUTHENTICATED: ReadonlyMap<string, Cipher & { readonly name: 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm' }> =
  new Map([
    ['2.16.840.1.101.3.4.1.6', { name: 'aes-128-gcm', keyOctets: 16 }],
    ['2.16.840.1.101.3.4.1.26', { name: 'aes-192-gcm', keyOctets: 24 }],
    [OID.AES256_GCM, { name: 'aes-256-gcm', keyOctets: 32 }],
  ] as const);

/** RFC 3565, and RFC 3370 §5.1 for what was required in 2004; changes are not detected. */
const PLAIN: ReadonlyMap<string, Cipher> = new Map([
  ['2.16.840.1.101.3.4.1.2', { name: 'aes-128-cbc', keyOctets: 16 }],
  ['2.16.840.1.101.3.4.1.22', { name: 'aes-192-cbc', keyOctets: 24 }],
  [OID.AES256_CBC, { name: 'aes-256-cbc', keyOctets: 32 }],
  ['1.2.840.113549.3.7', { name: 'des-ede3-cbc', keyOctets: 24 }],
]);

const TAG_OCTETS = 16;
const NONCE_OCTETS = 12;

/**
 * Encrypts octets.
 *
 * @param classic AES-256-CBC and RSAES-PKCS1-v1_5 in EnvelopedData; otherwise AES-256-GCM and RSAES-OAEP in
 *   AuthEnvelopedData
 * @returns a ContentInfo in DER
 * @throws LocalError ARGUMENT for a certificate that cannot be used for encryption
 */
export function makeEnveloped(content: Buffer, to: readonly Certificate[], classic: boolean): Buffer {
  const key = randomBytes(32);
  const recipients = new Asn1Set({ value: to.map((one) => recipientOf(one, key, classic)) });
  if (classic) {
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-256-cbc', key, iv);
    const encrypted = Buffer.concat([cipher.update(content), cipher.final()]);
    const inner = encryptedContent(OID.AES256_CBC, new OctetString({ valueHex: iv }), encrypted);
    return derOf(contentInfo(OID.ENVELOPED, new Sequence({ value: [new Integer({ value: 0 }), recipients, inner] })));
  }
  const nonce = randomBytes(NONCE_OCTETS);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_OCTETS });
  const encrypted = Buffer.concat([cipher.update(content), cipher.final()]);
  // RFC 5084 §3.2
  const params = new Sequence({ value: [new OctetString({ valueHex: nonce }), new Integer({ value: TAG_OCTETS })] });
  const inner = encryptedContent(OID.AES256_GCM, params, encrypted);
  const mac = new OctetString({ valueHex: cipher.getAuthTag() });
  const value = [new Integer({ value: 0 }), recipients, inner, mac];
  return derOf(contentInfo(OID.AUTHENTICATED, new Sequence({ value })));
}

function recipientOf(certificate: Certificate, key: Buffer, classic: boolean): AsnType {
  const { publicKey } = certificate.x509;
  if (publicKey.asymmetricKeyType !== 'rsa' || !isStrong(publicKey)) {
    throw new LocalError('ARGUMENT', 'messages can be encrypted only for RSA keys of at least 2048 bits');
  }
  const { issuer, serialNumber } = certificate.parsed;
  const { algorithm, key: encrypted } = wrapped(key, publicKey, classic);
  return new KeyTransRecipientInfo({
    version: 0,
    rid: new IssuerAndSerialNumber({ issuer, serialNumber }),
    keyEncryptionAlgorithm: algorithm,
    encryptedKey: new OctetString({ valueHex: encrypted }),
  }).toSchema();
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
export function openEnveloped(
  value: AsnType,
  authenticated: boolean,
  { chain, key }: SmimeIdentity,
  limits: SmimeLimits,
): Buffer {
  const { recipients, algorithm, encrypted, additional, mac } = guarded('its structure cannot be read', () =>
    partsOf(value, limits),
  );
  const [own] = chain;
  const info = recipients.find((one) => isFor(one, own));
  if (info === undefined) throw unreadable('it was encrypted for others, or for another key of yours');
  const cipher = (authenticated ? AUTHENTICATED : PLAIN).get(algorithm.algorithmId);
  if (cipher === undefined) throw unreadable('the algorithm is not supported');
  try {
    const content = unwrapped(info.keyEncryptionAlgorithm, octetsOf(info.encryptedKey), key, cipher.keyOctets);
    return authenticated
      ? decryptedGcm(algorithm, content, encrypted, additional, mac)
      : decryptedCbc(cipher.name, algorithm, content, encrypted);
  } catch (cause) {
    throw unreadable('it was changed in transit, or the key does not match', cause);
  }
}

interface Parts {
  readonly recipients: readonly KeyTransRecipientInfo[];
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
  const infos = valuesIn(set);
  if (infos.length > limit) throw invalidSecured(`more than ${limit} recipients`);
  const [type, algorithm, octets] = valuesIn(content);
  if (oidOf(type) !== OID.DATA || tagOf(octets) !== 0 || octets === undefined) {
    throw invalidSecured('the encrypted content is not a MIME entity');
  }
  const attributes = rest.find((part) => tagOf(part) === 1);
  const mac = rest.find((part) => tagOf(part) === undefined);
  return {
    // Other recipient types (key agreement, passwords) are tagged.
    recipients: infos.flatMap((one) => (tagOf(one) === undefined ? [new KeyTransRecipientInfo({ schema: one })] : [])),
    algorithm: new AlgorithmIdentifier({ schema: algorithm }),
    encrypted: encryptedOctets(octets),
    additional: attributes === undefined ? undefined : setOf(attributes),
    mac: mac === undefined ? undefined : octetsOf(mac),
  };
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

function isFor({ rid }: KeyTransRecipientInfo, certificate: Certificate): boolean {
  if (rid instanceof IssuerAndSerialNumber) {
    const { issuer, serialNumber } = certificate.parsed;
    return rid.serialNumber.isEqual(serialNumber) && rid.issuer.isEqual(issuer);
  }
  return certificate.subjectKey?.equals(octetsIn(rid)) === true;
}

function decryptedCbc(name: string, { algorithmParams }: AlgorithmIdentifier, key: Buffer, encrypted: Buffer): Buffer {
  const decipher = createDecipheriv(name, key, octetsOf(algorithmParams));
  return Buffer.concat([decipher.update(encrypted), decipher.final()]);
}

function decryptedGcm(
  { algorithmId, algorithmParams }: AlgorithmIdentifier,
  key: Buffer,
  encrypted: Buffer,
  additional: Buffer | undefined,
  mac: Buffer | undefined,
): Buffer {
  const cipher = AUTHENTICATED.get(algorithmId);
  const [nonce, length] = valuesIn(algorithmParams);
  // RFC 5084 §3.2: 12 by default; shorter tags are not secure
  const authTagLength = length === undefined ? 12 : (octetsIn(length)[0] ?? 0);
  if (cipher === undefined || mac?.length !== authTagLength || authTagLength < 12)
    throw unreadable('its authentication tag is missing or too short');
  const decipher = createDecipheriv(cipher.name, key, octetsOf(nonce), { authTagLength });
  if (additional !== undefined) decipher.setAAD(additional);
  decipher.setAuthTag(mac);
  return Buffer.concat([decipher.update(encrypted), decipher.final()]);
}
