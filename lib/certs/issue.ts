/**
 * Issues X.509 certificates for an authority, relays and endpoints. Touches no files. Node makes the keys, off the main
 * thread; node-forge only writes and signs.
 */
import { createHash, generateKeyPair, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { BitString } from 'asn1js';
import forge from 'node-forge';
import { Certificate, PublicKeyInfo } from 'pkijs';
import { asciiDomain } from '../config/domain-name.js';
import { LocalError } from '../errors.js';
import { uriOfAddress } from '../message/uri.js';

/** 2048 because node-forge is slow at RSA. */
const RSA_BITS = 2048;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** subjectAltName types of RFC 5280 §4.2.1.6. */
const NAME = { MAILBOX: 1, DNS: 2, URI: 6, IP: 7 } as const;

export interface Period {
  readonly from: Date;
  readonly to: Date;
}

/** A certificate with its key, both PEM. */
export interface Credential {
  readonly certificate: string;
  readonly key: string;
}

/** The relay or endpoint that a certificate is for. */
export type CertificateSubject =
  | {
      readonly kind: 'relay';
      readonly domain: string;
      /** Further host names and addresses. Peers that derive identities from names also take a name for a domain. */
      readonly hosts?: readonly string[];
      /** Without clientAuth, as public authorities issue certificates. Default: false. */
      readonly serverOnly?: boolean;
      /**
       * Kind of its key. Default: `ecdsa` (P-256), whose signatures take less time at each TLS handshake; TLS 1.0 and 1.1, which
       * peers of the year 2000 speak, need `rsa`.
       */
      readonly key?: 'ecdsa' | 'rsa';
      /** For a DSA key, as the suite TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA needs; it can do nothing else. Default: false. */
      readonly dsa?: boolean;
    }
  | { readonly kind: 'endpoint'; readonly address: string };

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const DOMAIN = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`);

/**
 * Returns the domain in A-labels and lower case.
 *
 * @throws LocalError ARGUMENT
 */
export function domainOf(text: string): string {
  const domain = asciiDomain(text)?.toLowerCase();
  if (domain === undefined || !DOMAIN.test(domain))
    throw new LocalError('ARGUMENT', `${JSON.stringify(text)} is not a domain name`);
  return domain;
}

/**
 * Returns the address with its domain in A-labels and lower case.
 *
 * @throws LocalError ARGUMENT
 */
export function subjectAddress(text: string): string {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(at, 0));
  // rfc822Name is an IA5String, so a certificate can contain ASCII only.
  if (!/^[\x21-\x7e]{1,200}$/.test(local)) {
    throw new LocalError('ARGUMENT', `${JSON.stringify(text)} is not an address that a certificate can contain`);
  }
  return `${local}@${domainOf(text.slice(at + 1))}`;
}

/**
 * Returns the canonical spelling of a host name or an IP address.
 *
 * @throws LocalError ARGUMENT
 */
export function subjectHost(text: string): { readonly type: 'name' | 'address'; readonly host: string } {
  const bracketed = text.includes(':') ? `[${text}]` : text;
  if (!text.includes(':') && !/^\d+(?:\.\d+){3}$/.test(text)) return { type: 'name', host: domainOf(text) };
  const url = `http://${bracketed}/`;
  if (!URL.canParse(url)) throw new LocalError('ARGUMENT', `${JSON.stringify(text)} is not an address`);
  return { type: 'address', host: new URL(url).hostname.replace(/^\[(.*)\]$/, '$1') };
}

/**
 * Returns a period of a number of days that began an hour ago, because clocks differ.
 *
 * @throws LocalError ARGUMENT
 */
export function periodOf(days: number, now: Date = new Date()): Period {
  if (!Number.isInteger(days) || days < 1 || days > 36_500) {
    throw new LocalError('ARGUMENT', 'days must be a whole number from 1 to 36500');
  }
  return { from: new Date(now.getTime() - HOUR_MS), to: new Date(now.getTime() + days * DAY_MS) };
}

/** An RSA key: for authorities, for endpoints, whose correspondents may know nothing else, and for relays on demand. */
async function newKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: RSA_BITS });
  return privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
}

function commonName(text: string): forge.pki.CertificateField[] {
  const utf8: number = forge.asn1.Type.UTF8;
  // RFC 5280 appendix A.1: at most 64 characters; the names that count are in subjectAltName.
  return [{ name: 'commonName', value: text.slice(0, 64), valueTagClass: utf8 }];
}

function publicKeyOf(key: string): forge.pki.rsa.PublicKey {
  const { n, e } = forge.pki.privateKeyFromPem(key);
  return forge.pki.setRsaPublicKey(n, e);
}

function blank(publicKey: forge.pki.Certificate['publicKey'], period: Period): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicKey;
  // RFC 5280 §4.1.2.2: positive, at most 20 octets.
  const serial = randomBytes(16);
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0);
  certificate.serialNumber = serial.toString('hex');
  certificate.validity.notBefore = period.from;
  certificate.validity.notAfter = period.to;
  return certificate;
}

/** Makes a new self-signed authority. */
export async function makeAuthority(period: Period): Promise<Credential> {
  const key = await newKey();
  const certificate = blank(publicKeyOf(key), period);
  // Two authorities with the same name confuse those who trust both.
  const mark = createHash('sha256').update(key).digest('hex').slice(0, 8);
  const name = commonName(`IMXP development authority ${mark}`);
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(key), forge.md.sha256.create());
  return { certificate: forge.pki.certificateToPem(certificate), key };
}

