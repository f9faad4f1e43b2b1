/**
 * How often something may happen: a bucket of tokens that fills at a rate and holds a burst. Reads the clock only when
 * the bucket is empty, so that whoever stays below the rate costs one subtraction. Knows nothing of what is counted.
 */
export interface Rate {
  /** Tokens that come back each second; 0 for no limit at all. */
  readonly perSecond: number;
  /** Tokens a full bucket holds: what may happen at once after a quiet time. */
  readonly burst: number;
}

export class TokenBucket {
  readonly #rate: Rate;
  readonly #now: () => number;
  #tokens: number;
  /** When the bucket was last filled. */
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
   * Takes tokens. More than the burst are given when the bucket is full, and owed: what comes next waits the longer.
   *
   * @returns false when there are not so many
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

/** Buckets kept at one time. One costs about 150 octets; the one asked for longest ago is forgotten first. */
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
   * The bucket of a name; keep it where it is asked often. Undefined when there is no limit.
   *
   * @param rate of this name alone, instead of that of all others
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
