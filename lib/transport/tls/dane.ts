/**
 * DANE (RFC 6698, RFC 7671, RFC 7673): proof of a server by the TLSA records of its port, which DNSSEC has validated,
 * instead of by an authority. Knows nothing of how the records are looked up.
 *
 * Usable are the usages DANE-TA (2) and DANE-EE (3): the other two restrict what authorities may prove, and a mesh that
 * trusts no authority has no use for them (D-DNS-04).
 */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import { type CertificateNames, certificateNames, type ServerNaming, verifyChain } from './certificate.js';

/** A TLSA record (RFC 6698 §2.1). */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matching: number;
  readonly data: Buffer;
}

/** What proves a server: records that DNSSEC has validated. */
export interface DaneProof {
  /** Where they are: `_port._tcp.host`. */
  readonly name: string;
  /** Names that a certificate issued by a DANE-TA may have: those of the target (RFC 7673 §4.2). */
  readonly hosts: readonly string[];
  /** Usable ones only; at least one. */
  readonly records: readonly TlsaRecord[];
}

const [DANE_TA, DANE_EE] = [2, 3];
const [FULL, SPKI] = [0, 1];
/** RFC 6698 §7.4; 0 is the octets themselves. */
const DIGESTS: Readonly<Record<number, string>> = { 1: 'sha256', 2: 'sha512' };
const EXACT = 0;

/** Whether a record can prove a server here; the others are as if they were not there (RFC 7671 §4). */
export function isUsable({ usage, selector, matching, data }: TlsaRecord): boolean {
  if (usage !== DANE_TA && usage !== DANE_EE) return false;
  if (selector !== FULL && selector !== SPKI) return false;
  if (matching === EXACT) return data.length > 0 && (usage !== DANE_TA || selector === FULL || data.length > 32);
  const name = DIGESTS[matching];
  return name !== undefined && data.length === createHash(name).digest().length;
}

/** A record as in a zone file: usage, selector, matching and the data in hexadecimal, shortened. */
export function writeTlsa({ usage, selector, matching, data }: TlsaRecord, octets = 8): string {
  const hex = data.subarray(0, octets).toString('hex');
  return `${usage} ${selector} ${matching} ${hex}${data.length > octets ? '…' : ''}`;
}

/** The record for a certificate that outlives its renewal with the same key: DANE-EE, its key, SHA-256 (RFC 7671 §5.1). */
export function recommendedTlsa(certificate: X509Certificate): TlsaRecord {
  return { usage: DANE_EE, selector: SPKI, matching: 1, data: digestOf(octetsOf(certificate, SPKI), 'sha256') };
}

/** Whether a certificate is what a record says. */
export function matchesTlsa({ selector, matching, data }: TlsaRecord, certificate: X509Certificate): boolean {
  const octets = octetsOf(certificate, selector);
  const name = DIGESTS[matching];
  const found = name === undefined ? octets : digestOf(octets, name);
  return found.length === data.length && timingSafeEqual(found, data);
}

export interface DaneRules {
  /** The domain whose server it must be. */
  readonly domain: string;
  readonly naming: ServerNaming;
  readonly nowMs: number;
}

/** The record that proves a server, or why none does. */
export type DaneVerdict = { readonly by: string } | { readonly fault: string };

/**
 * Verifies a server's chain by TLSA records.
 *
 * With DANE-EE the key alone counts: neither names nor dates of the certificate, which the record replaces (RFC 7671
 * §5.1). With DANE-TA the chain must lead to the certificate of the record and name the server.
 *
 * @param chain as the server sent it, its own certificate first
 */
export function verifyByDane(chain: readonly X509Certificate[], proof: DaneProof, rules: DaneRules): DaneVerdict {
  const [leaf] = chain;
  if (leaf === undefined) return { fault: `no certificate, where ${proof.name} has TLSA records` };
  const faults: string[] = [];
  for (const record of digestAgile(proof.records)) {
    const by = `TLSA ${proof.name} ${writeTlsa(record)}`;
    if (record.usage === DANE_EE) {
      if (matchesTlsa(record, leaf)) return { by };
      continue;
    }
    const fault = anchorFault(record, chain, proof, rules);
    if (fault === undefined) return { by };
    if (fault !== NO_MATCH) faults.push(`${by}: ${fault}`);
  }
  const [fault] = faults;
  if (fault !== undefined) return { fault };
  const all = proof.records.map((record) => writeTlsa(record)).join(', ');
  return { fault: `it is not what the TLSA records of ${proof.name} say (${all})` };
}

const NO_MATCH = 'no certificate of the chain matches';

function anchorFault(
  record: TlsaRecord,
  chain: readonly X509Certificate[],
  { hosts }: DaneProof,
  { domain, naming, nowMs }: DaneRules,
): string | undefined {
  const sent = chain.filter((certificate) => matchesTlsa(record, certificate));
  const authorities = sent.length > 0 ? sent : published(record);
  const [leaf] = chain;
  if (authorities.length === 0 || leaf === undefined) return NO_MATCH;
  const ders = chain.map(({ raw }) => raw);
  const path = verifyChain(ders, { authorities, purpose: 'server', nowMs, rsaBits: 2048, sha1: false });
  if (typeof path === 'string') return path;
  const names: CertificateNames = certificateNames(leaf);
  const named = naming.names(names, domain) || hosts.some((host) => names.domains.includes(host));
  return named ? undefined : `the certificate names neither ${[domain, ...hosts].join(' nor ')}`;
}

/** A record with the whole certificate brings it along. */
function published({ selector, matching, data }: TlsaRecord): X509Certificate[] {
  if (selector !== FULL || matching !== EXACT) return [];
  try {
    return [new X509Certificate(data)];
  } catch {
    return [];
  }
}

/** RFC 7671 §9: of records that say the same by several digests, only the strongest counts. */
function digestAgile(records: readonly TlsaRecord[]): readonly TlsaRecord[] {
  const strongest = new Map<string, number>();
  const kindOf = ({ usage, selector }: TlsaRecord): string => `${usage} ${selector}`;
  for (const record of records) {
    strongest.set(kindOf(record), Math.max(record.matching, strongest.get(kindOf(record)) ?? 0));
  }
  return records.filter(({ matching, ...record }) => {
    return matching === EXACT || matching === strongest.get(kindOf({ matching, ...record }));
  });
}

function octetsOf(certificate: X509Certificate, selector: number): Buffer {
  return selector === SPKI ? certificate.publicKey.export({ type: 'spki', format: 'der' }) : certificate.raw;
}

function digestOf(octets: Buffer, name: string): Buffer {
  return createHash(name).update(octets).digest();
}
