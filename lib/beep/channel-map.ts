/**
 * Map by channel number. Most sessions have one channel, which is stored in a field; a Map is made only for further
 * ones.
 */
export class ChannelMap<Thing> {
  #number = -1;
  #single: Thing | undefined;
  #others: Map<number, Thing> | undefined;

  get size(): number {
    return (this.#single === undefined ? 0 : 1) + (this.#others?.size ?? 0);
  }

  get(number: number): Thing | undefined {
    return number === this.#number ? this.#single : this.#others?.get(number);
  }

  has(number: number): boolean {
    return this.get(number) !== undefined;
  }

  set(number: number, thing: Thing): void {
    if (number === this.#number || (this.#single === undefined && this.#others?.has(number) !== true)) {
      this.#number = number;
      this.#single = thing;
      return;
    }
    this.#others ??= new Map();
    this.#others.set(number, thing);
  }

  delete(number: number): void {
    if (number === this.#number) {
      this.#number = -1;
      this.#single = undefined;
    } else if (this.#others?.delete(number) === true && this.#others.size === 0) {
      this.#others = undefined;
    }
  }

  /** @param test a function made once, since this is called often */
  some(test: (thing: Thing) => boolean): boolean {
    if (this.#single !== undefined && test(this.#single)) return true;
    if (this.#others !== undefined) for (const thing of this.#others.values()) if (test(thing)) return true;
    return false;
  }

  *values(): Generator<Thing, undefined> {
    if (this.#single !== undefined) yield this.#single;
    if (this.#others !== undefined) yield* this.#others.values();
  }
}
