/**
 * Work for one party is done in the order it came, work for different ones side by side; bounded, with a share for each.
 * Knows nothing of the work.
 */
import { type PartyLimits, PartyShares } from '../party-shares.js';

/** Must not reject. */
export type Task = () => Promise<void>;

export class KeyedQueue {
  readonly #waiting = new Map<string, Task[]>();
  readonly #shares: PartyShares;
  #idle: (() => void)[] = [];

  /** @param limits how much work may be under way or waiting */
  constructor(limits: PartyLimits) {
    this.#shares = new PartyShares(limits);
  }

  /** Number of unfinished tasks. */
  get size(): number {
    return this.#shares.size;
  }

  /**
   * @param key the party that the work is for
   * @returns false when there is too much work already; the task is not run then
   */
  run(key: string, task: Task): boolean {
    if (!this.#shares.take(key)) return false;
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) waiting.push(task);
    else {
      this.#waiting.set(key, []);
      void this.#work(key, task);
    }
    return true;
  }

  /** Resolves when no task is left. */
  idle(): Promise<void> {
    return this.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  async #work(key: string, first: Task): Promise<void> {
    const waiting = this.#waiting.get(key) ?? [];
    for (let task: Task | undefined = first; task !== undefined; task = waiting.shift()) {
      await task();
      this.#shares.release(key);
    }
    this.#waiting.delete(key);
    if (this.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
