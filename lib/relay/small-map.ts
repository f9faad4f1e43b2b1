/**
 * Map for what nearly always has one entry, such as the associations of a session: that one is stored in fields, and a
 * `Map`, whose table alone has 200 octets, is made only for further ones.
 */
export class SmallMap<Key, Value> {
  #key: Key | undefined;
  /** Undefined when there is no entry, or several. */
  #value: Value | undefined;
  #several: Map<Key, Value> | undefined;

  get size(): number {
    return this.#several?.size ?? (this.#value === undefined ? 0 : 1);
  }

  get(key: Key): Value | undefined {
    if (this.#several !== undefined) return this.#several.get(key);
    return key === this.#key ? this.#value : undefined;
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined;
  }

  /** @param value not undefined */
  set(key: Key, value: Value): void {
    if (this.#several !== undefined) {
      this.#several.set(key, value);
    } else if (this.#value === undefined || this.#key === key) {
      this.#key = key;
      this.#value = value;
    } else {
      this.#several = new Map([
        [this.#key as Key, this.#value],
        [key, value],
      ]);
      this.#key = undefined;
      this.#value = undefined;
    }
  }

  delete(key: Key): void {
    if (this.#several !== undefined) {
      this.#several.delete(key);
      if (this.#several.size === 0) this.#several = undefined;
    } else if (key === this.#key) {
      this.#key = undefined;
      this.#value = undefined;
    }
  }

  /** A snapshot, oldest first. */
  keys(): Key[] {
    if (this.#several !== undefined) return [...this.#several.keys()];
    return this.#value === undefined ? [] : [this.#key as Key];
  }

  /** A snapshot, oldest first. */
  values(): Value[] {
    if (this.#several !== undefined) return [...this.#several.values()];
    return this.#value === undefined ? [] : [this.#value];
  }
}
