/**
 * Known certificates: those that were learnt from signed messages, each trusted on first use. Where they are kept is up
 * to the application; {@link KnownCertificates} is what S/MIME needs of it.
 */
import { addressOf } from '../../imxp/address.js';
import { type Certificate, readCertificates } from './certificate.js';

/** Where certificates learnt from signed messages are kept. Addresses are normalized, without subaddress. */
export interface KnownCertificates {
  /** The certificates known for an address, in PEM or DER. */
  find(address: string): readonly (string | Buffer)[];
  /** Stores a certificate, in PEM. @returns false when there is no room; it is then not trusted either */
  learn(address: string, certificate: string): boolean;
}

/**
 * How a signer is known: `authority` when a trusted CA issued the certificate, `known` when it is one that was learnt
 * before, `first use` when it was learnt just now and nothing else speaks for it.
 */
export type SignerTrust = 'authority' | 'known' | 'first use';

/** The known certificates of addresses: a signer who has one is trusted with it, and with no other. */
export class PinnedCertificates {
  readonly #known: KnownCertificates | undefined;

  constructor(known: KnownCertificates | undefined) {
    this.#known = known;
  }

  /** The certificates known for an address that name it. */
  of(address: string): Certificate[] {
    const base = addressOf(address)?.base;
    const found = base === undefined ? [] : (this.#known?.find(base) ?? []);
    return found.flatMap(readCertificates).filter((certificate) => certificate.names(address));
  }

  /** Remembers a certificate that a trusted CA issued, so that messages can be encrypted for its owner. */
  remember(address: string, certificate: Certificate): void {
    if (!this.of(address).some((one) => one.is(certificate))) this.#learn(address, certificate);
  }

  /**
   * Decides about a certificate that no trusted CA issued.
   *
   * @returns undefined when it cannot be trusted: nothing is learnt here, or there is no room
   */
  trustIn(address: string, certificate: Certificate): 'known' | 'first use' | 'changed' | undefined {
    if (this.#known === undefined) return undefined;
    const found = this.of(address);
    if (found.some((one) => one.is(certificate))) return 'known';
    // Renewed for the same key.
    if (found.some((one) => sameKey(one, certificate))) return this.#learn(address, certificate) ? 'known' : undefined;
    if (found.length > 0) return 'changed';
    return this.#learn(address, certificate) ? 'first use' : undefined;
  }

  #learn(address: string, certificate: Certificate): boolean {
    const base = addressOf(address)?.base;
    return base !== undefined && (this.#known?.learn(base, certificate.x509.toString()) ?? false);
  }
}

function sameKey({ x509: one }: Certificate, { x509: other }: Certificate): boolean {
  return one.publicKey.equals(other.publicKey);
}
