/**
 * Reads certificates, as pure functions: the names in them, what they may be used for and when, and whether a chain leads
 * to an authority.
 *
 * Strictness: a chain with a critical extension not checked here (name constraints, policies) is refused, and MD5 and
 * MD2 signatures are refused even for legacy peers, because forged ones have been made.
 */
import { X509Certificate } from 'node:crypto';
import { canonicalAddress } from '../network.js';
import {
  DER,
  type DerElement,
  derChildren,
  derElement,
  derExpect,
  derInside,
  derInteger,
  derOid,
  derTime,
} from './der.js';

/** What a certificate may prove: being the server of a TLS session or the client of one. */
export type Purpose = 'server' | 'client';

/** The subject alternative names this project understands; domains and schemes in lower case. */
export interface CertificateNames {
  /** rfc822Name: `local@domain`. */
  readonly mailboxes: readonly string[];
  /** URI with scheme `im:`, as `local@domain` after undoing %hh. */
  readonly instantInboxes: readonly string[];
  /** dNSName without wildcards. */
  readonly domains: readonly string[];
  /** iPAddress, in one spelling for each; only what was asked for by a domain literal is named by them. */
  readonly addresses: readonly string[];
}

interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

/** The fields of RFC 5280 §4.1 that the checks here and in revocation.ts need. */
export interface CertificateFields {
  readonly serial: string;
  /** OID of the algorithm the issuer signed with. */
  readonly algorithm: string;
  /** DER of the names, compared octet for octet. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: ReadonlyMap<string, Extension>;
}

const OID = {
  SUBJECT_ALT_NAME: '2.5.29.17',
  BASIC_CONSTRAINTS: '2.5.29.19',
  KEY_USAGE: '2.5.29.15',
  EXTENDED_KEY_USAGE: '2.5.29.37',
  NAME_CONSTRAINTS: '2.5.29.30',
  ANY_USAGE: '2.5.29.37.0',
  SERVER_AUTH: '1.3.6.1.5.5.7.3.1',
  CLIENT_AUTH: '1.3.6.1.5.5.7.3.2',
} as const;

const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.SUBJECT_ALT_NAME,
  OID.BASIC_CONSTRAINTS,
  OID.KEY_USAGE,
  OID.EXTENDED_KEY_USAGE,
]);

/** md2WithRSAEncryption, md5WithRSAEncryption. */
const BROKEN_SIGNATURES: ReadonlySet<string> = new Set(['1.2.840.113549.1.1.2', '1.2.840.113549.1.1.4']);
/** sha1WithRSAEncryption, ecdsa-with-SHA1, id-dsa-with-sha1. */
const SHA1_SIGNATURES: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.5',
  '1.2.840.10045.4.1',
  '1.2.840.10040.4.3',
]);

const DOMAIN = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
/** D-CORE-01: an identity is at most 1,023 octets. */
const IDENTITY_OCTETS = 1023;
/** Longer chains are attempts to waste time. */
const CHAIN_LENGTH = 8;

export type CertificateSource = Buffer | X509Certificate;

/**
 * Reads the fields of a certificate from its DER.
 * @throws RemoteProtocolError TLS_FAILED when it is malformed.
 */
export function certificateFields(source: CertificateSource): CertificateFields {
  const [tbs, signature] = derInside(derElement(source instanceof X509Certificate ? source.raw : source));
  const parts = derInside(tbs);
  // RFC 5280 §4.1: version [0] is absent from version 1 certificates.
  if (parts[0]?.tag === 0xa0) parts.shift();
  const [serial, , issuer, validity, subject] = parts;
  const [notBefore, notAfter] = derInside(validity);
  const extensions = parts.find((part) => part.tag === 0xa3);
  return {
    serial: derInteger(serial),
    algorithm: derOid(derInside(signature)[0]),
    issuer: derExpect(issuer, DER.SEQUENCE).raw,
    subject: derExpect(subject, DER.SEQUENCE).raw,
    notBeforeMs: derTime(notBefore),
    notAfterMs: derTime(notAfter),
    extensions: extensions === undefined ? new Map() : extensionsOf(derElement(extensions.content)),
  };
}

function extensionsOf(list: DerElement): Map<string, Extension> {
  const extensions = new Map<string, Extension>();
  for (const element of derInside(list)) {
    const [oid, ...rest] = derInside(element);
    const critical = rest[0]?.tag === DER.BOOLEAN && rest[0].content[0] !== 0;
    extensions.set(derOid(oid), { critical, value: derExpect(rest.at(-1), DER.OCTET_STRING).content });
  }
  return extensions;
}

/**
 * Whom a certificate names. Names that are not valid here (wildcards, NUL, other schemes) are left out.
 * @throws RemoteProtocolError TLS_FAILED when the certificate is malformed.
 */
