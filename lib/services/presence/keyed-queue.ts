/** Queue of tasks by key: tasks of one key run in order, tasks of different keys in parallel, up to a limit. */

/** Must not reject. */
export type Task = () => Promise<void>;

export class KeyedQueue {
  readonly #waiting = new Map<string, Task[]>();
  readonly #limit: number;
  #size = 0;
  #idle: (() => void)[] = [];

  /** @param limit number of tasks that may run or wait in total */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Number of unfinished tasks. */
  get size(): number {
    return this.#size;
  }

  /** @returns false if there are too many tasks; the task is not run then */
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

  /** Resolves when no task is left. */
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
