/**
 * Gate that keeps items in order: while it is shut for an operation that has to wait, later items queue behind it, up
 * to a limit.
 */

/** The side of a gate that shuts it. */
export interface GateControl {
  shutUntil(until: Promise<void>): void;
}

export class Gate<Item> implements GateControl {
  readonly #run: (item: Item) => void;
  readonly #limit: number;
  /** Undefined while no item waits; most gates are never shut. */
  #waiting: Item[] | undefined;
  /** Number of operations that the gate is shut for. */
  #pending = 0;

  /** @param limit how many items may wait */
  constructor(limit: number, run: (item: Item) => void) {
    this.#limit = limit;
    this.#run = run;
  }

  /** Whether a new item has to wait. */
  get shut(): boolean {
    return this.#pending > 0 || this.#waiting !== undefined;
  }

  /**
   * Queues an item.
   *
   * @returns false if too many wait already
   */
  push(item: Item): boolean {
    if ((this.#waiting?.length ?? 0) >= this.#limit) return false;
    this.#waiting ??= [];
    this.#waiting.push(item);
    return true;
  }

  /**
   * Shuts the gate until the promise, which must not reject, is settled, as well as every other promise that it is shut
   * for. Then runs the waiting items in order.
   */
  shutUntil(until: Promise<void>): void {
    this.#pending += 1;
    void until.then(() => this.#open());
  }

  /** Drops the waiting items. */
  clear(): void {
    this.#waiting = undefined;
  }

  #open(): void {
    this.#pending -= 1;
    let done = 0;
    // An item may shut the gate again. Items stay in the list while they run so that newcomers queue behind them.
    while (this.#pending === 0) {
      const item = this.#waiting?.[done];
      if (item === undefined) break;
      done += 1;
      this.#run(item);
    }
    this.#waiting?.splice(0, done);
    if (this.#waiting?.length === 0) this.#waiting = undefined;
  }
}