export function certificateNames(source: CertificateSource): CertificateNames {
  const mailboxes: string[] = [];
  const instantInboxes: string[] = [];
  const domains: string[] = [];
  const addresses: string[] = [];
  const extension = certificateFields(source).extensions.get(OID.SUBJECT_ALT_NAME);
  for (const name of extension === undefined ? [] : derInside(derElement(extension.value))) {
    const text = name.content.toString('latin1');
    // RFC 5280 §4.2.1.6: rfc822Name [1], dNSName [2], uniformResourceIdentifier [6], all IA5String; iPAddress [7].
    if (name.tag === 0x81) collect(mailboxes, mailbox(text));
    else if (name.tag === 0x82) collect(domains, domainName(text));
    else if (name.tag === 0x86) collect(instantInboxes, instantInbox(text));
    else if (name.tag === 0x87) collect(addresses, addressIn(name.content));
  }
  return { mailboxes, instantInboxes, domains, addresses };
}

function collect(names: string[], name: string | undefined): void {
  if (name !== undefined && !names.includes(name)) names.push(name);
}

function addressIn(octets: Buffer): string | undefined {
  if (octets.length === 4) return octets.join('.');
  return octets.length === 16 ? canonicalAddress(octets.toString('hex').replace(/(.{4})(?=.)/g, '$1:')) : undefined;
}

function domainName(text: string): string | undefined {
  const domain = text.toLowerCase();
  return DOMAIN.test(domain) ? domain : undefined;
}

function mailbox(text: string): string | undefined {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(at, 0));
  const domain = domainName(text.slice(at + 1));
  // Printable, no space: an identity carries neither white space nor comments (D-CORE-01).
  if (domain === undefined || !/^[\x21-\x7e]+$/.test(local) || text.length > IDENTITY_OCTETS) return undefined;
  return `${local}@${domain}`;
}

function instantInbox(text: string): string | undefined {
  if (!/^im:/i.test(text)) return undefined;
  const [address = ''] = text.slice(3).split('?');
  try {
    return mailbox(decodeURIComponent(address));
  } catch {
    return undefined;
  }
}

/** How certificates name servers: hosts by name and address, unless the users of a session have names of their own. */
export interface ServerNaming {
  /** Whether the names include the server of a domain. */
  names(names: CertificateNames, domain: string): boolean;
  /** Whether they include any server. */
  namesAny(names: CertificateNames): boolean;
}

/** A server is named by the dNSName or iPAddress that was dialled, without wildcards. */
export const HOST_NAMING: ServerNaming = {
  names: ({ domains, addresses }, domain) =>
    domains.includes(domain.toLowerCase()) || addresses.includes(canonicalAddress(domain)),
  namesAny: ({ domains, addresses }) => domains.length + addresses.length > 0,
};

/**
 * The purpose that the certificate of a connection's initiator has to be good for (D-TLS-03). That is `client`, save where the
 * certificate names a server and is for servers alone: public authorities issue nothing else any more, and a relay is a
 * server, whichever side opened the connection.
 * @throws RemoteProtocolError TLS_FAILED when the certificate is malformed.
 */
export function initiatorPurpose(source: CertificateSource, naming: ServerNaming = HOST_NAMING): Purpose {
  const forServers = purposeFault(source, 'server') === undefined && purposeFault(source, 'client') !== undefined;
  return forServers && naming.namesAny(certificateNames(source)) ? 'server' : 'client';
}

/** Why the certificate may not be used so (RFC 5280 §4.2.1.12), or undefined when it may. */
export function purposeFault(source: CertificateSource, purpose: Purpose): string | undefined {
  const usage = certificateFields(source).extensions.get(OID.EXTENDED_KEY_USAGE);
  if (usage === undefined) return undefined;
  const allowed = derInside(derElement(usage.value)).map(derOid);
  const wanted = purpose === 'server' ? OID.SERVER_AUTH : OID.CLIENT_AUTH;
  return allowed.includes(wanted) || allowed.includes(OID.ANY_USAGE)
    ? undefined
    : `the certificate is not for a TLS ${purpose}`;
}

/** Why the certificate is not valid at that time, or undefined when it is. */
export function validityFault(source: CertificateSource, nowMs: number): string | undefined {
  const { notBeforeMs, notAfterMs } = certificateFields(source);
  if (nowMs < notBeforeMs) return `the certificate is not valid before ${new Date(notBeforeMs).toISOString()}`;
  if (nowMs > notAfterMs) return `the certificate expired at ${new Date(notAfterMs).toISOString()}`;
  return undefined;
}

export interface ChainRules {
  /** Certificates trusted as they are: authorities, or a peer's own. */
  readonly authorities: readonly X509Certificate[];
  /** `initiator`: what {@link initiatorPurpose} says of the certificate. */
  readonly purpose: Purpose | 'initiator';
  readonly nowMs: number;
  /** How certificates name servers; by default as hosts. */
  readonly naming?: ServerNaming;
  /** Smallest RSA key in bits; 1,024 unless told, because the year-2000 peers have no more. */
  readonly rsaBits?: number;
  /** Whether SHA-1 signatures are accepted; the year-2000 peers have nothing better. Default: true. */
  readonly sha1?: boolean;
}

