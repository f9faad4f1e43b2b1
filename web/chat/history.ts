/** History of one account in this browser (IndexedDB): conversations, contacts, files. Shared by all tabs. */
import { costOf, excessOf, isRoomFor, NOTHING, strangersToDrop } from './bounds.js';
import type { Contact, Entry, Kept } from './types.js';

/** Entries of a conversation that are read at a time. */
export const PAGE = 100;

/** What the list of conversations shows of the last message. */
const LAST_CHARACTERS = 200;

let latest = 0;

/** The present time, and later than any that was given before: entries keep the order in which they were made. */
export function instant(): number {
  latest = Math.max(Date.now(), latest + 1);
  return latest;
}

export class History {
  readonly #database: IDBDatabase;

  private constructor(database: IDBDatabase) {
    this.#database = database;
  }

  static async open(account: string): Promise<History> {
    const request = indexedDB.open(`imxp ${account}`, 1);
    request.onupgradeneeded = () => {
      const { result } = request;
      result.createObjectStore('contacts', { keyPath: 'address' });
      const entries = result.createObjectStore('entries', { keyPath: 'id' });
      entries.createIndex('conversation', ['peer', 'at']);
      entries.createIndex('state', ['state', 'at']);
      result.createObjectStore('files');
    };
    const database = await done(request);
    // Another tab deletes the history at log-out.
    database.onversionchange = () => database.close();
    return new History(database);
  }

  static async remove(account: string): Promise<void> {
    await done(indexedDB.deleteDatabase(`imxp ${account}`));
  }

  close(): void {
    this.#database.close();
  }

