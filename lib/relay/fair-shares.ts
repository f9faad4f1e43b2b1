/**
 * Who occupies how much of something bounded: nobody may have more than is still free, so that one owner alone gets half, two a
 * third each, and a newcomer always finds room. Knows nothing of what is occupied.
 */

interface Share {
  count: number;
  octets: number;
}

export interface FairShareLimits {
  readonly count: number;
  readonly octets: number;
}

export class FairShares {
  readonly #limits: FairShareLimits;
  readonly #shares = new Map<string, Share>();
  #count = 0;
  #octets = 0;

  constructor(limits: FairShareLimits) {
    this.#limits = limits;
  }

  /** How many owners occupy anything. */
  get size(): number {
    return this.#shares.size;
  }

  /**
   * Takes room for one more of that many octets. An owner that has nothing gets room whatever the octets.
   *
   * @returns false when the owner has as much as is free, or nothing is free
   */
  take(owner: string, octets: number): boolean {
    if (this.#count >= this.#limits.count) return false;
    const share = this.#shares.get(owner);
    if (share === undefined) {
      if (this.#octets > 0 && this.#octets + octets > this.#limits.octets) return false;
      this.#shares.set(owner, { count: 1, octets });
    } else {
      if (share.count >= this.#limits.count - this.#count) return false;
      if (share.octets + octets > this.#limits.octets - this.#octets) return false;
      share.count += 1;
      share.octets += octets;
    }
    this.#count += 1;
    this.#octets += octets;
    return true;
  }

  /** Gives back what {@link take} took. */
  give(owner: string, octets: number): void {
    const share = this.#shares.get(owner);
    if (share === undefined) return;
    this.#count -= 1;
    this.#octets -= octets;
    share.count -= 1;
    share.octets -= octets;
    if (share.count === 0) this.#shares.delete(owner);
  }
}
