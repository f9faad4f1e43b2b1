/**
 * Verification of a signature: whether it is valid, whose it is, and whether that is the sender of the message. All
 * parts are checked, and the first failure is reported.
 */
import type { X509Certificate } from 'node:crypto';
import type { Certificate } from './certificate.js';
import type { SignatureFault } from './signature-fault.js';
import { type Signer, signatureFault } from './signed-data.js';
import type { Trust } from './trust.js';

/** A signature and the result of its verification. */
export interface Signature {
  /**
   * The address in the signer's certificate; if it has several, that of the sender. Only a claim unless the signature
   * is valid. Undefined without a certificate or when it names no address.
   */
  readonly by: string | undefined;
  /** Whether the content is unaltered, the certificate is trusted, and the signer is the sender. */
  readonly valid: boolean;
  /** Why it is not valid; {@link SIGNATURE_FAULTS} has a text for it. */
  readonly reason: SignatureFault | undefined;
  /** The signer's certificate, if available. */
  readonly certificate: X509Certificate | undefined;
}

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

/** Selects the best signature of a layer: a valid one, else the first. */
export function signatureOf(
  layer: SignedLayer,
  sender: ClaimedSender,
  trust: Trust,
  known: readonly Certificate[],
  at: Date,
): Signature {
  const others = [...layer.certificates, ...known];
  const all = layer.signers.map((signer): Signature => {
    const { certificate } = signer;
    const reason = signatureFault(signer, layer.contents) ?? faultOf(certificate, sender, trust, others, at);
    return { by: nameIn(certificate, sender), valid: reason === undefined, reason, certificate: certificate?.x509 };
  });
  const nobody: Signature = { by: undefined, valid: false, reason: 'no certificate', certificate: undefined };
  return all.find(({ valid }) => valid) ?? all[0] ?? nobody;
}

function faultOf(
  certificate: Certificate | undefined,
  sender: ClaimedSender,
  trust: Trust,
  others: readonly Certificate[],
  at: Date,
): SignatureFault | undefined {
  if (certificate === undefined) return 'no certificate';
  const fault = trust.faultOf(certificate, others, at);
  if (fault !== undefined) return fault;
  if (!certificate.signsMessages) return 'usage';
  return isSender(certificate, sender) ? undefined : 'other sender';
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
