/**
 * Counts what is done with a store and how long that takes. Only what waits for the disk: reads that are answered at once
 * are on the way of each Data and cost less than counting them. Knows nobody who reads the counts.
 */
import type { OperationCounts } from '../ops/metrics.js';
import type { Store } from './store.js';

/**
 * Counts from now on.
 *
 * @returns the counts by operation; they go on counting
 */
export function countOperations(store: Store): ReadonlyMap<string, Readonly<OperationCounts>> {
  const counts = new Map<string, OperationCounts>();
  const of = (operation: string): OperationCounts => {
    const made = { done: 0, conflicts: 0, failed: 0, ms: 0 };
    counts.set(operation, made);
    return made;
  };
  const [gets, puts, deletes, commits] = [of('get'), of('put'), of('delete'), of('commit')];
  const inner = {
    get: store.get.bind(store),
    put: store.put.bind(store),
    delete: store.delete.bind(store),
    commit: store.commit.bind(store),
  };
  store.get = (key) => counted(gets, inner.get(key), () => false);
  store.put = (key, value, expected) => counted(puts, inner.put(key, value, expected), (it) => it === undefined);
  store.delete = (key, expected) => counted(deletes, inner.delete(key, expected), (deleted) => !deleted);
  store.commit = (changes) => counted(commits, inner.commit(changes), (done) => !done);
  return counts;
}

async function counted<T>(counts: OperationCounts, begun: Promise<T>, conflicting: (result: T) => boolean): Promise<T> {
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
