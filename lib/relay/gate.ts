/**
 * Gate that keeps items in order: while it is shut for an operation that has to wait, later items queue behind it, up
 * to a limit, and for a time.
 */
import type { Clock } from '../ops/clock.js';

/** The side of a gate that shuts it. */
export interface GateControl {
  shutUntil(until: Promise<void>): void;
}

/** How long an item may wait, and what becomes of it then. */
export interface GateTimeLimit<Item> {
  readonly clock: Clock;
  readonly ms: number;
  late(item: Item): void;
}

interface Waiting<Item> {
  readonly item: Item;
  /** On the monotonic clock. */
  readonly due: number;
}

export class Gate<Item> implements GateControl {
  readonly #run: (item: Item) => void;
  readonly #limit: number;
  readonly #timeLimit: GateTimeLimit<Item>;
  /** Undefined while no item waits; most gates are never shut. */
  #waiting: Waiting<Item>[] | undefined;
  #unwatch: (() => void) | undefined;
  /** Number of operations that the gate is shut for. */
  #pending = 0;

  /** @param limit how many items may wait */
  constructor(limit: number, run: (item: Item) => void, timeLimit: GateTimeLimit<Item>) {
    this.#limit = limit;
    this.#run = run;
    this.#timeLimit = timeLimit;
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
    const { clock, ms } = this.#timeLimit;
    this.#waiting ??= [];
    this.#waiting.push({ item, due: clock.now() + ms });
    this.#unwatch ??= clock.ticking(() => this.#tick());
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
    this.#rest();
  }

  /** The oldest are the first that have waited too long. */
  #tick(): void {
    const now = this.#timeLimit.clock.now();
    const late = this.#waiting?.filter(({ due }) => due <= now) ?? [];
    this.#waiting?.splice(0, late.length);
    if (this.#waiting?.length === 0) this.#waiting = undefined;
    if (this.#waiting === undefined) this.#rest();
    for (const { item } of late) this.#timeLimit.late(item);
  }

  #rest(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #open(): void {
    this.#pending -= 1;
    let done = 0;
    // An item may shut the gate again. Items stay in the list while they run so that newcomers queue behind them.
    while (this.#pending === 0) {
      const next = this.#waiting?.[done];
      if (next === undefined) break;
      done += 1;
      this.#run(next.item);
    }
    this.#waiting?.splice(0, done);
    if (this.#waiting?.length === 0) this.#waiting = undefined;
    if (this.#waiting === undefined) this.#rest();
  }
}
