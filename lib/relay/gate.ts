/**
 * Holds back what comes after an operation that has to wait, so that nothing overtakes it. Bounded. Refuses to know what
 * the operations are.
 */

/** What can be shut for a while. */
export interface GateControl {
  shutUntil(until: Promise<void>): void;
}

export class Gate<Item> implements GateControl {
  readonly #run: (item: Item) => void;
  readonly #limit: number;
  /** Undefined while none wait: most gates are never shut. */
  #waiting: Item[] | undefined;
  /** Operations that have to wait. */
  #holds = 0;

  /** @param limit how many items may wait */
  constructor(limit: number, run: (item: Item) => void) {
    this.#limit = limit;
    this.#run = run;
  }

  /** Whether an item that comes now has to wait. */
  get shut(): boolean {
    return this.#holds > 0 || this.#waiting !== undefined;
  }

  /** Lets an item wait its turn. @returns false when too many wait already */
  push(item: Item): boolean {
    if ((this.#waiting?.length ?? 0) >= this.#limit) return false;
    this.#waiting ??= [];
    this.#waiting.push(item);
    return true;
  }

  /**
   * Shuts the gate until the promise, which must not reject, is settled, and every other one it is shut for; then runs what
   * waited, in order.
   */
  shutUntil(until: Promise<void>): void {
    this.#holds += 1;
    void until.then(() => this.#open());
  }

  /** Forgets what waits. */
  clear(): void {
    this.#waiting = undefined;
  }

  #open(): void {
    this.#holds -= 1;
    let done = 0;
    // An item may shut the gate again; items stay in the list while they run so that newcomers go behind them.
    while (this.#holds === 0) {
      const item = this.#waiting?.[done];
      if (item === undefined) break;
      done += 1;
      this.#run(item);
    }
    this.#waiting?.splice(0, done);
    if (this.#waiting?.length === 0) this.#waiting = undefined;
  }
}
