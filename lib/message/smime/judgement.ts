/**
 * What is to be thought of a signature: whether it is good, whose it is, and whether that is who sent the message. All of its
 * parts are checked, and the first that fails is named.
 */
import type { X509Certificate } from 'node:crypto';
import type { Certificate } from './certificate.js';
import type { SignatureFault } from './signature-fault.js';
import { type Signer, signatureFault } from './signed-data.js';
import type { Trust } from './trust.js';

/** Who signed, and whether that is proven. */
export interface Signature {
  /**
   * The address in the signer's certificate: that of the sender where it has several. Only a claim unless the signature is
   * valid; undefined where there is no certificate, or it names nobody.
   */
  readonly by: string | undefined;
  /** Unaltered, by a certificate that is believed, and by the one who sent it. */
  readonly valid: boolean;
  /** Why it is not valid; {@link SIGNATURE_FAULTS} has words for it. */
  readonly reason: SignatureFault | undefined;
  /** The signer's, as far as it is there. */
  readonly certificate: X509Certificate | undefined;
}

/** Signatures of one layer, with the forms of what they are about. */
export interface SignedLayer {
  readonly signers: readonly Signer[];
  readonly contents: readonly Buffer[];
  /** Certificates that came with them. */
  readonly certificates: readonly Certificate[];
}

/** Who a message is from. */
export interface ClaimedSender {
  /** Of the Data. */
  readonly originator: string;
  /** Those the signed content says itself; none where it says nothing. */
  readonly authors: readonly string[];
}

/** The best signature of a layer: one that is valid, else the first. */
export function judged(
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
 * RFC 3860 §4: the certificate names the sender. That is the originator, whom programs see, as well as the author, who is
 * under the signature: what one has signed proves nothing in a message that somebody else sends again.
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