  async contacts(): Promise<Contact[]> {
    return done(this.#store('contacts').getAll() as IDBRequest<Contact[]>);
  }

  async contact(address: string): Promise<Contact | undefined> {
    return done(this.#store('contacts').get(address) as IDBRequest<Contact | undefined>);
  }

  /** The newest entries of a conversation before a time, the oldest first. */
  async entries(peer: string, before = Number.MAX_SAFE_INTEGER): Promise<Entry[]> {
    const index = this.#store('entries').index('conversation');
    const range = IDBKeyRange.bound([peer, 0], [peer, before], false, true);
    const found: Entry[] = [];
    return new Promise((resolve, reject) => {
      const request = index.openCursor(range, 'prev');
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const cursor = request.result;
        if (cursor === null || found.length === PAGE) {
          resolve(found.reverse());
          return;
        }
        found.push(cursor.value);
        cursor.continue();
      };
    });
  }

  /** All entries in a state, the oldest first. */
  async inState(state: Entry['state']): Promise<Entry[]> {
    const range = IDBKeyRange.bound([state, 0], [state, Number.MAX_SAFE_INTEGER]);
    return done(this.#store('entries').index('state').getAll(range) as IDBRequest<Entry[]>);
  }

  async file(id: string): Promise<Blob | undefined> {
    return done(this.#store('files').get(id) as IDBRequest<Blob | undefined>);
  }

  /**
   * Keeps an entry, and what it means for its conversation, in one transaction: it is on disk when this resolves.
   *
   * A stranger has bounded room, in which the oldest gives way; so have all strangers together, whose oldest conversation
   * gives way.
   *
   * @param unread whether nobody has seen it
   * @returns the contact as it is now, and the strangers whose conversations are gone
   * @throws Error when there is no room for a message that has come
   */
  async keep(entry: Entry, { file, unread = false }: { readonly file?: Blob; readonly unread?: boolean } = {}) {
    const write = this.#database.transaction(['entries', 'contacts', 'files'], 'readwrite', { durability: 'strict' });
    const over = finished(write);
    const contacts = write.objectStore('contacts');
    const entries = write.objectStore('entries');
    const old = await done(contacts.get(entry.peer) as IDBRequest<Contact | undefined>);
    const known = await done(entries.get(entry.id) as IDBRequest<Entry | undefined>);
    const more = known === undefined ? costOf(entry) : NOTHING;
    const before = old?.kept ?? NOTHING;
    const all = await done(contacts.getAll() as IDBRequest<Contact[]>);
    if (known === undefined && entry.state === 'received' && !isRoomFor(entry, old, all)) {
      write.abort();
      await over.catch(() => {});
      throw new Error('there is no more room for this conversation');
    }
    entries.put(entry);
    if (file !== undefined) write.objectStore('files').put(file, entry.id);
    let kept = { messages: before.messages + more.messages, octets: before.octets + more.octets };
    const last = { at: entry.at, text: (entry.file?.name ?? entry.text).slice(0, LAST_CHARACTERS), state: entry.state };
    const contact: Contact = {
      ...(old ?? { address: entry.peer, added: false }),
      kept,
      unread: (old?.unread ?? 0) + (unread ? 1 : 0),
      ...(old?.last !== undefined && old.last.at > entry.at ? { last: old.last } : { last }),
    };
    const dropped: string[] = [];
    if (!contact.added && more !== NOTHING) {
      kept = await this.#trim(write, contact);
      const others = all.filter(({ address }) => address !== contact.address);
      for (const address of strangersToDrop({ ...contact, kept }, others)) {
        await this.#drop(write, address);
        dropped.push(address);
      }
    }
    // Those that gave way are not there to be read.
    const unreadLeft = contact.added ? contact.unread : Math.min(contact.unread, kept.messages);
    const trimmed = { ...contact, kept, unread: unreadLeft };
    contacts.put(trimmed);
    await over;
    return { contact: trimmed, dropped };
  }

  /** Deletes the oldest messages of a stranger until the rest is within the bounds. @returns what is left */
  async #trim(write: IDBTransaction, { address, kept = NOTHING }: Contact): Promise<Kept> {
    let left = kept;
    const range = IDBKeyRange.bound([address, 0], [address, Number.MAX_SAFE_INTEGER]);
    const request = write.objectStore('entries').index('conversation').openCursor(range);
    for (let cursor = await done(request); cursor !== null && excessOf(left); cursor = await done(request)) {
      const entry: Entry = cursor.value;
      // What was written here stays.
      if (entry.state === 'received') {
        const { messages, octets } = costOf(entry);
        left = { messages: left.messages - messages, octets: left.octets - octets };
        cursor.delete();
        write.objectStore('files').delete(entry.id);
      }
      cursor.continue();
    }
    return left;
  }

  /** Changes a contact, or makes it. @returns it as it is now */
  async change(address: string, change: Partial<Contact>): Promise<Contact> {
    const write = this.#database.transaction('contacts', 'readwrite');
    const over = finished(write);
    const contacts = write.objectStore('contacts');
    const old = await done(contacts.get(address) as IDBRequest<Contact | undefined>);
    const contact = { ...(old ?? { address, added: false, unread: 0 }), ...change };
    contacts.put(contact);
    await over;
    return contact;
  }

  /** Deletes a contact with the whole conversation. */
  async forget(address: string): Promise<void> {
    const write = this.#database.transaction(['entries', 'contacts', 'files'], 'readwrite');
    const over = finished(write);
    await this.#drop(write, address);
    await over;
  }

  async #drop(write: IDBTransaction, address: string): Promise<void> {
    write.objectStore('contacts').delete(address);
    const entries = write.objectStore('entries');
    const range = IDBKeyRange.bound([address, 0], [address, Number.MAX_SAFE_INTEGER]);
    for (const id of await done(entries.index('conversation').getAllKeys(range))) {
      entries.delete(id);
      write.objectStore('files').delete(id);
    }
  }

  #store(name: string): IDBObjectStore {
    return this.#database.transaction(name).objectStore(name);
  }
}

export function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export function finished(write: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    write.oncomplete = () => resolve();
    write.onerror = () => reject(write.error);
    write.onabort = () => reject(write.error ?? new Error('the browser keeps nothing more'));
  });
}
