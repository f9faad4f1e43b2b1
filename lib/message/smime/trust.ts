/**
 * Certificate path validation (RFC 5280 §6 without policies): a path to a trusted CA in which each certificate is
 * signed, within its validity, allowed to sign, and not revoked. Holds the CA certificates and revocation lists.
 *
 * Strictness, as in TLS: after the nextUpdate of a list all certificates of its CA are refused, because their status is
 * no longer known. A CA without a list is not checked.
 */
import { CertificateRevocationList } from 'pkijs';
import { LocalError } from '../../errors.js';
import { verified } from './algorithms.js';
import { octetsIn } from './asn1.js';
import type { Certificate } from './certificate.js';
import type { SignatureFault } from './signature-fault.js';

/** Longest path; longer ones would only waste time. */
const PATH_LENGTH = 8;
/** Steps tried in the search for a path, including dead ends. */
const STEPS = 64;

type Path = readonly Certificate[];

export class Trust {
  readonly #authorities: readonly Certificate[];
  readonly #lists: readonly CertificateRevocationList[];

  constructor(authorities: readonly Certificate[] = [], lists: readonly CertificateRevocationList[] = []) {
    this.#authorities = authorities;
    this.#lists = lists;
  }

  /** Whether there is no trusted CA. */
  get empty(): boolean {
    return this.#authorities.length === 0;
  }

  /**
   * Why a certificate is not trusted; undefined when it is.
   *
   * @param others possible intermediate certificates
   */
  faultOf(certificate: Certificate, others: readonly Certificate[], at: Date): SignatureFault | undefined {
    const steps = { left: STEPS };
    let fault: SignatureFault | undefined = 'untrusted';
    for (const path of this.#paths([certificate], others, steps)) {
      fault = this.#faultOfPath(path, at);
      if (fault === undefined) return undefined;
    }
    return fault;
  }

  *#paths(path: Path, others: readonly Certificate[], steps: { left: number }): Generator<Path> {
    const last = path.at(-1);
    if (last === undefined || last.demanding) return;
    if (this.#authorities.some((authority) => authority.is(last))) yield path;
    if (path.length >= PATH_LENGTH) return;
    for (const issuer of [...this.#authorities, ...others]) {
      steps.left -= 1;
      if (steps.left < 0) return;
      if (!path.some((one) => one.is(issuer)) && issued(issuer, last, path.length - 1)) {
        yield* this.#paths([...path, issuer], others, steps);
      }
    }
  }

  #faultOfPath(path: Path, at: Date): SignatureFault | undefined {
    if (!path.every((certificate) => certificate.validAt(at))) return 'expired';
    for (const [index, certificate] of path.entries()) {
      const issuer = path[index + 1];
      const fault = issuer === undefined ? undefined : this.#revocation(certificate, issuer, at);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #revocation(certificate: Certificate, issuer: Certificate, at: Date): SignatureFault | undefined {
    const lists = this.#lists.filter((list) => list.issuer.isEqual(issuer.parsed.subject) && isGenuine(list, issuer));
    if (lists.some((list) => list.isCertificateRevoked(certificate.parsed))) return 'revoked';
    const next = Math.max(...lists.map((list) => list.nextUpdate?.value.getTime() ?? Number.POSITIVE_INFINITY));
    return lists.length > 0 && next < at.getTime() ? 'revocation unknown' : undefined;
  }
}

/** @param below number of CA certificates between the issuer and the first certificate of the path */
function issued(issuer: Certificate, certificate: Certificate, below: number): boolean {
  if (!issuer.signsCertificates || (issuer.pathLength ?? below) < below) return false;
  const { tbsView, signatureAlgorithm, signatureValue } = certificate.parsed;
  return (
    certificate.x509.checkIssued(issuer.x509) &&
    verified(signatureAlgorithm, undefined, issuer.x509.publicKey, Buffer.from(tbsView), octetsIn(signatureValue)) ===
      true
  );
}

function isGenuine(
  { tbsView, signatureAlgorithm, signatureValue }: CertificateRevocationList,
  by: Certificate,
): boolean {
  const key = by.x509.publicKey;
  return verified(signatureAlgorithm, undefined, key, Buffer.from(tbsView), octetsIn(signatureValue)) === true;
}

const PEM = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g;

/**
 * Reads the revocation lists in PEM, or one in DER.
 *
 * @throws LocalError ARGUMENT when there is none or one cannot be read
 */
export function readRevocationLists(octets: string | Buffer): CertificateRevocationList[] {
  const text = octets.toString('latin1');
  try {
    if (!text.includes('-----BEGIN')) return [CertificateRevocationList.fromBER(Buffer.from(octets))];
    const found = Array.from(text.matchAll(PEM), ([, base64 = '']) =>
      CertificateRevocationList.fromBER(Buffer.from(base64, 'base64')),
    );
    if (found.length > 0) return found;
  } catch (cause) {
    throw new LocalError('ARGUMENT', 'a revocation list cannot be read', { cause });
  }
  throw new LocalError('ARGUMENT', 'the file contains no revocation list in PEM or DER');
}
