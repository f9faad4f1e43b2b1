/**
 * Nonces of finished DIGEST-MD5 exchanges, for subsequent authentication (RFC 2831 §2.2). Bounded in number and age; it
 * verifies nothing itself.
 */

/** State that the server keeps of an exchange (RFC 2831 §2.2.1). All strings hold octets as ISO 8859-1. */
export interface RememberedNonce {
  readonly username: string;
  readonly realm: string;
  readonly nonce: string;
  readonly cnonce: string;
  /** Of the last exchange accepted; the next one must be one higher. */
  nc: number;
}

export interface NonceCacheOptions {
  /** Nonces kept, about 300 octets each; past it the oldest is dropped. */
  readonly capacity?: number;
  /** How long after the first authentication a nonce is valid; limits the value of a stolen client state. */
  readonly lifetimeMs?: number;
  /** Milliseconds, monotonic or not; for specs. */
  readonly now?: () => number;
}

/** One per node, shared by all sessions, since clients return on another one. */
export class NonceCache {
  readonly #entries = new Map<string, { readonly value: RememberedNonce; readonly until: number }>();
  readonly #capacity: number;
  readonly #lifetimeMs: number;
  readonly #now: () => number;

  constructor(options: NonceCacheOptions = {}) {
    this.#capacity = options.capacity ?? 10_000;
    this.#lifetimeMs = options.lifetimeMs ?? 3_600_000;
    this.#now = options.now ?? Date.now;
  }

  get size(): number {
    return this.#entries.size;
  }

  remember(value: RememberedNonce): void {
    const now = this.#now();
    // Insertion order is order of age, so expired entries are all in front.
    for (const [nonce, entry] of this.#entries) {
      if (entry.until > now && this.#entries.size < this.#capacity) break;
      this.#entries.delete(nonce);
    }
    this.#entries.set(value.nonce, { value, until: now + this.#lifetimeMs });
  }

  find(nonce: string): RememberedNonce | undefined {
    const entry = this.#entries.get(nonce);
    if (entry === undefined) return undefined;
    if (entry.until > this.#now()) return entry.value;
    this.#entries.delete(nonce);
    return undefined;
  }

  forget(nonce: string): void {
    this.#entries.delete(nonce);
  }
}
