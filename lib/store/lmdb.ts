/**
 * Store on disk: lmdb in a directory of its own. Several processes may have it open at once (the relay, and `imxp
 * account` beside it); every write is one transaction under lmdb's lock over all of them.
 */
import { watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { directoryObstacle } from '../config/directory.js';
import { LocalError } from '../errors.js';
import { reasonOf } from './lmdb-failure.js';
import { refuseDamaged } from './lmdb-file.js';
import { requireRoom } from './room.js';
import {
  ABSENT,
  type Change,
  checkKey,
  closedError,
  type Entry,
  type Json,
  type Listed,
  OTHERS_SEEN_MS,
  type Store,
  scopeOf,
} from './store.js';

/** Entries read at a time while listing: a long read transaction would keep lmdb from reusing pages. */
const LIST_BATCH = 256;

const CLOCK = 'version';
const SCOPE = 'scope/';

export class LmdbStore implements Store {
  readonly #root: RootDatabase;
  readonly #entries: Database<Entry, string>;
  /** The last version given, over all keys: an entry that was deleted and written again never has an old version. */
  readonly #clock: Database<number, string>;
  /** Revisions found at the last look. */
  readonly #revisions = new Map<string, number>();
  /** By scope, the newest revision that is known, and the newest one that another process has written. */
  readonly #known = new Map<string, number>();
  readonly #others = new Map<string, number>();
  #lookAt = 0;
  readonly #begun = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;
  /** The last write failed, as on a full disk; lmdb then waits for its flush for ever. */
  #unwritten = false;
  #failing: string | undefined;
  readonly #path: string;

  /** See {@link openLmdb}. */
  constructor(path: string) {
    this.#path = path;
    // Without noSubdir: false a path such as var/example.com would be taken for a file, because it has a "suffix".
    // Batches by turns of the event loop are promises that are not awaited: one that fails would end the process.
    this.#root = open({ path, noSubdir: false, maxDbs: 2, encoding: 'json', eventTurnBatching: false });
    this.#entries = this.#root.openDB({ name: 'entries', encoding: 'json' });
    this.#clock = this.#root.openDB({ name: 'clock', encoding: 'json' });
  }

  get failing(): string | undefined {
    return this.#failing;
  }

  checkRoom(): void {
    try {
      requireRoom(this.#path, 0);
    } catch (cause) {
      const error = cause instanceof LocalError ? cause : failed(cause);
      this.#failing = error.message;
      throw error;
    }
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#usable(key);
    return guard(() => {
      // Otherwise writes of another process would be seen only on a later turn of the event loop.
      this.#entries.resetReadTxn();
      return this.#entries.get(key);
    });
  }

  peek(key: string): Entry | undefined {
    this.#usable(key);
    return guard(() => this.#entries.get(key));
  }

  revision(scope: string): number {
    if (this.#closing !== undefined) throw closedError();
    const now = performance.now();
    // A look takes as long as forwarding a Data operation, so it is not taken for each of them.
    if (now >= this.#lookAt) {
      this.#revisions.clear();
      this.#lookAt = now + OTHERS_SEEN_MS;
    }
    const known = this.#revisions.get(scope);
    if (known !== undefined) return known;
    const revision = guard(() => this.#clock.get(SCOPE + scope) ?? 0);
    this.#revisions.set(scope, revision);
    return revision;
  }

  revisionByOthers(scope: string): number {
    this.#find(scope, this.revision(scope));
    return this.#others.get(scope) ?? 0;
  }

  /** A revision that this process has not written is another one's. */
  #find(scope: string, revision: number): void {
    if (revision <= (this.#known.get(scope) ?? 0)) return;
    this.#known.set(scope, revision);
    this.#others.set(scope, revision);
  }

  put(key: string, value: Json, expectedVersion?: number): Promise<number | undefined> {
    return this.#write([{ key, value, ...expecting(expectedVersion) }], () => this.#set(key, value));
  }

  async delete(key: string, expectedVersion?: number): Promise<boolean> {
    return (await this.#write([{ key, ...expecting(expectedVersion) }], () => this.#remove(key))) ?? false;
  }

  async commit(changes: readonly Change[]): Promise<boolean> {
    const done = await this.#write(changes, () => {
      for (const { key, value } of changes) {
        if (value === undefined) this.#remove(key);
        else this.#set(key, value);
      }
      return true;
    });
    return done ?? false;
  }

  async count(prefix: string): Promise<number> {
    if (this.#closing !== undefined) throw closedError();
    return guard(() => {
      this.#entries.resetReadTxn();
      // No key contains a character above this one, which is a noncharacter.
      return this.#entries.getKeysCount({ start: prefix, end: `${prefix}\u{10ffff}` });
    });
  }

  /** Called within a write. */
  #set(key: string, value: Json): number {
    const version = this.#touch(key);
    this.#entries.putSync(key, { value, version });
    return version;
  }

  /** Called within a write. */
  #remove(key: string): boolean {
    if (!this.#entries.removeSync(key)) return false;
    this.#touch(key);
    return true;
  }

  /** Called within a write: returns the next version, which is also the new revision of the key's scope. */
  #touch(key: string): number {
    const version = (this.#clock.get(CLOCK) ?? ABSENT) + 1;
    this.#clock.putSync(CLOCK, version);
    const scope = scopeOf(key);
    this.#find(scope, this.#clock.get(SCOPE + scope) ?? 0);
    this.#clock.putSync(SCOPE + scope, version);
    this.#known.set(scope, version);
    return version;
  }

  async *list(prefix: string): AsyncIterable<Listed> {
    let after: string | undefined;
    for (;;) {
      if (this.#closing !== undefined) throw closedError();
      const batch = guard(() => {
        this.#entries.resetReadTxn();
        const from = after === undefined ? { start: prefix } : { start: after, exclusiveStart: true };
        return [...this.#entries.getRange({ ...from, limit: LIST_BATCH })];
      });
      for (const { key, value } of batch) {
        if (!key.startsWith(prefix)) return;
        yield { key, value: value.value, version: value.version };
        after = key;
      }
      if (batch.length < LIST_BATCH) return;
      // Reading does not wait, so others get their turn in between.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  watch(changed: () => void): (() => void) | undefined {
    try {
      const watcher = watch(join(this.#path, 'data.mdb'), { persistent: false }, changed);
      // Those who rely on it also look from time to time.
      watcher.on('error', () => watcher.close());
      return () => watcher.close();
    } catch {
      return undefined;
    }
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#begun).then(() => this.#release());
    return this.#closing;
  }

  async #release(): Promise<void> {
    const closed = this.#root.close();
    if (!this.#unwritten) await closed;
  }

  /** Runs an action in a write transaction if all entries have the expected versions; resolves when it is on disk. */
  async #write<T>(changes: readonly Change[], action: () => T): Promise<T | undefined> {
    if (this.#closing !== undefined) throw closedError();
    for (const { key } of changes) checkKey(key);
    // Deleting makes room.
    if (changes.some(({ value }) => value !== undefined)) this.checkRoom();
    const fits = ({ key, expected }: Change): boolean =>
      expected === undefined || expected === (this.#entries.get(key)?.version ?? ABSENT);
    const done = this.#root.transaction(() => (changes.every(fits) ? { result: action() } : undefined));
    const durable = done.then(async (outcome) => {
      // put and transaction resolve at commit, before the data are on the disk.
      await this.#root.flushed;
      this.#unwritten = false;
      this.#failing = undefined;
      // What peek reads from may have been begun before.
      this.#entries.resetReadTxn();
      this.#revisions.clear();
      return outcome?.result;
    });
    this.#begun.add(durable);
    try {
      return await durable;
    } catch (cause) {
      this.#unwritten = true;
      // Another process may be given the same versions.
      this.#known.clear();
      const error = failed(await reasonOf(cause));
      this.#failing = error.message;
      throw error;
    } finally {
      this.#begun.delete(durable);
    }
  }

  #usable(key: string): void {
    if (this.#closing !== undefined) throw closedError();
    checkKey(key);
  }
}

function expecting(expected: number | undefined): Pick<Change, 'expected'> {
  return expected === undefined ? {} : { expected };
}

function failed(cause: unknown): LocalError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new LocalError('STORE_FAILED', `the store could not read or write: ${message}`, { cause });
}

function guard<T>(action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw failed(cause);
  }
}

const ADVICE =
  'restore the directory from a backup, or move it away and import an export of the accounts (imxp account import)';

/**
 * Opens the store in a directory, which is created for its owner only if it does not exist.
 *
 * @throws LocalError CONFIGURATION: the place cannot be used, or is open to everybody on the machine
 * @throws LocalError STORE_FAILED: it cannot be opened or is damaged, or the disk is full
 */
export async function openLmdb(path: string): Promise<LmdbStore> {
  // The verifiers in it are as good as passwords (RFC 2831 §3.9), so no other user may read it.
  const obstacle = await directoryObstacle(path);
  if (obstacle !== undefined) {
    const text = `store.path: ${obstacle.text}`;
    throw obstacle.transient
      ? new LocalError('STORE_FAILED', text, { fields: { full: true } })
      : new LocalError('CONFIGURATION', text);
  }
  try {
    await makeDirectory(path);
    refuseDamaged(path, ADVICE);
    return new LmdbStore(path);
  } catch (cause) {
    if (cause instanceof LocalError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new LocalError('STORE_FAILED', `the store ${path} cannot be opened: ${message}`, { cause });
  }
}

/**
 * Creates a directory step by step: Node's own `recursive` never ends if a directory cannot be created and no reason is
 * given, as below /proc.
 */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await mkdir(path, { mode: 0o700 }).catch((late: NodeJS.ErrnoException) => {
      if (late.code !== 'EEXIST') throw late; // another process was faster
    });
  }
}
