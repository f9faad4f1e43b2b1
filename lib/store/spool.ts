/** Opens the spool of offline messages that a configuration names. Loads an engine only if it is used. */
import { join } from 'node:path';
import type { StoreConfig } from '../config/schema.js';
import { LocalError } from '../errors.js';
import type { Spool, SpoolEntry, SpoolRecord, Written } from '../relay/offline/spool.js';
import type { Store } from './store.js';

/** Directory beside the entries, with files of its own: a long queue must not slow down what everybody waits for. */
const DIRECTORY = 'held';

/** @param store directory of the store */
export function spoolPath(store: string): string {
  return join(store, DIRECTORY);
}

/**
 * @param store opened with the same configuration, and locked; needed for PostgreSQL only
 * @throws LocalError STORE_FAILED | CONFIGURATION
 */
export async function openSpool(config: StoreConfig, store?: Store): Promise<Spool> {
  if (config.type === 'memory') return new MemorySpool();
  if (config.type === 'postgres') {
    if (store === undefined) throw new LocalError('ARGUMENT', 'a spool in PostgreSQL needs the store beside it');
    const { openPostgresSpool } = await import('./postgres/spool.js');
    return openPostgresSpool(config, store);
  }
  const { openLmdbSpool } = await import('./lmdb-spool.js');
  return openLmdbSpool(spoolPath(config.path));
}

/** Forgets everything at the end, for trials and specs. */
export class MemorySpool implements Spool {
  readonly #records = new Map<string, { readonly entry: SpoolEntry; readonly record: SpoolRecord }>();

  *entries(): Iterable<SpoolEntry> {
    for (const { entry } of this.#records.values()) yield entry;
  }

  put(entry: SpoolEntry, record: SpoolRecord, written: Written): void {
    this.#records.set(keyOf(entry), { entry, record });
    queueMicrotask(() => written(undefined));
  }

  read(entry: SpoolEntry): SpoolRecord | undefined {
    return this.#records.get(keyOf(entry))?.record;
  }

  remove(entry: SpoolEntry, written: Written): void {
    this.#records.delete(keyOf(entry));
    queueMicrotask(() => written(undefined));
  }

  replace(_entry: SpoolEntry, by: SpoolEntry, record: SpoolRecord, written: Written): void {
    this.put(by, record, written);
  }

  async close(): Promise<void> {}
}

function keyOf({ address, seq }: SpoolEntry): string {
  return `${address}/${seq}`;
}
