/**
 * How often something may happen: a bucket of tokens that fills at a rate and holds a burst. Reads the clock only when
 * the bucket is empty, so that a party below the rate costs one subtraction. Independent of what is counted.
 */
export interface Rate {
  /** Tokens added each second; 0 for no limit at all. */
  readonly perSecond: number;
  /** Tokens of a full bucket: what may happen at once after a quiet period. */
  readonly burst: number;
}

export class TokenBucket {
  readonly #rate: Rate;
  readonly #now: () => number;
  #tokens: number;
  /** Time at which the bucket was last filled. */
  #filled: number;

  /** @param now milliseconds on a monotonic clock */
  constructor(rate: Rate, now: () => number) {
    this.#rate = rate;
    this.#now = now;
    this.#tokens = rate.burst;
    this.#filled = now();
  }

  /** Whether it fills at that rate. */
  has({ perSecond, burst }: Rate): boolean {
    return this.#rate.perSecond === perSecond && this.#rate.burst === burst;
  }

  /**
   * Takes tokens. A full bucket gives more than the burst, and owes the rest: the next call waits longer.
   *
   * @returns false if there are not enough
   */
  take(count = 1): boolean {
    const needed = Math.min(count, this.#rate.burst);
    if (this.#tokens < needed) this.#fill();
    if (this.#tokens < needed) return false;
    this.#tokens -= count;
    return true;
  }

  #fill(): void {
    const now = this.#now();
    const { perSecond, burst } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filled) * perSecond) / 1000);
    this.#filled = now;
  }
}

/** Number of buckets kept. One costs about 150 octets; the least recently used is dropped first. */
const CAPACITY = 20_000;

/** A bucket for each name. */
export class TokenBuckets {
  readonly #rate: Rate;
  readonly #now: () => number;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Returns the bucket of a name; keep it if it is used often. Undefined if there is no limit.
   *
   * @param rate of this name alone, instead of the common one
   */
  of(name: string, rate: Rate = this.#rate): TokenBucket | undefined {
    if (rate.perSecond === 0) return undefined;
    const kept = this.#buckets.get(name);
    const known = kept?.has(rate) === true ? kept : undefined;
    const bucket = known ?? new TokenBucket(rate, this.#now);
    if (kept !== undefined) this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    if (this.#buckets.size > CAPACITY) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return bucket;
  }
}
