/**
 * Certificate path validation (RFC 5280 §6 without policies): a path to a trusted CA in which each certificate is
 * signed, within its validity, allowed to sign, and not revoked. Holds the CA certificates and revocation lists.
 *
 * Strictness, as in TLS: after the nextUpdate of a list all certificates of its CA are refused, because their status is
 * no longer known. A CA without a list is not checked.
 */
import { CertificateRevocationList } from 'pkijs';
import { LocalError } from '../../errors.js';
import { type Verdict, verified } from './algorithms.js';
import { octetsIn } from './asn1.js';
import type { Certificate } from './certificate.js';
import type { SignatureFault } from './signature-fault.js';

/** Longest path; longer ones would only waste time. */
const PATH_LENGTH = 8;
/** Steps tried in the search for a path, including dead ends. */
const STEPS = 64;

type Path = readonly Certificate[];

/** Whether a certificate is trusted. */
export interface Standing {
  /** Why it is not; undefined when it is. */
  readonly fault: SignatureFault | undefined;
  /** Whether a certificate of the path was signed by an algorithm or key that can be forged today. */
  readonly outdated: boolean;
}

export class Trust {
  readonly #authorities: readonly Certificate[];
  readonly #lists: readonly CertificateRevocationList[];
  readonly #outdated: boolean;

  /** @param outdated whether to trust certificates that were signed by algorithms or keys of 2004 */
  constructor(
    authorities: readonly Certificate[] = [],
    lists: readonly CertificateRevocationList[] = [],
    outdated = false,
  ) {
    this.#authorities = authorities;
    this.#lists = lists;
    this.#outdated = outdated;
  }

  /** Whether there is no trusted CA. */
  get empty(): boolean {
    return this.#authorities.length === 0;
  }

  /**
   * Whether a certificate is trusted.
   *
   * @param others possible intermediate certificates
   */
  standingOf(certificate: Certificate, others: readonly Certificate[], at: Date): Standing {
    const steps = { left: STEPS };
    let fault: SignatureFault | undefined = 'untrusted';
    for (const path of this.#paths([certificate], others, steps)) {
      fault = this.#faultOfPath(path, at);
      if (fault === undefined)
        return { fault, outdated: path.some((one, index) => this.#isOutdated(one, path[index + 1])) };
    }
    return { fault, outdated: false };
  }

  *#paths(path: Path, others: readonly Certificate[], steps: { left: number }): Generator<Path> {
    const last = path.at(-1);
    if (last === undefined || last.demanding) return;
    if (this.#authorities.some((authority) => authority.is(last))) yield path;
    if (path.length >= PATH_LENGTH) return;
    for (const issuer of [...this.#authorities, ...others]) {
      steps.left -= 1;
      if (steps.left < 0) return;
      if (!path.some((one) => one.is(issuer)) && this.#accepts(issued(issuer, last, path.length - 1))) {
        yield* this.#paths([...path, issuer], others, steps);
      }
    }
  }

  #accepts(verdict: Verdict): boolean {
    return verdict === 'good' || (verdict === 'outdated' && this.#outdated);
  }

  #isOutdated(certificate: Certificate, issuer: Certificate | undefined): boolean {
    return issuer !== undefined && genuine(certificate.parsed, issuer) === 'outdated';
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
    const lists = this.#lists.filter(
      (list) => list.issuer.isEqual(issuer.parsed.subject) && this.#accepts(genuine(list, issuer)),
    );
    if (lists.some((list) => list.isCertificateRevoked(certificate.parsed))) return 'revoked';
    const next = Math.max(...lists.map((list) => list.nextUpdate?.value.getTime() ?? Number.POSITIVE_INFINITY));
    return lists.length > 0 && next < at.getTime() ? 'revocation unknown' : undefined;
  }
}

/** @param below number of CA certificates between the issuer and the first certificate of the path */
function issued(issuer: Certificate, certificate: Certificate, below: number): Verdict {
  if (!issuer.signsCertificates || (issuer.pathLength ?? below) < below) return 'wrong';
  return certificate.x509.checkIssued(issuer.x509) ? genuine(certificate.parsed, issuer) : 'wrong';
}

/** Verifies the signature of a certificate or a revocation list. */
function genuine(
  {
    tbsView,
    signatureAlgorithm,
    signatureValue,
  }: Pick<CertificateRevocationList, 'tbsView' | 'signatureAlgorithm' | 'signatureValue'>,
  { x509 }: Certificate,
): Verdict {
  return verified(signatureAlgorithm, undefined, x509.publicKey, Buffer.from(tbsView), octetsIn(signatureValue));
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
