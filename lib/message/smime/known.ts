/**
 * Known certificates: those that were learnt from signed messages, each trusted on first use. Where they are kept is up
 * to the application; see `known-certificates.ts`.
 */
import { addressOf } from '../../imxp/address.js';
import { type Certificate, readCertificates } from './certificate.js';
import type { KnownCertificates } from './known-certificates.js';

/**
 * How a signer is known: `authority` when a trusted CA issued the certificate, `known` when it is one that was learnt
 * before, `first use` when it was learnt just now and nothing else speaks for it.
 */
export type SignerTrust = 'authority' | 'known' | 'first use';

/**
 * The known certificates of one address: a signer who has one is trusted with it, and with no other. They are read once,
 * when they are first needed.
 */
export class PinnedCertificates {
  readonly #known: KnownCertificates | undefined;
  readonly #address: string;
  readonly #base: string | undefined;
  #read: Certificate[] | undefined;

  constructor(known: KnownCertificates | undefined, address: string) {
    this.#known = known;
    this.#address = address;
    this.#base = addressOf(address)?.base;
  }

  /** Those that name the address. */
  get all(): readonly Certificate[] {
    return this.#all;
  }

  get #all(): Certificate[] {
    if (this.#read === undefined) {
      const found = this.#base === undefined ? [] : (this.#known?.find(this.#base) ?? []);
      this.#read = found.flatMap(readCertificates).filter((certificate) => certificate.names(this.#address));
    }
    return this.#read;
  }

  /** Remembers a certificate that a trusted CA issued, so that messages can be encrypted for its owner. */
  remember(certificate: Certificate): void {
    if (!this.#all.some((one) => one.is(certificate))) this.#learn(certificate);
  }

  /**
   * Decides about a certificate that no trusted CA issued.
   *
   * @returns undefined when it cannot be trusted: nothing is learnt here, or there is no room
   */
  trustIn(certificate: Certificate): 'known' | 'first use' | 'changed' | undefined {
    if (this.#known === undefined) return undefined;
    if (this.#all.some((one) => one.is(certificate))) return 'known';
    // Renewed for the same key.
    if (this.#all.some((one) => sameKey(one, certificate))) return this.#learn(certificate) ? 'known' : undefined;
    if (this.#all.length > 0) return 'changed';
    return this.#learn(certificate) ? 'first use' : undefined;
  }

  #learn(certificate: Certificate): boolean {
    if (this.#base === undefined || this.#known?.learn(this.#base, certificate.x509.toString()) !== true) return false;
    this.#all.push(certificate);
    return true;
  }
}

function sameKey({ x509: one }: Certificate, { x509: other }: Certificate): boolean {
  return one.publicKey.equals(other.publicKey);
}
