/**
 * Keeps the password on this device, if its owner wants that: encrypted by a key that the browser does not give out, so
 * that neither a copy of the profile's text nor a look into the storage shows it.
 */
import { done } from './history.js';

interface Kept {
  readonly key: CryptoKey;
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly sealed: ArrayBuffer;
}

const ACCOUNT = 'imxp account';
const ALGORITHM = 'AES-GCM';

/** The account that was used last on this device. */
export function lastAccount(): string | undefined {
  return localStorage.getItem(ACCOUNT) ?? undefined;
}

export function rememberAccount(account: string): void {
  localStorage.setItem(ACCOUNT, account);
}

export async function keepPassword(account: string, password: string): Promise<void> {
  const key = await crypto.subtle.generateKey({ name: ALGORITHM, length: 256 }, false, ['encrypt', 'decrypt']);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = await crypto.subtle.encrypt({ name: ALGORITHM, iv }, key, new TextEncoder().encode(password));
  const kept: Kept = { key, iv, sealed };
  await within('readwrite', (store) => store.put(kept, account));
}

export async function keptPassword(account: string): Promise<string | undefined> {
  const kept = (await within('readonly', (store) => store.get(account))) as Kept | undefined;
  if (kept === undefined) return undefined;
  const plain = await crypto.subtle.decrypt({ name: ALGORITHM, iv: kept.iv }, kept.key, kept.sealed);
  return new TextDecoder().decode(plain);
}

export async function forgetPassword(account: string): Promise<void> {
  await within('readwrite', (store) => store.delete(account));
}

async function within<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const request = indexedDB.open('imxp accounts', 1);
  request.onupgradeneeded = () => request.result.createObjectStore('passwords');
  const database = await done(request);
  try {
    return await done(act(database.transaction('passwords', mode).objectStore('passwords')));
  } finally {
    database.close();
  }
}
