/** Writes certificate revocation lists (RFC 5280 §5). Keeps no record of what was revoked and touches no files. */
import forge from 'node-forge';
import type { Credential } from './issue.js';

export interface Revoked {
  /** Hexadecimal, as in the certificate. */
  readonly serial: string;
  readonly at: Date;
}

type Asn1 = forge.asn1.Asn1;

const { asn1 } = forge;
const OID = { SHA256_RSA: '1.2.840.113549.1.1.11', CRL_NUMBER: '2.5.29.20', AUTHORITY_KEY: '2.5.29.35' } as const;

function primitive(type: forge.asn1.Type, value: string): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, type, false, value);
}

function sequence(...items: Asn1[]): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, items);
}

function oid(name: string): Asn1 {
  return primitive(asn1.Type.OID, asn1.oidToDer(name).getBytes());
}

/** Returns the octets of an INTEGER: the shortest form, with a leading zero if the first bit would make it negative. */
function integer(hex: string): Asn1 {
  const digits = hex.replace(/^(?:00)+(?=..)/, '');
  const signed = Number.parseInt(digits.slice(0, 2), 16) > 0x7f ? `00${digits}` : digits;
  return primitive(asn1.Type.INTEGER, forge.util.hexToBytes(signed));
}

/** RFC 5280 §5.1.2.4: UTCTime through 2049, GeneralizedTime from 2050. */
function time(date: Date): Asn1 {
  return date.getUTCFullYear() < 2050
    ? primitive(asn1.Type.UTCTIME, asn1.dateToUtcTime(date))
    : primitive(asn1.Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));
}

function extension(name: string, value: Asn1): Asn1 {
  return sequence(oid(name), primitive(asn1.Type.OCTETSTRING, asn1.toDer(value).getBytes()));
}

/** Returns the signed list of an authority in PEM, valid as long as the authority. */
export function revocationList(authority: Credential, revoked: readonly Revoked[], now: Date = new Date()): string {
  const issuer = forge.pki.certificateFromPem(authority.certificate);
  const algorithm = sequence(oid(OID.SHA256_RSA), primitive(asn1.Type.NULL, ''));
  const entries = revoked.map(({ serial, at }) => sequence(integer(serial), time(at)));
  const seconds = Math.floor(now.getTime() / 1000).toString(16);
  const keyIdentifier = asn1.create(
    asn1.Class.CONTEXT_SPECIFIC,
    forge.asn1.Type.NONE,
    false,
    issuer.generateSubjectKeyIdentifier().getBytes(),
  );
  const extensions = sequence(
    extension(OID.AUTHORITY_KEY, sequence(keyIdentifier)),
    // RFC 5280 §5.2.3: a number that only grows.
    extension(OID.CRL_NUMBER, integer(seconds.padStart(seconds.length + (seconds.length % 2), '0'))),
  );
  const body = sequence(
    integer('01'),
    algorithm,
    forge.pki.distinguishedNameToAsn1(issuer.subject),
    time(now),
    time(issuer.validity.notAfter),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    asn1.create(asn1.Class.CONTEXT_SPECIFIC, forge.asn1.Type.NONE, true, [extensions]),
  );
  const digest = forge.md.sha256.create().update(asn1.toDer(body).getBytes());
  const signature = forge.pki.privateKeyFromPem(authority.key).sign(digest);
  const list = sequence(body, algorithm, primitive(asn1.Type.BITSTRING, `\0${signature}`));
  const base64 = Buffer.from(asn1.toDer(list).getBytes(), 'latin1').toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`;
}
