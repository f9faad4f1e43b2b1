/**
 * Work for one originator is done in the order it came, work for different ones side by side; bounded. Knows nothing of
 * the work.
 */

/** Must not reject. */
export type Task = () => Promise<void>;

export class KeyedQueue {
  readonly #waiting = new Map<string, Task[]>();
  readonly #limit: number;
  #size = 0;
  #idle: (() => void)[] = [];

  /** @param limit how much work may be under way or waiting, in all */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Tasks not done. */
  get size(): number {
    return this.#size;
  }

  /** @returns false when there is too much work already; the task is not run then */
  run(key: string, task: Task): boolean {
    if (this.#size >= this.#limit) return false;
    this.#size += 1;
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) waiting.push(task);
    else {
      this.#waiting.set(key, []);
      void this.#work(key, task);
    }
    return true;
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  async #work(key: string, first: Task): Promise<void> {
    const waiting = this.#waiting.get(key) ?? [];
    for (let task: Task | undefined = first; task !== undefined; task = waiting.shift()) {
      await task();
      this.#size -= 1;
    }
    this.#waiting.delete(key);
    if (this.#size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
