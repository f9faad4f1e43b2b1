/**
 * Certificates on this device (IndexedDB): that of each account with its key, which the browser does not give out, and
 * those that were learnt from signed messages. It knows nothing of S/MIME, which is loaded where it is needed.
 */
import { done, finished } from './history.js';
import type { OwnKey } from './smime/keys.js';
import type { OwnCertificate } from './types.js';

/** A certificate with its intermediates, in PEM, and its key. */
export interface Identity {
  readonly chain: readonly string[];
  readonly key: OwnKey;
  readonly facts: OwnCertificate;
}

/** A certificate that was learnt from a message to an account. */
interface Learnt {
  readonly account: string;
  readonly address: string;
  readonly certificate: string;
}

const OWN = 'own';
const KNOWN = 'known';

export async function identityOf(account: string): Promise<Identity | undefined> {
  return within(OWN, 'readonly', (store) => store.get(account) as IDBRequest<Identity | undefined>);
}

export async function keepIdentity(account: string, identity: Identity): Promise<void> {
  await within(OWN, 'readwrite', (store) => store.put(identity, account));
}

export async function removeIdentity(account: string): Promise<void> {
  await within(OWN, 'readwrite', (store) => store.delete(account));
}

/** All that an account has learnt, by address. */
export async function knownTo(account: string): Promise<Map<string, string[]>> {
  const all = await within(
    KNOWN,
    'readonly',
    (store) => store.index('account').getAll(account) as IDBRequest<Learnt[]>,
  );
  const known = new Map<string, string[]>();
  for (const { address, certificate } of all) known.set(address, [...(known.get(address) ?? []), certificate]);
  return known;
}

export async function keepKnown(account: string, address: string, certificate: string): Promise<void> {
  await within(KNOWN, 'readwrite', (store) => store.put({ account, address, certificate } satisfies Learnt));
}

/** The next certificate of somebody is trusted on first use again. */
export async function forgetKnown(account: string, address: string): Promise<void> {
  await deleteKnown(account, (learnt) => learnt.address === address);
}

/** Everything of an account. */
export async function removeCertificates(account: string): Promise<void> {
  await removeIdentity(account);
  await deleteKnown(account, () => true);
}

async function deleteKnown(account: string, wanted: (learnt: Learnt) => boolean): Promise<void> {
  const database = await opened();
  try {
    const write = database.transaction(KNOWN, 'readwrite');
    const over = finished(write);
    const request = write.objectStore(KNOWN).index('account').openCursor(account);
    for (let cursor = await done(request); cursor !== null; cursor = await done(request)) {
      if (wanted(cursor.value)) cursor.delete();
      cursor.continue();
    }
    await over;
  } finally {
    database.close();
  }
}

async function opened(): Promise<IDBDatabase> {
  const request = indexedDB.open('imxp certificates', 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(OWN);
    const known = request.result.createObjectStore(KNOWN, { keyPath: ['account', 'address', 'certificate'] });
    known.createIndex('account', 'account');
  };
  return done(request);
}

/** Resolves when it is on disk. */
async function within<T>(name: string, mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>) {
  const database = await opened();
  try {
    const transaction = database.transaction(name, mode, { durability: 'strict' });
    const over = finished(transaction);
    const value = await done(act(transaction.objectStore(name)));
    await over;
    return value;
  } finally {
    database.close();
  }
}
