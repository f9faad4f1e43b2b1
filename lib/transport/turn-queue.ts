/**
 * Queue of work that unauthenticated peers cause, such as accepting connections and TLS handshakes: a bounded number of tasks in each
 * turn of the event loop, the hosts in rotation, so that a flood of one host delays neither established sessions nor
 * another host by more than a few tasks.
 */
export class TurnQueue {
  readonly #perTurn: number;
  /** In the order in which the hosts are served next. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #ran = 0;
  #scheduled = false;

  /** @param perTurn tasks that run in one turn of the event loop */
  constructor(perTurn: number) {
    this.#perTurn = perTurn;
  }

  /** Runs a task at once if this turn has room for it, else in a later turn. */
  run(host: string, task: () => void): void {
    if (this.#ran < this.#perTurn && this.#waiting.size === 0) {
      this.#ran += 1;
      this.#schedule();
      task();
      return;
    }
    const tasks = this.#waiting.get(host);
    if (tasks === undefined) this.#waiting.set(host, [task]);
    else tasks.push(task);
  }

  /** Resolves when the caller's turn has come. */
  turn(host: string): Promise<void> {
    return new Promise((resolve) => this.run(host, resolve));
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
      const task = tasks?.shift();
      if (tasks !== undefined && tasks.length > 0) this.#waiting.set(host, tasks);
      this.#ran += 1;
      this.#schedule();
      task?.();
    }
  }
}
