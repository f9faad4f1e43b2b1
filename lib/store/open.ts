/** Opens the store that a configuration names. Loads an engine only if it is used: lmdb is native code. */
import type { StoreConfig } from '../config/schema.js';
import { MemoryStore } from './memory.js';
import type { Store } from './store.js';

/** @throws LocalError STORE_FAILED */
export async function openStore(config: StoreConfig): Promise<Store> {
  if (config.type === 'memory') return new MemoryStore();
  const { openLmdb } = await import('./lmdb.js');
  return openLmdb(config.path);
}
