/**
 * Records of when and from where accounts attached last. They are kept in memory and written in batches, because
 * attaching should not wait for the disk: a node that is killed loses the last few seconds. The caller decides when to
 * write.
 */
import type { Change, Json, Store } from './store.js';

export interface LastAttached {
  /** ISO 8601. */
  readonly at: string;
  /** Network address of the peer. */
  readonly from: string;
}

const PREFIX = 'attached/';

/** Entries of one commit: more would block the event loop for too long. */
const BATCH = 200;

export function attachedKey(account: string): string {
  return PREFIX + account;
}

export function attachedJson({ at, from }: LastAttached): Json {
  return { at, from };
}

/**
 * Returns when an account attached last; undefined if it never did.
 *
 * @throws LocalError STORE_FAILED
 */
export function lastAttached(store: Store, account: string): LastAttached | undefined {
  const value: unknown = store.peek(PREFIX + account)?.value;
  if (typeof value !== 'object' || value === null || !('at' in value) || !('from' in value)) return undefined;
  const { at, from } = value;
  return typeof at === 'string' && typeof from === 'string' ? { at, from } : undefined;
}

export class AttachmentNotes {
  readonly #store: Store;
  readonly #exists: (account: string) => boolean;
  #noted = new Map<string, LastAttached>();
  #writing: Promise<void> | undefined;

  /** @param exists whether there is such an account; nothing is kept of others */
  constructor(store: Store, exists: (account: string) => boolean) {
    this.#store = store;
    this.#exists = exists;
  }

  /** Records that an account has just attached. */
  note(account: string, from: string, now: Date): void {
    this.#noted.set(account, { at: now.toISOString(), from });
  }

  /**
   * Writes the records. A call during another only waits for that.
   *
   * @throws LocalError STORE_FAILED; records that are not written are written the next time
   */
  write(): Promise<void> {
    if (this.#noted.size === 0 && this.#writing === undefined) return Promise.resolve();
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    const noted = this.#noted;
    this.#noted = new Map();
    let batch: Change[] = [];
    const written: string[] = [];
    try {
      for (const [account, note] of noted) {
        if (this.#exists(account)) batch.push({ key: attachedKey(account), value: attachedJson(note) });
        written.push(account);
        if (batch.length < BATCH) continue;
        await this.#store.commit(batch);
        for (const done of written.splice(0)) noted.delete(done);
        batch = [];
      }
      if (batch.length > 0) await this.#store.commit(batch);
    } catch (error) {
      for (const [account, note] of noted) if (!this.#noted.has(account)) this.#noted.set(account, note);
      throw error;
    }
  }
}

/** Returns the change that deletes the record of an account; for a commit with others. */
export function forgetAttached(account: string): Change {
  return { key: attachedKey(account) };
}
