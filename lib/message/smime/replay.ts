/**
 * Memory of signed messages (RFC 2779 §2.5.2): tells those that come a second time from new ones, by their signer and
 * identifier, and those that are too old to be told. What it can no longer tell apart counts as too old, never as new.
 */

export interface ReplayLimits {
  /** Identifiers remembered in all. */
  readonly messages: number;
  /** Identifiers of one signer. */
  readonly perSigner: number;
}

export const REPLAY_LIMITS: ReplayLimits = Object.freeze({ messages: 100_000, perSigner: 10_000 });

/** How far a signer's clock may be ahead. */
const AHEAD_MS = 300_000;

/** One message, as its signature identifies it. */
export interface SignedMessage {
  /** Identifies the key of the signer. */
  readonly signer: string;
  readonly id: string;
  /** When it was signed; undefined when nothing signed tells that. */
  readonly at: Date | undefined;
}

interface Signer {
  /** Times of signing by identifier, the first received first. */
  readonly seen: Map<string, number>;
  /** What was signed until then is not remembered any more. */
  floor: number;
}

export class ReplayMemory {
  readonly #windowMs: number;
  readonly #limits: ReplayLimits;
  /** The one heard of last is last. */
  readonly #signers = new Map<string, Signer>();
  #size = 0;
  /** What signers who are not remembered signed until then. */
  #floor = Number.NEGATIVE_INFINITY;

  /** @param windowMs how old a signature may be; messages are remembered as long */
  constructor(windowMs: number, limits: ReplayLimits = REPLAY_LIMITS) {
    this.#windowMs = windowMs;
    this.#limits = limits;
  }

  /** Number of signers in memory. */
  get signers(): number {
    return this.#signers.size;
  }

  /** Judges a message that is valid otherwise, and remembers it. */
  judge({ signer, id, at }: SignedMessage, now: Date): 'repeated' | 'stale' | undefined {
    // Without a time the identifier alone counts.
    const time = at?.getTime() ?? now.getTime();
    if (time > now.getTime() + AHEAD_MS || time < now.getTime() - this.#windowMs) return 'stale';
    const known = this.#signers.get(signer);
    if (known?.seen.has(id) === true) return 'repeated';
    if (time <= (known?.floor ?? this.#floor)) return 'stale';
    this.#remember(signer, known ?? { seen: new Map(), floor: this.#floor }, id, time);
    this.#expire(now);
    return undefined;
  }

  /** Forgets a message that was not taken: it may come again. */
  forget({ signer, id }: Pick<SignedMessage, 'signer' | 'id'>): void {
    const known = this.#signers.get(signer);
    if (known?.seen.delete(id) !== true) return;
    this.#size -= 1;
    // One whose older messages had to make room is still needed, to tell those.
    if (known.seen.size === 0 && known.floor <= this.#floor) this.#signers.delete(signer);
  }

  #remember(name: string, signer: Signer, id: string, time: number): void {
    this.#signers.delete(name);
    this.#signers.set(name, signer);
    signer.seen.set(id, time);
    this.#size += 1;
    if (signer.seen.size > this.#limits.perSigner) this.#drop(signer);
    // The signer that was not heard of for the longest time makes room.
    for (const [oldest, { seen, floor }] of this.#signers) {
      if (this.#size <= this.#limits.messages || oldest === name) break;
      this.#signers.delete(oldest);
      this.#size -= seen.size;
      this.#floor = Math.max(this.#floor, floor, ...seen.values());
    }
    if (this.#size > this.#limits.messages) this.#drop(signer);
  }

  #drop(signer: Signer): void {
    const [oldest] = signer.seen;
    if (oldest === undefined) return;
    const [id, time] = oldest;
    signer.seen.delete(id);
    signer.floor = Math.max(signer.floor, time);
    this.#size -= 1;
  }

  /** What is older than the window is stale anyway. */
  #expire(now: Date): void {
    const before = now.getTime() - this.#windowMs;
    const [name, signer] = this.#signers.entries().next().value ?? [];
    if (name === undefined || signer === undefined) return;
    for (const [id, time] of signer.seen) {
      if (time >= before) break;
      signer.seen.delete(id);
      this.#size -= 1;
    }
    if (signer.seen.size > 0) return;
    this.#signers.delete(name);
    if (signer.floor >= before) this.#floor = Math.max(this.#floor, signer.floor);
  }
}
