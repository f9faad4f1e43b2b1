/**
 * Store that counts the operations of another one and the time that they take. Only operations that wait for the disk
 * are counted: `peek` and `revision` answer at once, are called for each Data operation, and cost less than a count.
 */
import type { OperationCounts } from '../ops/metrics.js';
import type { Change, Entry, Json, Listed, Store, StoreEngine } from './store.js';

type Counted = 'get' | 'put' | 'delete' | 'commit';

function none(): OperationCounts {
  return { done: 0, conflicts: 0, failed: 0, ms: 0 };
}

export class CountedStore implements Store {
  readonly #store: Store;
  readonly #counts: Readonly<Record<Counted, OperationCounts>> = {
    get: none(),
    put: none(),
    delete: none(),
    commit: none(),
  };

  constructor(store: Store) {
    this.#store = store;
  }

  /** The counts by operation; they change with each operation. */
  get counts(): ReadonlyMap<string, Readonly<OperationCounts>> {
    return new Map(Object.entries(this.#counts));
  }

  get failing(): string | undefined {
    return this.#store.failing;
  }

  checkRoom(): void {
    this.#store.checkRoom?.();
  }

  get engine(): StoreEngine | undefined {
    return this.#store.engine;
  }

  watch(changed: () => void): (() => void) | undefined {
    // A store that no other process writes changes only by calls here.
    return this.#store.watch?.(changed);
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#count('get', this.#store.get(key), () => false);
  }

  peek(key: string): Entry | undefined {
    return this.#store.peek(key);
  }

  revision(scope: string): number {
    return this.#store.revision(scope);
  }

  revisionByOthers(scope: string): number {
    return this.#store.revisionByOthers(scope);
  }

  put(key: string, value: Json, expectedVersion?: number): Promise<number | undefined> {
    return this.#count('put', this.#store.put(key, value, expectedVersion), (version) => version === undefined);
  }

  delete(key: string, expectedVersion?: number): Promise<boolean> {
    return this.#count('delete', this.#store.delete(key, expectedVersion), (deleted) => !deleted);
  }

  commit(changes: readonly Change[]): Promise<boolean> {
    return this.#count('commit', this.#store.commit(changes), (done) => !done);
  }

  count(prefix: string): Promise<number> {
    return this.#store.count(prefix);
  }

  list(prefix: string): AsyncIterable<Listed> {
    return this.#store.list(prefix);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #count<T>(operation: Counted, begun: Promise<T>, conflicting: (result: T) => boolean): Promise<T> {
    const counts = this.#counts[operation];
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