function alternativeNames(subject: CertificateSubject): object[] {
  if (subject.kind === 'endpoint') return namesOfPerson(subjectAddress(subject.address));
  const domain = domainOf(subject.domain);
  const hosts = (subject.hosts ?? []).map(subjectHost).map(({ type, host }) => {
    return type === 'address' ? { type: NAME.IP, ip: host } : { type: NAME.DNS, value: host };
  });
  // D-TLS-02: a relay is imxp=mesh@domain, as a mailbox or im: URI, or else its domain.
  return [
    { type: NAME.DNS, value: domain },
    { type: NAME.MAILBOX, value: `imxp=mesh@${domain}` },
    { type: NAME.URI, value: `im:imxp=mesh@${domain}` },
    ...hosts,
  ];
}

/**
 * REQ-CPIM-015: the inbox and the presentity as URIs; the mailbox is for logging in, and for peers that do not know
 * such URIs.
 */
function namesOfPerson(address: string): object[] {
  try {
    return [
      { type: NAME.MAILBOX, value: address },
      { type: NAME.URI, value: uriOfAddress('im', address) },
      { type: NAME.URI, value: uriOfAddress('pres', address) },
    ];
  } catch (cause) {
    throw new LocalError('ARGUMENT', `${JSON.stringify(address)} is not an address`, { cause });
  }
}

/**
 * Issues a certificate with a new key.
 *
 * @throws LocalError ARGUMENT if a name cannot be in a certificate, or the period is not within that of the authority
 */
export async function issue(authority: Credential, subject: CertificateSubject, period: Period): Promise<Credential> {
  const issuer = forge.pki.certificateFromPem(authority.certificate);
  if (period.from.getTime() >= issuer.validity.notAfter.getTime()) {
    throw new LocalError('ARGUMENT', 'the authority has expired; make a new one');
  }
  const names = alternativeNames(subject);
  // node-forge writes nothing but RSA keys: another one takes the place of the authority's in the end.
  const pair = await otherKey(subject);
  const key = pair === undefined ? await newKey() : undefined;
  // A certificate is worthless after its authority has expired.
  const to = new Date(Math.min(period.to.getTime(), issuer.validity.notAfter.getTime()));
  const certificate = blank(key === undefined ? issuer.publicKey : publicKeyOf(key), { from: period.from, to });
  certificate.setSubject(
    commonName(subject.kind === 'relay' ? domainOf(subject.domain) : subjectAddress(subject.address)),
  );
  certificate.setIssuer(issuer.subject.attributes);
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: false },
    // TLS_RSA_* suites and messages that are encrypted for somebody need keyEncipherment.
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: pair === undefined },
    // The key of an endpoint must never serve as a relay's, nor a relay's sign messages. A relay needs serverAuth
    // alone; clientAuth is for implementations that require it of a relay that opens a connection.
    {
      name: 'extKeyUsage',
      serverAuth: subject.kind === 'relay',
      clientAuth: subject.kind === 'endpoint' || subject.serverOnly !== true,
      emailProtection: subject.kind === 'endpoint',
    },
    { name: 'subjectAltName', altNames: names },
    pair === undefined ? { name: 'subjectKeyIdentifier' } : keyIdentifierOf(pair.publicKey),
    { name: 'authorityKeyIdentifier', keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes() },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(authority.key), forge.md.sha256.create());
  const issued = forge.pki.certificateToPem(certificate);
  return pair === undefined ? { certificate: issued, key: key ?? '' } : withKey(issued, pair, authority.key);
}

/** Whether a certificate is to be for a DSA key. */
export function isDsa(subject: CertificateSubject): boolean {
  return subject.kind === 'relay' && subject.dsa === true;
}

/** 1,024 bits, because SHA-1, which TLS 1.0 signs with, goes with keys of that size alone (FIPS 186-2). */
const DSA = { modulusLength: 1024, divisorLength: 160 } as const;

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** A new key that is not RSA; undefined for a subject that is to have an RSA key. */
async function otherKey(subject: CertificateSubject): Promise<KeyPair | undefined> {
  if (isDsa(subject)) return await promisify(generateKeyPair)('dsa', DSA);
  if (subject.kind === 'endpoint' || subject.key === 'rsa') return undefined;
  return await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
}

/** The extension subjectKeyIdentifier (RFC 5280 §4.2.1.2): the SHA-1 digest of the key, as its BIT STRING has it. */
function keyIdentifierOf(publicKey: KeyObject): object {
  const { subjectPublicKey } = PublicKeyInfo.fromBER(publicKey.export({ type: 'spki', format: 'der' }));
  const digest = createHash('sha1').update(subjectPublicKey.valueBlock.valueHexView).digest();
  const { asn1 } = forge;
  const value = asn1.create(asn1.Class.UNIVERSAL, asn1.Type.OCTETSTRING, false, digest.toString('latin1'));
  return { id: forge.pki.oids['subjectKeyIdentifier'], value: asn1.toDer(value).getBytes() };
}

/** Puts a key that node-forge cannot write into a certificate, and signs it again. */
function withKey(certificate: string, { publicKey, privateKey }: KeyPair, issuerKey: string): Credential {
  const parsed = Certificate.fromBER(new X509Certificate(certificate).raw);
  parsed.subjectPublicKeyInfo = PublicKeyInfo.fromBER(publicKey.export({ type: 'spki', format: 'der' }));
  const signature = sign('sha256', Buffer.from(parsed.encodeTBS().toBER()), issuerKey);
  parsed.signatureValue = new BitString({ valueHex: signature });
  // Encoded anew: what was parsed has the old key.
  const signed = new X509Certificate(Buffer.from(parsed.toSchema(true).toBER()));
  return {
    certificate: signed.toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
