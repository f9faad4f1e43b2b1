/**
 * Queue of work that unauthenticated peers cause, such as accepting connections and TLS handshakes: a bounded number of tasks in each
 * turn of the event loop, the hosts in rotation, so that a flood of one host delays neither established sessions nor
 * another host by more than a few tasks.
 */
export class TurnQueue {
  readonly #perTurn: number;
  /** In the order in which the hosts are served next. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #ran = 0;
  #scheduled = false;

  /** @param perTurn tasks that run in one turn of the event loop */
  constructor(perTurn: number) {
    this.#perTurn = perTurn;
  }

  /**
   * Runs a task at once if this turn has room for it, else in a later turn.
   *
   * @param task a function of its own for each call
   * @returns a function that takes the task from the queue, undefined if the task has run
   */
  run(host: string, task: () => void): (() => void) | undefined {
    if (this.#ran < this.#perTurn && this.#waiting.size === 0) {
      this.#ran += 1;
      this.#schedule();
      task();
      return undefined;
    }
    const tasks = this.#waiting.get(host);
    if (tasks === undefined) this.#waiting.set(host, new Set([task]));
    else tasks.add(task);
    return () => this.#leave(host, task);
  }

  /** Number of tasks that wait for their turn. */
  get size(): number {
    let size = 0;
    for (const tasks of this.#waiting.values()) size += tasks.size;
    return size;
  }

  #leave(host: string, task: () => void): void {
    const tasks = this.#waiting.get(host);
    if (tasks?.delete(task) === true && tasks.size === 0) this.#waiting.delete(host);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#scheduled = false;
    this.#ran = 0;
    while (this.#ran < this.#perTurn) {
      const [host, tasks] = this.#waiting.entries().next().value ?? [];
      if (host === undefined) break;
      this.#waiting.delete(host);
      const [task] = tasks ?? [];
      if (task !== undefined) tasks?.delete(task);
      if (tasks !== undefined && tasks.size > 0) this.#waiting.set(host, tasks);
      this.#ran += 1;
      this.#schedule();
      task?.();
    }
  }
}
