/** Attributes of the start tag that a {@link Markup} cursor read last, as the scanner asks for them. */
import type { Markup } from './markup.js';
import { CLASSES, DIGIT, Interned, matchesAt, NAME, NAME_START } from './octets.js';

export class Attributes {
  readonly #markup: Markup;
  readonly #interned = new Interned();

  constructor(markup: Markup) {
    this.#markup = markup;
  }

  /** Whether the attribute has that name. */
  isNamed(index: number, name: Buffer): boolean {
    const { octets, nameStart, nameEnd } = this.#markup;
    const start = nameStart[index] ?? 0;
    return (nameEnd[index] ?? 0) - start === name.length && matchesAt(octets, start, name);
  }

  /** Whether the attribute has that value. */
  isValue(index: number, value: Buffer): boolean {
    const { octets, valueStart, valueEnd } = this.#markup;
    const start = valueStart[index] ?? 0;
    return (valueEnd[index] ?? 0) - start === value.length && matchesAt(octets, start, value);
  }

  value(index: number): string {
    const { octets, valueStart, valueEnd } = this.#markup;
    return this.#interned.take(octets, valueStart[index] ?? 0, valueEnd[index] ?? 0);
  }

  /** Returns the value if it is a name token, else an empty string. */
  nameToken(index: number): string {
    const { valueStart, valueEnd } = this.#markup;
    return this.#areNames(valueStart[index] ?? 0, valueEnd[index] ?? 0) ? this.value(index) : '';
  }

  /** Whether the value is an XML name. */
  isName(index: number): boolean {
    const { octets, valueStart, valueEnd } = this.#markup;
    const start = valueStart[index] ?? 0;
    // An empty value is followed by its quote, which cannot begin a name.
    return ((CLASSES[octets[start] ?? 0] ?? 0) & NAME_START) !== 0 && this.#areNames(start, valueEnd[index] ?? 0);
  }

  /** Returns the value if it is a number of at most ten digits, else 0. */
  number(index: number): number {
    const { octets } = this.#markup;
    const start = this.#markup.valueStart[index] ?? 0;
    const end = this.#markup.valueEnd[index] ?? 0;
    let number = 0;
    for (let at = start; at < end; at += 1) {
      const octet = octets[at] ?? 0;
      if (((CLASSES[octet] ?? 0) & DIGIT) === 0) {
        return 0;
      }
      number = number * 10 + (octet & 0x0f);
    }
    return end - start <= 10 ? number : 0;
  }

  #areNames(start: number, end: number): boolean {
    const { octets } = this.#markup;
    for (let at = start; at < end; at += 1) {
      if (((CLASSES[octets[at] ?? 0] ?? 0) & NAME) === 0) {
        return false;
      }
    }
    return end > start;
  }
}
