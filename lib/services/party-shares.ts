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

  /** Takes one more for a party. @returns false when its share is used up */
  take(party: string): boolean {
    const count = this.count(party);
    const free = this.#limits.all - this.#size;
    if (free < 1 || count >= Math.min(this.#limits.perParty, free)) return false;
    this.#counts.set(party, count + 1);
    this.#size += 1;
    return true;
  }

  release(party: string): void {
    const count = this.count(party);
    if (count === 0) return;
    if (count === 1) this.#counts.delete(party);
    else this.#counts.set(party, count - 1);
    this.#size -= 1;
  }
}
