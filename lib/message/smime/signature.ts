/** A signature as an application sees it. Without the code that verifies it, so that programs in a browser can have it. */
import type { X509Certificate } from 'node:crypto';
import type { SignerTrust } from './known.js';
import type { SignatureFault } from './signature-fault.js';

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
  /** What a valid signature's certificate is trusted for. */
  readonly trust: SignerTrust | undefined;
  /** The algorithm, such as "RSA with SHA-256". */
  readonly algorithm: string | undefined;
  /**
   * Whether the signature or its certificate was made by algorithms or keys of 2004, which can be forged today. Such a
   * signature is valid only with the `classic` option.
   */
  readonly outdated: boolean;
  /** When it was signed, by the clock of the signer; undefined when the signature does not cover a time. */
  readonly at: Date | undefined;
  /** Names what was signed among all that the signer signed. */
  readonly id: string | undefined;
  /** The signer's certificate, if available; its `fingerprint256` is what people compare. */
  readonly certificate: X509Certificate | undefined;
}

/** The signature that is not there, or cannot be read. */
export function nothingSigned(reason: SignatureFault): Signature {
  return {
    by: undefined,
    valid: false,
    reason,
    trust: undefined,
    algorithm: undefined,
    outdated: false,
    at: undefined,
    id: undefined,
    certificate: undefined,
  };
}
