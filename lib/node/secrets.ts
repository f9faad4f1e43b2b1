/** Random secrets of a node that its store keeps, so that they are the same after a restart. */
import { randomBytes } from 'node:crypto';
import { ABSENT, type Store } from '../store/store.js';

export interface Secrets {
  /** Secret behind decoys for unknown users: decoys look the same after a restart. */
  readonly decoy: Buffer;
  /**
   * Secret behind the identities of held messages: a message that was delivered before a restart is recognized after
   * it.
   */
  readonly held: Buffer;
}

export async function secretsIn(store: Store): Promise<Secrets> {
  return { decoy: await keptSecret(store, 'secret/decoy'), held: await keptSecret(store, 'secret/held') };
}

/** Returns a random secret, made on the first request. */
async function keptSecret(store: Store, key: string): Promise<Buffer> {
  const fresh = randomBytes(32);
  if ((await store.put(key, fresh.toString('base64'), ABSENT)) !== undefined) return fresh;
  const entry = await store.get(key);
  return typeof entry?.value === 'string' ? Buffer.from(entry.value, 'base64') : fresh;
}
