/**
 * Table of unanswered messages by their number, in place of a Map. V8 moves a Map's entries to a new table at every few
 * hundred deletions, and the old table keeps its copies. Once a table has survived two scavenges, as while many endpoints
 * log in, all its successors are old as well, and what is in them survives each scavenge until V8 marks the whole heap:
 * five times the CPU time for a Map of 256 entries that come and go.
 */

const LEAST_PLACES = 4;
/** A table of this size that has become empty begins anew. */
const LARGE_PLACES = 1024;
/** Peers choose numbers, and must not choose those that collide. */
const MULTIPLIER = Math.floor(Math.random() * 0x4000_0000) * 2 + 1;

export class MessageTable<Value extends object> implements Iterable<readonly [number, Value]> {
  /** Open addressing: a value is at the place of its number, or behind it with no free place between. */
  #values: (Value | undefined)[] = places(LEAST_PLACES);
  #numbers: number[] = new Array<number>(LEAST_PLACES).fill(0);
  /** In which order they were added. */
  #serials: number[] = new Array<number>(LEAST_PLACES).fill(0);
  #mask = LEAST_PLACES - 1;
  #serial = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(number: number): Value | undefined {
    return this.#values[this.#find(number)];
  }

  has(number: number): boolean {
    return this.get(number) !== undefined;
  }

  set(number: number, value: Value): void {
    // Half of the places stay free.
    if (this.#size * 2 > this.#mask) this.#resize((this.#mask + 1) * 2);
    const at = this.#find(number);
    if (this.#values[at] === undefined) {
      this.#size += 1;
      this.#serials[at] = this.#serial;
      this.#serial += 1;
    }
    this.#numbers[at] = number;
    this.#values[at] = value;
  }

  /** @returns whether it was there */
  delete(number: number): boolean {
    const values = this.#values;
    let free = this.#find(number);
    if (values[free] === undefined) return false;
    this.#size -= 1;
    if (this.#size === 0 && this.#mask >= LARGE_PLACES) {
      this.#resize(LEAST_PLACES);
      return true;
    }
    // Those behind it that it kept from their places move up.
    for (let at = (free + 1) & this.#mask; values[at] !== undefined; at = (at + 1) & this.#mask) {
      const home = this.#home(this.#numbers[at] ?? 0);
      if (((at - home) & this.#mask) < ((at - free) & this.#mask)) continue;
      values[free] = values[at];
      this.#numbers[free] = this.#numbers[at] ?? 0;
      this.#serials[free] = this.#serials[at] ?? 0;
      free = at;
    }
    values[free] = undefined;
    return true;
  }

  /** Those that are there now, in the order in which they were added. */
  values(): Value[] {
    return this.#ordered().map(([, value]) => value);
  }

  [Symbol.iterator](): Iterator<readonly [number, Value]> {
    return this.#ordered()[Symbol.iterator]();
  }

  #ordered(): (readonly [number, Value])[] {
    const found: { readonly serial: number; readonly entry: readonly [number, Value] }[] = [];
    for (const [at, value] of this.#values.entries()) {
      if (value !== undefined) found.push({ serial: this.#serials[at] ?? 0, entry: [this.#numbers[at] ?? 0, value] });
    }
    return found.sort((one, other) => one.serial - other.serial).map(({ entry }) => entry);
  }

  /** The place of a number, or the free one where it would be. */
  #find(number: number): number {
    const values = this.#values;
    let at = this.#home(number);
    while (values[at] !== undefined && this.#numbers[at] !== number) at = (at + 1) & this.#mask;
    return at;
  }

  #home(number: number): number {
    const product = Math.imul(number, MULTIPLIER);
    return (product ^ (product >>> 15)) & this.#mask;
  }

  #resize(count: number): void {
    const [values, numbers, serials] = [this.#values, this.#numbers, this.#serials];
    this.#values = places(count);
    this.#numbers = new Array<number>(count).fill(0);
    this.#serials = new Array<number>(count).fill(0);
    this.#mask = count - 1;
    for (let from = 0; from < values.length; from += 1) {
      const value = values[from];
      if (value === undefined) continue;
      const at = this.#find(numbers[from] ?? 0);
      this.#values[at] = value;
      this.#numbers[at] = numbers[from] ?? 0;
      this.#serials[at] = serials[from] ?? 0;
      values[from] = undefined;
    }
  }
}

function places<Value>(count: number): (Value | undefined)[] {
  return new Array<Value | undefined>(count).fill(undefined);
}
