/**
 * Holds back what comes after an operation that has to wait, so that nothing overtakes it. Bounded. Refuses to know what
 * the operations are.
 */
export class Gate<Item> {
  readonly #run: (item: Item) => void;
  readonly #limit: number;
  readonly #waiting: Item[] = [];
  #held = false;

  /** @param limit how many items may wait */
  constructor(limit: number, run: (item: Item) => void) {
    this.#limit = limit;
    this.#run = run;
  }

  /** Whether an item that comes now has to wait. */
  get shut(): boolean {
    return this.#held || this.#waiting.length > 0;
  }

  /** Lets an item wait its turn. @returns false when too many wait already */
  push(item: Item): boolean {
    if (this.#waiting.length >= this.#limit) return false;
    this.#waiting.push(item);
    return true;
  }

  /** Shuts the gate until the promise, which must not reject, is settled; then runs what waited, in order. */
  hold(until: Promise<void>): void {
    this.#held = true;
    void until.then(() => this.#open());
  }

  /** Forgets what waits. */
  clear(): void {
    this.#waiting.length = 0;
  }

  #open(): void {
    this.#held = false;
    let done = 0;
    // An item may shut the gate again; items stay in the list while they run so that newcomers go behind them.
    while (!this.#held) {
      const item = this.#waiting[done];
      if (item === undefined) break;
      done += 1;
      this.#run(item);
    }
    this.#waiting.splice(0, done);
  }
}
