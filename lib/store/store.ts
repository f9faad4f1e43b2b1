/**
 * Everything that must survive, as versioned entries with compare-and-set. Independent of the engine (`memory.ts`,
 * `lmdb.ts`, `postgres/store.ts`) and of its users. Every implementation passes `spec/support/suites/store.ts`.
 */
import { LocalError } from '../errors.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface Entry {
  readonly value: Json;
  /** Above 0, and above that of everything written before, to whatever key. */
  readonly version: number;
}

export interface Listed extends Entry {
  readonly key: string;
}

/** One entry of a {@link Store.commit}: written, or deleted where there is no value. */
export interface Change {
  readonly key: string;
  readonly value?: Json;
  /** The version it must still have; any without it. */
  readonly expected?: number;
}

/** Server that a store is at, where it is not part of this process. */
export interface StoreEngine {
  /** Whether it answers. */
  readonly connected: boolean;
  /** Which of several. */
  readonly host: string | undefined;
  /** Milliseconds since it last answered: what others wrote since is not known here. */
  readonly lagMs: number;
  /** The newest version that is known here. */
  readonly version: number;
}

/** How long what another process has written may go unnoticed by {@link Store.revision}. */
export const OTHERS_SEEN_MS = 10;

/** The version of a key that has no entry. */
export const ABSENT = 0;

/** Octets of the longest key: an address has 1023 (D-CORE-01), lmdb takes 1978. */
export const STORE_KEY_OCTETS = 1500;

/** All calls reject with LocalError STORE_FAILED when the engine cannot, and ARGUMENT for an unusable key. */
export interface Store {
  /** Why the last write failed, as on a full disk; undefined if it did not. */
  readonly failing?: string | undefined;
  /** Where the store is on a disk of this machine: @throws LocalError STORE_FAILED while that is full, and is `failing` then */
  checkRoom?(): void;
  /** Absent where the store is part of this process. */
  readonly engine?: StoreEngine | undefined;
  /** The newest entry. Never the caller's own object: changing it changes nothing here. */
  get(key: string): Promise<Entry | undefined>;
  /**
   * An entry at once, for decisions that cannot wait: what this process has written and was told so, and what others had
   * written when this turn of the event loop began. @throws LocalError as `get` rejects
   */
  peek(key: string): Entry | undefined;
  /**
   * A number that has grown when an entry may have changed: at once for what this process has written and was told so,
   * within {@link OTHERS_SEEN_MS} for what others have. Cheap enough to be asked for each Data.
   *
   * @param scope what the keys begin with, up to their first `/`
   * @throws LocalError STORE_FAILED
   */
  revision(scope: string): number;
  /**
   * A number that has grown when another process may have changed an entry, within {@link OTHERS_SEEN_MS}; what this
   * process writes does not change it.
   *
   * @param scope as for {@link Store.revision}
   * @throws LocalError STORE_FAILED
   */
  revisionByOthers(scope: string): number;
  /**
   * Writes when the entry still has the version it was read with; {@link ABSENT} when there must be none. Without
   * `expectedVersion` writes in any case. Resolves when the disk has it.
   *
   * @returns the new version, or undefined when the entry has another one
   */
  put(key: string, value: Json, expectedVersion?: number): Promise<number | undefined>;
  /** Deletes on the same condition. @returns whether there was such an entry */
  delete(key: string, expectedVersion?: number): Promise<boolean>;
  /**
   * Writes and deletes several entries at once, or none of them when one has not the version expected. Resolves when the
   * disk has them.
   *
   * @returns whether it was done
   */
  commit(changes: readonly Change[]): Promise<boolean>;
  /** How many entries have a key that begins with `prefix`: a look at the keys alone. */
  count(prefix: string): Promise<number>;
  /**
   * Entries whose key begins with `prefix`, by the octets of the key. Entries written or deleted in the meantime may be
   * seen or not; all others are seen exactly once.
   */
  list(prefix: string): AsyncIterable<Listed>;
  /**
   * Calls `changed` when an entry may have changed, whichever process changed it; absent where only this process can.
   *
   * @returns a function that ends the calls; undefined if the system cannot tell
   */
  watch?(changed: () => void): (() => void) | undefined;
  /** Waits for calls in progress. Later calls reject. Closing twice is not an error. */
  close(): Promise<void>;
}

/** A store that several relays can reach, of which one at a time may write to it. */
export interface FencedStore extends Store {
  /** What was given to {@link fence} last. */
  readonly token: string | null;
  /** From now on nothing is written unless a lease with this token is held. */
  fence(token: string | null): void;
}

export function isFenced(store: Store): store is FencedStore {
  return 'fence' in store;
}

/** What {@link Store.revision} counts: keys up to their first `/`, or whole. */
export function scopeOf(key: string): string {
  const slash = key.indexOf('/');
  return slash < 0 ? key : key.slice(0, slash);
}

/** @throws LocalError ARGUMENT */
export function checkKey(key: string): void {
  if (key === '' || key.includes('\0') || Buffer.byteLength(key) > STORE_KEY_OCTETS) {
    throw new LocalError('ARGUMENT', `a key must have 1 to ${STORE_KEY_OCTETS} octets and no NUL`);
  }
}

export function closedError(): LocalError {
  return new LocalError('STORE_FAILED', 'the store is closed');
}
