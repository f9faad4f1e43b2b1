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

  /** Takes a token. @returns false when there is none */
  take(): boolean {
    if (this.#tokens < 1) this.#fill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
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

  /** The bucket of a name; keep it where it is asked often. Undefined when there is no limit. */
  of(name: string): TokenBucket | undefined {
    if (this.#rate.perSecond === 0) return undefined;
    const known = this.#buckets.get(name);
    const bucket = known ?? new TokenBucket(this.#rate, this.#now);
    if (known !== undefined) this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    if (this.#buckets.size > CAPACITY) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return bucket;
  }
}
