/**
 * List of the messages held for one endpoint in the order of arrival, with the position up to which they have been
 * handed out.
 */
import type { OfflineMessage } from './message.js';

/** Number of handed-out positions after which they are removed from the array. */
const GIVEN = 256;

export class OfflineList {
  /** Messages before `#head` are handed out or gone. */
  #items: OfflineMessage[] = [];
  #head = 0;

  push(message: OfflineMessage): void {
    this.#items.push(message);
  }

  /** Returns the next message to hand out; one that is not stored yet blocks those behind it. */
  get next(): OfflineMessage | undefined {
    while (this.#items[this.#head]?.state === 'gone') this.#head += 1;
    if (this.#head >= GIVEN && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return this.#items[this.#head];
  }

  /** Hands out the next message. */
  give(): void {
    this.#head += 1;
  }

  /** Puts messages that were handed out back to their positions. */
  putBack(returned: readonly OfflineMessage[]): void {
    const first = returned.toSorted((a, b) => a.entry.seq - b.entry.seq);
    this.#items = [...first, ...this.#items.slice(this.#head)];
    this.#head = 0;
  }

  /** Number of the last message that arrived; 0 if there is none. */
  get last(): number {
    return this.#items.at(-1)?.entry.seq ?? 0;
  }

  /** When the oldest arrived, milliseconds on the monotonic clock. */
  get oldest(): number | undefined {
    return this.#items.find(({ state }) => state !== 'gone')?.since;
  }

  /** Returns a snapshot of the messages that wait, also while they are read. */
  get waiting(): OfflineMessage[] {
    return this.#items.filter(({ state, reading }) => state === 'waiting' || reading !== undefined);
  }
}
