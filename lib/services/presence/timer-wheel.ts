/**
 * Hashed timer wheel with one slot a second. Adding and removing items has constant cost; a turn of the wheel looks at
 * one slot.
 */

/** An item that is due once, in one wheel at most. The links belong to the wheel. */
export interface TimerWheelItem<Item> {
  /** Milliseconds on one clock; not to be changed while it is in the wheel. */
  due: number;
  before: Item | undefined;
  after: Item | undefined;
  /** The slot it is in; -1 for none. */
  slot: number;
}

const SLOTS = 4096;

export class TimerWheel<Item extends TimerWheelItem<Item>> {
  readonly #slots: (Item | undefined)[] = new Array<Item | undefined>(SLOTS).fill(undefined);
  /** The second that was looked at last; it may not be over. */
  #second: number;
  #size = 0;

  /** @param now milliseconds on the clock of the items */
  constructor(now: number) {
    this.#second = secondOf(now);
  }

  get size(): number {
    return this.#size;
  }

  /** Adds an item; an overdue one is taken out next. */
  add(item: Item): void {
    const slot = Math.max(secondOf(item.due), this.#second) % SLOTS;
    const head = this.#slots[slot];
    item.slot = slot;
    item.before = undefined;
    item.after = head;
    if (head !== undefined) head.before = item;
    this.#slots[slot] = item;
    this.#size += 1;
  }

  /** @returns false if it was not in the wheel */
  remove(item: Item): boolean {
    if (item.slot < 0) return false;
    const { before, after } = item;
    if (before === undefined) this.#slots[item.slot] = after;
    else before.after = after;
    if (after !== undefined) after.before = before;
    item.before = undefined;
    item.after = undefined;
    item.slot = -1;
    this.#size -= 1;
    return true;
  }

  /** Takes out the items that are due. */
  take(now: number): Item[] {
    const last = secondOf(now);
    const due: Item[] = [];
    // After a leap of the clock each slot is looked at once, not each second.
    const first = Math.max(this.#second, last - SLOTS + 1);
    for (let second = first; second <= last; second += 1) this.#takeSlot(second % SLOTS, now, due);
    this.#second = Math.max(this.#second, last);
    return due;
  }

  #takeSlot(slot: number, now: number, due: Item[]): void {
    let item = this.#slots[slot];
    while (item !== undefined) {
      const { after }: TimerWheelItem<Item> = item;
      if (item.due <= now) {
        this.remove(item);
        due.push(item);
      }
      item = after;
    }
  }
}

function secondOf(ms: number): number {
  return Math.floor(ms / 1000);
}
