/**
 * Shares of parties in something bounded: each has at most its own limit, and at most as much as is still free. One party
 * leaves half of it to others, two leave a third, and a late party always finds some. Knows nothing of what is shared.
 */

export interface PartyLimits {
  /** All parties together. */
  readonly all: number;
  /** One party. */
  readonly perParty: number;
}

export class PartyShares {
  readonly #limits: PartyLimits;
  readonly #counts = new Map<string, number>();
  #size = 0;

  constructor(limits: PartyLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  count(party: string): number {
    return this.#counts.get(party) ?? 0;
  }

  /** Takes more for a party. @returns false when that exceeds its share */
  take(party: string, amount = 1): boolean {
    const { all, perParty } = this.#limits;
    if (this.count(party) + amount > Math.min(perParty, all - this.#size)) return false;
    this.add(party, amount);
    return true;
  }

  /** Counts what a party has already, whether that exceeds its share or not. */
  add(party: string, amount = 1): void {
    if (amount === 0) return;
    this.#counts.set(party, this.count(party) + amount);
    this.#size += amount;
  }

  /** Gives back what {@link take} took. */
  release(party: string, amount = 1): void {
    const count = this.count(party);
    const released = Math.min(count, amount);
    if (released === count) this.#counts.delete(party);
    else this.#counts.set(party, count - released);
    this.#size -= released;
  }
}
