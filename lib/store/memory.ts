/** Store in memory that loses everything at the end, for trials and specs. */
import {
  type Change,
  checkKey,
  closedError,
  type Entry,
  type Json,
  type Listed,
  type Store,
  scopeOf,
} from './store.js';

/** Values are kept as text, so that an entry cannot be changed through an object. */
interface Kept {
  readonly text: string;
  readonly version: number;
}

export class MemoryStore implements Store {
  readonly #entries = new Map<string, Kept>();
  readonly #revisions = new Map<string, number>();
  #version = 0;
  #closed = false;

  async get(key: string): Promise<Entry | undefined> {
    return this.peek(key);
  }

  peek(key: string): Entry | undefined {
    this.#usable(key);
    const kept = this.#entries.get(key);
    return kept === undefined ? undefined : { value: JSON.parse(kept.text), version: kept.version };
  }

  revision(scope: string): number {
    if (this.#closed) throw closedError();
    return this.#revisions.get(scope) ?? 0;
  }

  revisionByOthers(): number {
    if (this.#closed) throw closedError();
    return 0;
  }

  async put(key: string, value: Json, expectedVersion?: number): Promise<number | undefined> {
    this.#usable(key);
    if (!this.#fits(key, expectedVersion)) return undefined;
    this.#set(key, value);
    return this.#version;
  }

  async delete(key: string, expectedVersion?: number): Promise<boolean> {
    this.#usable(key);
    return this.#fits(key, expectedVersion) && this.#remove(key);
  }

  async commit(changes: readonly Change[]): Promise<boolean> {
    if (this.#closed) throw closedError();
    for (const { key } of changes) this.#usable(key);
    if (!changes.every(({ key, expected }) => this.#fits(key, expected))) return false;
    for (const { key, value } of changes) {
      if (value === undefined) this.#remove(key);
      else this.#set(key, value);
    }
    return true;
  }

  async count(prefix: string): Promise<number> {
    if (this.#closed) throw closedError();
    let found = 0;
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) found += 1;
    return found;
  }

  async *list(prefix: string): AsyncIterable<Listed> {
    if (this.#closed) throw closedError();
    const keys = [...this.#entries.keys()].filter((key) => key.startsWith(prefix));
    keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const key of keys) {
      if (this.#closed) throw closedError();
      const kept = this.#entries.get(key);
      if (kept !== undefined) yield { key, value: JSON.parse(kept.text), version: kept.version };
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#entries.clear();
  }

  #set(key: string, value: Json): void {
    this.#touch(key);
    this.#entries.set(key, { text: JSON.stringify(value), version: this.#version });
  }

  #remove(key: string): boolean {
    if (!this.#entries.delete(key)) return false;
    this.#touch(key);
    return true;
  }

  #touch(key: string): void {
    this.#version += 1;
    this.#revisions.set(scopeOf(key), this.#version);
  }

  #fits(key: string, expected: number | undefined): boolean {
    return expected === undefined || expected === (this.#entries.get(key)?.version ?? 0);
  }

  #usable(key: string): void {
    if (this.#closed) throw closedError();
    checkKey(key);
  }
}
