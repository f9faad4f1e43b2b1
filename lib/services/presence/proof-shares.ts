/**
 * Shares of subscribers in the octets of proofs that the presence service keeps: one party may have as many as are still
 * free, so that it leaves half to others. Knows nothing of what a proof is.
 */
import { accountOf } from '../../imxp/address.js';

export class ProofShares {
  readonly #total: number;
  readonly #octets = new Map<string, number>();
  #size = 0;

  /** @param total octets of all parties together */
  constructor(total: number) {
    this.#total = total;
  }

  /** Whether a subscriber (normalised address) may have so many octets more. */
  admits(subscriber: string, octets: number): boolean {
    return (this.#octets.get(accountOf(subscriber)) ?? 0) + octets <= this.#total - this.#size;
  }

  /** Counts octets, whether they are admitted or not: what is in the store counts after a restart as well. */
  add(subscriber: string, octets: number): void {
    this.#change(subscriber, octets);
  }

  remove(subscriber: string, octets: number): void {
    this.#change(subscriber, -octets);
  }

  #change(subscriber: string, by: number): void {
    if (by === 0) return;
    const party = accountOf(subscriber);
    const octets = (this.#octets.get(party) ?? 0) + by;
    this.#size += by;
    if (octets === 0) this.#octets.delete(party);
    else this.#octets.set(party, octets);
  }
}
