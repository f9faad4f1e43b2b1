/** Opens the store that a configuration names. Loads an engine only if it is used: lmdb is native code, and few need pg. */
import type { StoreConfig } from '../config/schema.js';
import { MemoryStore } from './memory.js';
import type { Store } from './store.js';

/** @throws LocalError STORE_FAILED | CONFIGURATION */
export async function openStore(config: StoreConfig): Promise<Store> {
  if (config.type === 'memory') return new MemoryStore();
  if (config.type === 'postgres') {
    const { openPostgres } = await import('./postgres/store.js');
    return openPostgres(config);
  }
  const { openLmdb } = await import('./lmdb.js');
  return openLmdb(config.path);
}
