/**
 * What is held for one endpoint, in the order of arrival, and how far it has been given away. Knows nothing of who gives and
 * takes.
 */
import type { OfflineMessage } from './message.js';

/** Places given away are forgotten when they are so many. */
const GIVEN = 256;

export class OfflineList {
  /** Those before `#head` are out or gone. */
  #items: OfflineMessage[] = [];
  #head = 0;

  push(held: OfflineMessage): void {
    this.#items.push(held);
  }

  /** The next to be given; one that is not written yet keeps those behind it waiting. */
  get next(): OfflineMessage | undefined {
    while (this.#items[this.#head]?.state === 'gone') this.#head += 1;
    if (this.#head >= GIVEN && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return this.#items[this.#head];
  }

  /** The next one is given. */
  give(): void {
    this.#head += 1;
  }

  /** Some that were given take their old places. */
  putBack(returned: readonly OfflineMessage[]): void {
    const first = returned.toSorted((a, b) => a.entry.seq - b.entry.seq);
    this.#items = [...first, ...this.#items.slice(this.#head)];
    this.#head = 0;
  }

  /** The number of the last that arrived; 0 when there is none. */
  get last(): number {
    return this.#items.at(-1)?.entry.seq ?? 0;
  }

  /** When the oldest arrived, milliseconds since 1970. */
  get oldest(): number | undefined {
    return this.#items.find(({ state }) => state !== 'gone')?.entry.at;
  }

  /** All that wait, as of now. */
  get waiting(): OfflineMessage[] {
    return this.#items.filter(({ state }) => state === 'waiting');
  }
}
