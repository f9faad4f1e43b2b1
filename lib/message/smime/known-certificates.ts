/**
 * What S/MIME needs of the place where known certificates are kept, and the limits of such a place. Apart from `known.ts`, so that
 * an endpoint that needs no S/MIME does not load it.
 */

/** Where certificates learnt from signed messages are kept. Addresses are normalized, without subaddress. */
export interface KnownCertificates {
  /** The certificates known for an address, in PEM or DER. */
  find(address: string): readonly (string | Buffer)[];
  /** Stores a certificate, in PEM. @returns false when there is no room; it is then not trusted either */
  learn(address: string, certificate: string): boolean;
}

/** Limits of what one place keeps: senders decide how much is learnt, and a domain vouches for as many senders as it likes. */
export const KNOWN_LIMITS = Object.freeze({
  /** Certificates in all. */
  certificates: 10_000,
  /** Certificates of one domain. */
  perDomain: 1_000,
});
