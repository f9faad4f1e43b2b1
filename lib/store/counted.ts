/** A store that counts what is done with it and how long that takes. Knows nobody who reads the counts. */
import type { OperationCounts } from '../ops/metrics.js';
import type { Entry, Json, Listed, Store } from './store.js';

export class CountedStore implements Store {
  readonly #store: Store;
  readonly #counts = new Map<string, OperationCounts>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** By operation; the objects go on counting. */
  get counts(): ReadonlyMap<string, Readonly<OperationCounts>> {
    return this.#counts;
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#counted('get', this.#store.get(key), () => false);
  }

  put(key: string, value: Json, expectedVersion?: number): Promise<number | undefined> {
    return this.#counted('put', this.#store.put(key, value, expectedVersion), (version) => version === undefined);
  }

  delete(key: string, expectedVersion?: number): Promise<boolean> {
    return this.#counted('delete', this.#store.delete(key, expectedVersion), (deleted) => !deleted);
  }

  async *list(prefix: string): AsyncIterable<Listed> {
    const counts = this.#of('list');
    try {
      yield* this.#store.list(prefix);
      counts.done += 1;
    } catch (error) {
      counts.failed += 1;
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #of(operation: string): OperationCounts {
    let counts = this.#counts.get(operation);
    if (counts === undefined) {
      counts = { done: 0, conflicts: 0, failed: 0, ms: 0 };
      this.#counts.set(operation, counts);
    }
    return counts;
  }

  async #counted<T>(operation: string, begun: Promise<T>, conflicting: (result: T) => boolean): Promise<T> {
    const counts = this.#of(operation);
    const begin = performance.now();
    try {
      const result = await begun;
      if (conflicting(result)) counts.conflicts += 1;
      else counts.done += 1;
      return result;
    } catch (error) {
      counts.failed += 1;
      throw error;
    } finally {
      counts.ms += performance.now() - begin;
    }
  }
}
