/**
 * Verification of a signature: whether it is valid, whose it is, and whether that is the sender of the message. All
 * parts are checked, and the first failure is reported.
 */
import type { Certificate } from './certificate.js';
import type { PinnedCertificates, SignerTrust } from './known.js';
import { nothingSigned, type Signature } from './signature.js';
import type { SignatureFault } from './signature-fault.js';
import { proofOf, type Signer } from './signed-data.js';
import type { Trust } from './trust.js';
import type { Work } from './work.js';

/** Signatures of one layer, with the possible forms of the signed content. */
export interface SignedLayer {
  readonly signers: readonly Signer[];
  readonly contents: readonly Buffer[];
  /** Certificates sent with them. */
  readonly certificates: readonly Certificate[];
}

/** The claimed sender of a message. */
export interface ClaimedSender {
  /** Originator of the operation. */
  readonly originator: string;
  /** Authors named in the signed content; empty when it names none. */
  readonly authors: readonly string[];
}

/** What signatures are verified by. */
export interface VerificationContext {
  readonly trust: Trust;
  /** The known certificates of the originator. */
  readonly pinned: PinnedCertificates;
  /** Certificates of the sender that are known without the message. */
  readonly known: readonly Certificate[];
  /** Whether signatures that can be forged today count. */
  readonly outdated: boolean;
  readonly at: Date;
}

/** Selects the best signature of a layer: a valid one, else the first. */
export function* signatureOf(layer: SignedLayer, sender: ClaimedSender, context: VerificationContext): Work<Signature> {
  const others = [...layer.certificates, ...context.known];
  const all: Signature[] = [];
  for (const signer of layer.signers) all.push(yield* signatureBy(signer, layer.contents, sender, context, others));
  return all.find(({ valid }) => valid) ?? all[0] ?? nothingSigned('no certificate');
}

function* signatureBy(
  signer: Signer,
  contents: readonly Buffer[],
  sender: ClaimedSender,
  context: VerificationContext,
  others: readonly Certificate[],
): Work<Signature> {
  const { certificate } = signer;
  const proof = yield* proofOf(signer, contents);
  const fault = proof.fault ?? (proof.outdated && !context.outdated ? 'weak' : undefined);
  const facts = {
    by: nameIn(certificate, sender),
    algorithm: proof.algorithm,
    at: proof.at,
    id: proof.id,
    certificate: certificate?.x509,
  };
  if (fault !== undefined || certificate === undefined) {
    const reason = fault ?? 'no certificate';
    return { ...facts, valid: false, reason, trust: undefined, outdated: proof.outdated };
  }
  const standing = yield* context.trust.standingOf(certificate, others, context.at);
  const outdated = proof.outdated || standing.outdated;
  const { reason, trust } = acceptance(certificate, sender, context, standing.fault);
  return { ...facts, valid: reason === undefined, reason, trust, outdated };
}

type Acceptance =
  | { readonly reason: SignatureFault; readonly trust: undefined }
  | { readonly reason: undefined; readonly trust: SignerTrust };

const refused = (reason: SignatureFault): Acceptance => ({ reason, trust: undefined });

/** A certificate that no trusted CA issued, but is in order otherwise, may be a known one. */
function acceptance(
  certificate: Certificate,
  sender: ClaimedSender,
  { pinned, at }: VerificationContext,
  fault: SignatureFault | undefined,
): Acceptance {
  if (fault !== undefined && fault !== 'untrusted') return refused(fault);
  const own = certificate.demanding
    ? 'untrusted'
    : !certificate.validAt(at)
      ? 'expired'
      : !certificate.signsMessages
        ? 'usage'
        : !isSender(certificate, sender)
          ? 'other sender'
          : undefined;
  if (fault === undefined) {
    if (own !== undefined) return refused(own);
    pinned.remember(certificate);
    return { reason: undefined, trust: 'authority' };
  }
  const trust = own === undefined ? pinned.trustIn(certificate) : undefined;
  if (trust === undefined) return refused('untrusted');
  return trust === 'changed' ? refused('changed') : { reason: undefined, trust };
}

/**
 * RFC 3860 §4: the certificate must name the sender: the originator of the operation as well as the author in the
 * signed content. Otherwise somebody could resend content that another person has signed.
 */
function isSender(certificate: Certificate, { originator, authors }: ClaimedSender): boolean {
  const author = authors.length === 0 || authors.some((address) => certificate.names(address));
  return author && certificate.names(originator);
}

function nameIn(certificate: Certificate | undefined, { originator, authors }: ClaimedSender): string | undefined {
  const [first, ...others] = certificate?.identities ?? [];
  const wanted = [first, ...others].find((name) => name === originator || authors.includes(name ?? ''));
  return wanted ?? first;
}
