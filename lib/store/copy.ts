/** Copies a store into another one that is empty, while no relay works with either, and compares them at the end. */
import type { StoreConfig } from '../config/schema.js';
import { LocalError } from '../errors.js';
import type { SpoolEntry, SpoolRecord } from '../relay/offline/spool.js';
import { lockStore } from './lock.js';
import { openStore } from './open.js';
import { openSpool } from './spool.js';
import type { Change, Store } from './store.js';

/** Entries of one commit, and held messages under way. */
const BATCH = 200;
/** Who works with a store; it is no part of it. */
const LOCK = 'lock';

/** What was copied so far, and of how many. */
export interface CopyProgress {
  readonly entries: number;
  readonly allEntries: number;
  readonly held: number;
  readonly allHeld: number;
}

type OpenSpool = Awaited<ReturnType<typeof openSpool>>;

interface Opened {
  readonly store: Store;
  readonly spool: OpenSpool;
  close(): Promise<void>;
}

/**
 * Copies accounts, access, presence and held messages.
 *
 * @param report called from time to time, and with the final counts
 * @returns the final counts, which were read from the copy
 * @throws LocalError STORE_FAILED: a store cannot be opened or is in use, the copy is not empty or is not equal
 * @throws LocalError CONFIGURATION
 */
export async function copyStore(
  from: StoreConfig,
  to: StoreConfig,
  report: (progress: CopyProgress) => void,
): Promise<CopyProgress> {
  const source = await opened(from);
  try {
    const target = await opened(to);
    try {
      return await new Copying(source, target, report).run();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function opened(config: StoreConfig): Promise<Opened> {
  const store = await openStore(config);
  let leave: (() => Promise<void>) | undefined;
  try {
    leave = await lockStore(store, config);
    const spool = await openSpool(config, store);
    const unlock = leave;
    return {
      store,
      spool,
      close: async () => {
        await spool.close();
        await unlock();
        await store.close();
      },
    };
  } catch (error) {
    await leave?.();
    await store.close();
    throw error;
  }
}

class Copying {
  readonly #from: Opened;
  readonly #to: Opened;
  readonly #report: (progress: CopyProgress) => void;
  #keys: readonly string[] = [];
  #held: readonly SpoolEntry[] = [];

  constructor(from: Opened, to: Opened, report: (progress: CopyProgress) => void) {
    this.#from = from;
    this.#to = to;
    this.#report = report;
  }

  async run(): Promise<CopyProgress> {
    if ((await keysOf(this.#to.store)).length > 0 || [...this.#to.spool.entries()].length > 0) {
      throw new LocalError('STORE_FAILED', 'the store to copy to is not empty: name another one');
    }
    this.#keys = await keysOf(this.#from.store);
    this.#held = [...this.#from.spool.entries()];
    await this.#entries();
    await this.#messages();
    return await this.#verified();
  }

  /** In the order in which they were written: versions may be compared with each other. */
  async #entries(): Promise<void> {
    for (let done = 0; done < this.#keys.length; done += BATCH) {
      const changes: Change[] = [];
      for (const key of this.#keys.slice(done, done + BATCH)) {
        const entry = this.#from.store.peek(key);
        if (entry !== undefined) changes.push({ key, value: entry.value });
      }
      await this.#to.store.commit(changes);
      this.#progress(Math.min(done + BATCH, this.#keys.length), 0);
    }
  }

  async #messages(): Promise<void> {
    for (let done = 0; done < this.#held.length; done += BATCH) {
      const some = this.#held.slice(done, done + BATCH);
      await Promise.all(some.map(async (entry) => this.#put(entry, await this.#read(this.#from.spool, entry))));
      this.#progress(this.#keys.length, Math.min(done + BATCH, this.#held.length));
    }
  }

  async #read(spool: OpenSpool, entry: SpoolEntry): Promise<SpoolRecord> {
    const record = await spool.read(entry);
    if (record !== undefined) return record;
    throw new LocalError('STORE_FAILED', `a message held for ${entry.address} cannot be read`);
  }

  #put(entry: SpoolEntry, record: SpoolRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#to.spool.put(entry, record, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  /** Reads everything from the copy and compares it. */
  async #verified(): Promise<CopyProgress> {
    const entries = (await this.#to.store.count('')) - ((await this.#to.store.get(LOCK)) === undefined ? 0 : 1);
    if (entries !== this.#keys.length) throw unequal(`the number of entries, ${entries} of ${this.#keys.length},`);
    for (let done = 0; done < this.#keys.length; done += BATCH) {
      await Promise.all(this.#keys.slice(done, done + BATCH).map((key) => this.#compare(key)));
    }
    let held = 0;
    for (const entry of this.#held) {
      const [one, other] = [await this.#read(this.#from.spool, entry), await this.#read(this.#to.spool, entry)];
      if (one.profile !== other.profile || !one.payload.equals(other.payload)) {
        throw unequal(`a message held for ${entry.address}`);
      }
      held += 1;
    }
    const counts = { entries, allEntries: entries, held, allHeld: held };
    this.#report(counts);
    return counts;
  }

  /** From the engine itself, not from what is known of it here. */
  async #compare(key: string): Promise<void> {
    const [one, other] = [await this.#from.store.get(key), await this.#to.store.get(key)];
    if (other === undefined || JSON.stringify(one?.value) !== JSON.stringify(other.value)) {
      throw unequal(`the entry ${key}`);
    }
  }

  #progress(entries: number, held: number): void {
    this.#report({ entries, allEntries: this.#keys.length, held, allHeld: this.#held.length });
  }
}

function unequal(what: string): LocalError {
  return new LocalError('STORE_FAILED', `${what} is not the same in the copy: do not use it`);
}

/** All keys, by version. */
async function keysOf(store: Store): Promise<readonly string[]> {
  const found: { readonly key: string; readonly version: number }[] = [];
  for await (const { key, version } of store.list('')) if (key !== LOCK) found.push({ key, version });
  return found.sort((a, b) => a.version - b.version).map(({ key }) => key);
}
