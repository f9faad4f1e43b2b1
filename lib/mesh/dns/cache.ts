/**
 * Cache of DNS answers for their time to live, and beyond it while no newer answer can be had (RFC 8767). Concurrent
 * look-ups of one name share one query.
 */
import { TransportError } from '../../errors.js';

/** An answer and how long it holds. */
export interface Fetched<Value> {
  readonly value: Value;
  readonly ttlSeconds: number;
}

export interface DnsCacheOptions {
  /** Answers kept; past it the one that was not asked for the longest goes. */
  readonly entries: number;
  /** Whether answers are used beyond their time while no newer ones can be had. Default: true. */
  readonly stale?: boolean;
  /** A monotonic clock, milliseconds. */
  readonly now?: () => number;
}

const SECOND_MS = 1000;
const SHORTEST_TTL_SECONDS = 1;
const LONGEST_TTL_SECONDS = 86_400;
/** RFC 8767 §5: one to three days; what is older is likely to be wrong. */
const STALE_MS = 86_400_000;
/** RFC 8767 §5: how soon an answer that could not be renewed is tried again. */
const STALE_RETRY_MS = 5000;
/** RFC 8767 §5 gives a resolver 1.8 seconds; a message that waits for a fail-over has less. */
const STALE_AFTER_MS = 400;
/** A failure is told again for so long without a further look-up. */
const FAILURE_MS = 1000;
/** Look-ups under way; names are easily made up. */
const PENDING = 512;

interface Entry<Value> {
  /** Undefined after a failure with nothing known from before. */
  readonly value: Value | undefined;
  readonly error: unknown;
  /** When it stops to hold, when it stops to be used at all, and before when it is not asked for again. */
  readonly freshUntil: number;
  readonly staleUntil: number;
  readonly retryAt: number;
}

export class DnsCache<Value extends object> {
  readonly #options: DnsCacheOptions;
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #pending = new Map<string, Promise<Value>>();

  constructor(options: DnsCacheOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * What is remembered, or fetched.
   *
   * @throws what `fetch` throws when nothing is remembered
   */
  async lookup(key: string, fetch: () => Promise<Fetched<Value>>): Promise<Value> {
    const now = this.#now();
    const entry = this.#entries.get(key);
    if (entry === undefined || now >= entry.staleUntil) return this.#fetch(key, fetch);
    this.#entries.delete(key);
    this.#entries.set(key, entry); // the youngest again
    if (entry.value === undefined) throw entry.error;
    if (now < entry.freshUntil || now < entry.retryAt) return entry.value;
    return firstOf(this.#fetch(key, fetch), entry.value);
  }

  #fetch(key: string, fetch: () => Promise<Fetched<Value>>): Promise<Value> {
    const known = this.#pending.get(key);
    if (known !== undefined) return known;
    if (this.#pending.size >= PENDING) {
      return Promise.reject(
        new TransportError('LOOKUP_FAILED', 'too many DNS look-ups are in progress; try again later'),
      );
    }
    const pending = this.#fetched(key, fetch).finally(() => this.#pending.delete(key));
    this.#pending.set(key, pending);
    return pending;
  }

  async #fetched(key: string, fetch: () => Promise<Fetched<Value>>): Promise<Value> {
    try {
      const { value, ttlSeconds } = await fetch();
      const ttl = Math.min(LONGEST_TTL_SECONDS, Math.max(SHORTEST_TTL_SECONDS, ttlSeconds));
      const freshUntil = this.#now() + ttl * SECOND_MS;
      this.#remember(key, { value, error: undefined, freshUntil, staleUntil: freshUntil + this.#staleMs, retryAt: 0 });
      return value;
    } catch (error) {
      const now = this.#now();
      const old = this.#entries.get(key);
      const stale = old?.value !== undefined && now < old.staleUntil;
      if (stale) this.#remember(key, { ...old, retryAt: now + STALE_RETRY_MS });
      else {
        const until = now + FAILURE_MS;
        this.#remember(key, { value: undefined, error, freshUntil: until, staleUntil: until, retryAt: until });
      }
      throw error;
    }
  }

  #remember(key: string, entry: Entry<Value>): void {
    this.#entries.delete(key);
    while (this.#entries.size >= this.#options.entries) {
      const [oldest] = this.#entries.keys();
      if (oldest === undefined) break;
      this.#entries.delete(oldest);
    }
    this.#entries.set(key, entry);
  }

  get #staleMs(): number {
    return this.#options.stale === false ? 0 : STALE_MS;
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now();
  }
}

/** The new answer if it arrives soon, else the old one; the look-up continues. */
async function firstOf<Value>(fetched: Promise<Value>, stale: Value): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Value>((resolve) => {
    timer = setTimeout(() => resolve(stale), STALE_AFTER_MS);
  });
  try {
    return await Promise.race([fetched.catch(() => stale), late]);
  } finally {
    clearTimeout(timer);
  }
}