/**
 * Verifies a chain, the peer's own certificate first, for the stack that has no verifier of its own to rely on.
 * @returns the path from the peer's certificate to the authority, or the reason why there is none.
 */
export function verifyChain(chain: readonly Buffer[], rules: ChainRules): X509Certificate[] | string {
  if (chain.length > CHAIN_LENGTH) return `the chain has more than ${CHAIN_LENGTH} certificates`;
  try {
    const [leaf, ...others] = chain.map((der) => new X509Certificate(der));
    if (leaf === undefined) return 'no certificate';
    const purpose = rules.purpose === 'initiator' ? initiatorPurpose(leaf, rules.naming) : rules.purpose;
    const path = purposeFault(leaf, purpose) ?? pathFrom(leaf, others, { ...rules, purpose });
    return typeof path === 'string' ? path : (keyUsageFault(leaf) ?? path);
  } catch {
    return 'a certificate of the chain cannot be read';
  }
}

function pathFrom(
  leaf: X509Certificate,
  others: X509Certificate[],
  rules: ChainRules & { readonly purpose: Purpose },
): X509Certificate[] | string {
  const path = [leaf];
  for (let subject = leaf; ; ) {
    const trusted = rules.authorities.some((authority) => authority.raw.equals(subject.raw));
    const fault = certificateFault(subject, rules) ?? (trusted ? undefined : signatureFault(subject, rules));
    if (fault !== undefined) return fault;
    if (trusted) return path;
    const anchor = rules.authorities.find((authority) => issued(authority, subject));
    const issuer = anchor ?? others.find((other) => !path.includes(other) && issued(other, subject));
    if (issuer === undefined) return 'the certificate does not lead to a known authority';
    const issuerFaultFound = issuerFault(issuer, path.length - 1) ?? purposeFault(issuer, rules.purpose);
    if (issuerFaultFound !== undefined) return issuerFaultFound;
    path.push(issuer);
    subject = issuer;
  }
}

function issued(issuer: X509Certificate, subject: X509Certificate): boolean {
  return subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}

function certificateFault(certificate: X509Certificate, rules: ChainRules): string | undefined {
  const fields = certificateFields(certificate);
  for (const [oid, extension] of fields.extensions) {
    // RFC 5280 §4.2: a critical extension that is not processed means refusal.
    if (extension.critical && !UNDERSTOOD.has(oid)) return `the certificate has the unknown critical extension ${oid}`;
  }
  // RFC 5280 §4.2.1.10 wants these to be critical. They are not checked here, whichever way they are marked.
  if (fields.extensions.has(OID.NAME_CONSTRAINTS))
    return 'the certificate has name constraints, which are not supported';
  const bits = certificate.publicKey.asymmetricKeyDetails?.modulusLength ?? Number.POSITIVE_INFINITY;
  if (bits < (rules.rsaBits ?? 1024)) return `the certificate's key has only ${bits} bits`;
  return validityFault(certificate, rules.nowMs);
}

/** The signature of a certificate that is not trusted by itself. */
function signatureFault(certificate: X509Certificate, { sha1 = true }: ChainRules): string | undefined {
  const { algorithm } = certificateFields(certificate);
  if (BROKEN_SIGNATURES.has(algorithm)) return 'the certificate is signed with MD5 or MD2';
  return !sha1 && SHA1_SIGNATURES.has(algorithm) ? 'the certificate is signed with SHA-1' : undefined;
}

/** RFC 5280 §4.2.1.3: a key in TLS signs, has keys encrypted to it, or agrees on keys. */
function keyUsageFault(leaf: X509Certificate): string | undefined {
  const usage = certificateFields(leaf).extensions.get(OID.KEY_USAGE);
  // BIT STRING: one octet of unused bits, then digitalSignature is bit 0, keyEncipherment bit 2, keyAgreement bit 4.
  const good = usage === undefined || ((derElement(usage.value).content[1] ?? 0) & 0xa8) !== 0;
  return good ? undefined : "the certificate's key is not for TLS";
}

/** RFC 5280 §4.2.1.9, §4.2.1.3: may this certificate issue, with that many intermediates below it? */
function issuerFault(issuer: X509Certificate, intermediates: number): string | undefined {
  const { extensions } = certificateFields(issuer);
  const usage = extensions.get(OID.KEY_USAGE);
  // BIT STRING: one octet of unused bits, then keyCertSign is bit 5.
  if (!issuer.ca) return 'the issuer is not an authority';
  if (usage !== undefined && ((derElement(usage.value).content[1] ?? 0) & 0x04) === 0) {
    return 'the issuer may not sign certificates';
  }
  const constraints = extensions.get(OID.BASIC_CONSTRAINTS);
  const length = constraints && derChildren(derElement(constraints.value).content).find((c) => c.tag === DER.INTEGER);
  return length !== undefined && Number.parseInt(derInteger(length), 16) < intermediates
    ? 'the chain is longer than an authority in it allows'
    : undefined;
}
