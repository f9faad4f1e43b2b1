/**
 * Shares in a bounded resource: no owner may have more than is still free, so that one owner alone gets half, two a
 * third each, and a newcomer always finds room. Knows nothing of what is occupied.
 */

/** What one owner occupies. */
export interface FairShare {
  readonly owner: string;
  count: number;
  octets: number;
}

/** Owners that have nothing are kept up to so many: most come back at once. */
const IDLE = 1024;

export interface FairShareLimits {
  readonly count: number;
  readonly octets: number;
}

export class FairShares {
  readonly #limits: FairShareLimits;
  readonly #shares = new Map<string, FairShare>();
  #count = 0;
  #octets = 0;

  constructor(limits: FairShareLimits) {
    this.#limits = limits;
  }

  /**
   * Takes room for one more of that many octets. An owner that has nothing gets room for any number of octets, if no
   * owner has any.
   *
   * @returns what to give back from; undefined when the owner has as much as is free, or nothing is free
   */
  take(owner: string, octets: number): FairShare | undefined {
    const count = this.#limits.count - this.#count;
    const free = this.#limits.octets - this.#octets;
    if (count <= 0) return undefined;
    let share = this.#shares.get(owner);
    if (share === undefined || share.count === 0) {
      if (this.#octets > 0 && octets > free) return undefined;
    } else if (share.count >= count || share.octets + octets > free) {
      return undefined;
    }
    if (share === undefined) {
      share = { owner, count: 0, octets: 0 };
      this.#shares.set(owner, share);
    }
    share.count += 1;
    share.octets += octets;
    this.#count += 1;
    this.#octets += octets;
    return share;
  }

  /** Gives back what {@link take} took. */
  give(share: FairShare, octets: number): void {
    this.#count -= 1;
    this.#octets -= octets;
    share.count -= 1;
    share.octets -= octets;
    if (share.count === 0 && this.#shares.size > IDLE) this.#shares.delete(share.owner);
  }
}
