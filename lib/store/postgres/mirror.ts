/**
 * Copy of the entries of a database on this machine, in lmdb: what is asked for each message is read here. It can be
 * lost. Several processes may have it open; each brings it forward as it learns of changes, and none brings it back.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { LocalError } from '../../errors.js';
import { events } from '../../ops/events.js';
import { lmdbDamage } from '../lmdb-file.js';
import type { Entry, Listed } from '../store.js';

/** What has become of a key. */
export interface MirrorChange {
  readonly key: string;
  /** JSON; null when it was deleted. */
  readonly text: string | null;
  readonly version: number;
}

/** How far a copy has come. */
export interface MirrorPosition {
  /** Of the tables: those of another database have another one. */
  readonly identity: string;
  readonly generation: number;
  readonly version: number;
}

/** A process that makes the copy anew. */
interface Renewal {
  readonly token: string;
  /** When it was last at it, milliseconds since 1970. */
  readonly at: number;
}

const RENEWAL = 'renewal';
/** A process that has been at nothing for so long has ended. */
const ABANDONED_MS = 60_000;
/** Beside held messages and sockets. */
const DIRECTORY = 'copy';
const BOOT = 'boot';
const POSITION = 'position';
const LIST_BATCH = 256;
/** No key contains a character above this one, which is a noncharacter. */
const LAST = '\u{10ffff}';

export class Mirror {
  readonly #root: RootDatabase;
  readonly #entries: Database<string, string>;
  readonly #state: Database<MirrorPosition, string>;
  readonly #renewals: Database<Renewal, string>;

  /** See {@link openMirror}. */
  constructor(path: string) {
    // It is never waited for the disk: what a crash of the machine has damaged is not used, see openMirror.
    this.#root = open({
      path: join(path, DIRECTORY),
      noSubdir: false,
      noSync: true,
      maxDbs: 3,
      encoding: 'json',
      eventTurnBatching: false,
    });
    this.#entries = this.#root.openDB({ name: 'copy', encoding: 'string' });
    this.#state = this.#root.openDB({ name: 'state', encoding: 'json' });
    this.#renewals = this.#root.openDB({ name: 'renewals', encoding: 'json' });
  }

  /** Undefined when it is empty. */
  get position(): MirrorPosition | undefined {
    this.#state.resetReadTxn();
    return this.#state.get(POSITION);
  }

  peek(key: string): Entry | undefined {
    const text = this.#entries.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as Entry);
  }

  count(prefix: string): number {
    this.#entries.resetReadTxn();
    return this.#entries.getKeysCount({ start: prefix, end: `${prefix}${LAST}` });
  }

  /** A batch of entries in the order of their keys. @param after the last key of the batch before */
  batch(prefix: string, after: string | undefined): readonly Listed[] {
    this.#entries.resetReadTxn();
    const from = after === undefined ? { start: prefix } : { start: after, exclusiveStart: true };
    const range = this.#entries.getRange({ ...from, end: `${prefix}${LAST}`, limit: LIST_BATCH });
    return [...range].map(({ key, value }) => ({ key, ...(JSON.parse(value) as Entry) }));
  }

  /**
   * Brings it forward.
   *
   * @param changes all that have happened since any position at or before which it is, by version
   * @returns false when it has no position, because it is made anew
   */
  async forward(changes: readonly MirrorChange[], to: MirrorPosition): Promise<boolean> {
    const done = await this.#transact(() => {
      const at = this.#state.get(POSITION)?.version;
      if (at === undefined) return false;
      // Another process may have been faster.
      if (at >= to.version) return true;
      for (const change of changes) if (change.version > at) this.#set(change);
      this.#state.putSync(POSITION, to);
      return true;
    });
    this.#entries.resetReadTxn();
    return done;
  }

  /**
   * Begins to make it anew: it has no position until that is done.
   *
   * @returns false when another process is at it
   */
  async begin(token: string): Promise<boolean> {
    return await this.#transact(() => {
      const renewal = this.#renewals.get(RENEWAL);
      // Whichever way the clock was set meanwhile, nobody waits for a process that has ended.
      const recent = renewal !== undefined && Math.abs(Date.now() - renewal.at) < ABANDONED_MS;
      if (recent && renewal.token !== token) return false;
      this.#renewals.putSync(RENEWAL, { token, at: Date.now() });
      this.#state.removeSync(POSITION);
      return true;
    });
  }

  /**
   * Makes a stretch of it equal to what the database has there.
   *
   * @param entries all with keys above `after`, up to the last of them; up to the end of all keys when `last`
   * @returns the keys that were changed
   * @throws Error when another process has begun to make it anew
   */
  async replace(
    token: string,
    entries: readonly MirrorChange[],
    after: string | undefined,
    last: boolean,
  ): Promise<readonly string[]> {
    const end = entries.at(-1)?.key;
    const changed: string[] = [];
    await this.#transact(() => {
      this.#own(token);
      const wanted = new Map(entries.map((entry) => [entry.key, entry]));
      const from = after === undefined ? {} : { start: after, exclusiveStart: true };
      const to = last || end === undefined ? {} : { end, inclusiveEnd: true };
      for (const { key, value } of [...this.#entries.getRange({ ...from, ...to })]) {
        const entry = wanted.get(key);
        if (entry !== undefined && value === written(entry)) wanted.delete(key);
        if (entry !== undefined) continue;
        this.#entries.removeSync(key);
        changed.push(key);
      }
      for (const entry of wanted.values()) {
        this.#set(entry);
        changed.push(entry.key);
      }
    });
    this.#entries.resetReadTxn();
    return changed;
  }

  /** It is equal to what the database had at a position. @throws Error as {@link replace} */
  async settle(token: string, position: MirrorPosition): Promise<void> {
    await this.#transact(() => {
      this.#own(token);
      this.#renewals.removeSync(RENEWAL);
      this.#state.putSync(POSITION, position);
    });
  }

  /** @throws LocalError STORE_FAILED: the disk is full, for instance */
  async #transact<T>(action: () => T): Promise<T> {
    try {
      return await this.#root.transaction(action);
    } catch (cause) {
      if (cause instanceof LocalError) throw cause;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new LocalError('STORE_FAILED', `the copy of the store could not be written: ${message}`, { cause });
    }
  }

  #own(token: string): void {
    if (this.#renewals.get(RENEWAL)?.token !== token)
      throw new LocalError('STORE_FAILED', 'another process makes the copy anew');
    this.#renewals.putSync(RENEWAL, { token, at: Date.now() });
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  #set(change: MirrorChange): void {
    if (change.text === null) this.#entries.removeSync(change.key);
    else this.#entries.putSync(change.key, written(change));
  }
}

/**
 * Opens the copy in a directory, which exists; an empty one when the machine has been started since, or when it is
 * damaged.
 */
export async function openMirror(path: string): Promise<Mirror> {
  const directory = join(path, DIRECTORY);
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined);
  const known = await readFile(join(directory, BOOT), 'utf8').catch(() => undefined);
  const damage = boot === known ? lmdbDamage(join(directory, 'data.mdb')) : undefined;
  if (damage !== undefined) {
    const text = `the copy of the store in ${directory} is damaged: ${damage}; it is made anew`;
    events.fault.publish({ session: 'store', error: new LocalError('STORE_FAILED', text) });
  }
  if (boot === undefined || boot !== known || damage !== undefined) {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if (boot !== undefined) await writeFile(join(directory, BOOT), boot, { mode: 0o600 });
  }
  return new Mirror(path);
}

function written({ text, version }: MirrorChange): string {
  return `{"value":${text},"version":${version}}`;
}
