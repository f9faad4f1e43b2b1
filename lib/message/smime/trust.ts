/**
 * Certificate path validation (RFC 5280 §6 without policies): a path to a trusted CA in which each certificate is
 * signed, within its validity, allowed to sign, and not revoked. Holds the CA certificates and revocation lists.
 *
 * Strictness, as in TLS: after the nextUpdate of a list all certificates of its CA are refused, because their status is
 * no longer known. A CA without a list is not checked. Revocation counts without a path as well: otherwise the owner of a
 * revoked certificate would only have to leave out an intermediate one.
 */
import { CertificateRevocationList } from 'pkijs';
import { LocalError } from '../../errors.js';
import { type Verdict, verified } from './algorithms.js';
import { octetsIn } from './asn1.js';
import type { Certificate } from './certificate.js';
import type { SignatureFault } from './signature-fault.js';
import type { Work } from './work.js';

/** Longest path; longer ones would only waste time. */
const PATH_LENGTH = 8;
/** Signatures verified in the search for a path, including those of dead ends. */
const STEPS = 64;

/** A certificate and those above it, each of which issued the one before. */
interface Path {
  readonly certificates: readonly [Certificate, ...Certificate[]];
  /** Whether one was signed by an algorithm or key that can be forged today. */
  readonly outdated: boolean;
}

/** What a search for a path has found so far. */
interface Search {
  /** Possible intermediate certificates. */
  readonly others: readonly Certificate[];
  readonly at: Date;
  stepsLeft: number;
  /** Why the last path that leads to a trusted CA is not in order. */
  fault: SignatureFault | undefined;
  revoked: SignatureFault | undefined;
}

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
  *standingOf(certificate: Certificate, others: readonly Certificate[], at: Date): Work<Standing> {
    const search: Search = { others, at, stepsLeft: STEPS, fault: undefined, revoked: undefined };
    const found = yield* this.#search({ certificates: [certificate], outdated: false }, search);
    return found ?? { fault: search.fault ?? search.revoked ?? 'untrusted', outdated: false };
  }

  #isTrusted({ certificates }: Path): boolean {
    const last = certificates.at(-1);
    return last !== undefined && this.#authorities.some((authority) => authority.is(last));
  }

  /**
   * Judges a path and all that go on from it upwards, whether they lead to a trusted CA or not.
   *
   * @returns the first that is in order; the faults of the others are noted in the search
   */
  *#search(path: Path, search: Search): Work<Standing | undefined> {
    const { certificates } = path;
    const last = certificates.at(-1);
    if (last === undefined || last.demanding) return undefined;
    if (this.#isTrusted(path)) {
      search.fault = yield* this.#faultOfPath(path, search.at);
      if (search.fault === undefined) return { fault: undefined, outdated: path.outdated };
    } else {
      search.revoked ??= yield* this.#revocationIn(path, search.others, search.at);
    }
    if (certificates.length >= PATH_LENGTH) return undefined;
    for (const issuer of [...this.#authorities, ...search.others]) {
      if (certificates.some((one) => one.is(issuer)) || !mayIssue(issuer, last, certificates.length - 1)) continue;
      search.stepsLeft -= 1;
      if (search.stepsLeft < 0) return undefined;
      const verdict = yield* genuine(last.parsed, issuer);
      if (!this.#accepts(verdict)) continue;
      const outdated = path.outdated || verdict === 'outdated';
      const found = yield* this.#search({ certificates: [...certificates, issuer], outdated }, search);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #accepts(verdict: Verdict): boolean {
    return verdict === 'good' || (verdict === 'outdated' && this.#outdated);
  }

  /** The fault of a path that leads to a trusted CA. */
  *#faultOfPath({ certificates }: Path, at: Date): Work<SignatureFault | undefined> {
    if (!certificates.every((certificate) => certificate.validAt(at))) return 'expired';
    for (const [index, certificate] of certificates.entries()) {
      const issuer = certificates[index + 1];
      const lists: CertificateRevocationList[] = [];
      for (const list of issuer === undefined ? [] : this.#listsOf(certificate)) {
        if (issuer !== undefined && (yield* this.#isBy(list, issuer))) lists.push(list);
      }
      const fault = revocation(certificate, lists, at);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** Whether the last certificate of a path that does not lead to a trusted CA was revoked; the others came before. */
  *#revocationIn({ certificates }: Path, others: readonly Certificate[], at: Date): Work<SignatureFault | undefined> {
    const last = certificates.at(-1);
    const lists: CertificateRevocationList[] = [];
    for (const list of last === undefined ? [] : this.#listsOf(last)) {
      if (yield* this.#mayBeGenuine(list, others)) lists.push(list);
    }
    return last && revocation(last, lists, at);
  }

  #listsOf({ parsed }: Certificate): CertificateRevocationList[] {
    return this.#lists.filter((list) => list.issuer.isEqual(parsed.issuer));
  }

  *#isBy(list: CertificateRevocationList, issuer: Certificate): Work<boolean> {
    return list.issuer.isEqual(issuer.parsed.subject) && this.#accepts(yield* genuine(list, issuer));
  }

  /**
   * Whether the CA signed a list, as far as can be told. Where the certificate of the CA is missing the list counts, since
   * the user has configured it. Only a trusted CA of the same name proves that it is not genuine: a certificate that came
   * with the message proves nothing.
   */
  *#mayBeGenuine(list: CertificateRevocationList, others: readonly Certificate[]): Work<boolean> {
    const namesakes = this.#authorities.filter(({ parsed }) => list.issuer.isEqual(parsed.subject));
    if (namesakes.length === 0) return true;
    for (const issuer of [...namesakes, ...others]) if (yield* this.#isBy(list, issuer)) return true;
    return false;
  }
}

/** @param lists those of the issuer */
function revocation(
  { parsed }: Certificate,
  lists: readonly CertificateRevocationList[],
  at: Date,
): SignatureFault | undefined {
  if (lists.some((list) => list.isCertificateRevoked(parsed))) return 'revoked';
  const next = Math.max(...lists.map((list) => list.nextUpdate?.value.getTime() ?? Number.POSITIVE_INFINITY));
  return lists.length > 0 && next < at.getTime() ? 'revocation unknown' : undefined;
}

/**
 * Whether an issuer could have signed a certificate, by all but the signature.
 *
 * @param below number of CA certificates between the issuer and the first certificate of the path
 */
function mayIssue(issuer: Certificate, { x509 }: Certificate, below: number): boolean {
  return issuer.signsCertificates && (issuer.pathLength ?? below) >= below && x509.checkIssued(issuer.x509);
}

/** Verifies the signature of a certificate or a revocation list. */
function genuine(
  {
    tbsView,
    signatureAlgorithm,
    signatureValue,
  }: Pick<CertificateRevocationList, 'tbsView' | 'signatureAlgorithm' | 'signatureValue'>,
  { x509 }: Certificate,
): Work<Verdict> {
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
