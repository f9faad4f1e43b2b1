/**
 * Pace of offline messages to an application that attached: few at first, and more as long as it answers quickly. A
 * slow application receives fewer at a time, so that no message expires unseen, but never one after the other: where each
 * answer takes its time on the way, that would take for ever. One that refuses is tried with a single message. Passive: the
 * queue supplies the times.
 */

const WINDOW = { least: 1, first: 4, most: 64 };
const WINDOW_OCTETS = 1_048_576;
const QUICK_MS = 1000;
/** A fraction of the time that a delivery may take. */
const SLOW_MS = 5000;
/** An application that refuses everything costs one message in the longest of these times. */
const RETRY_MS = { first: 200, longest: 5000 };

export class OfflineDeliveryRate {
  #window = WINDOW.first;
  #retryMs = RETRY_MS.first;

  /** Whether another message may go to an application that has so many unanswered. */
  allows(out: number, outOctets: number, octets: number): boolean {
    return out === 0 || (out < this.#window && outOctets + octets <= WINDOW_OCTETS);
  }

  /** Starts again for another application. */
  reset(): void {
    this.#window = WINDOW.first;
    this.#retryMs = RETRY_MS.first;
  }

  /**
   * Records an answer.
   *
   * @param ms time that the answer took
   */
  answered(ms: number): void {
    this.#retryMs = RETRY_MS.first;
    if (ms < QUICK_MS || this.#window < WINDOW.first) this.#window = Math.min(this.#window + 1, WINDOW.most);
    else if (ms > SLOW_MS) this.#window = Math.max(WINDOW.first, this.#window >> 1);
  }

  /** Records that the application refused a message for now. */
  refused(): void {
    this.#window = Math.max(WINDOW.least, this.#window >> 1);
  }

  /** Returns the time to wait before the next attempt; it grows with each. */
  retryMs(): number {
    const ms = this.#retryMs;
    this.#retryMs = Math.min(ms * 2, RETRY_MS.longest);
    return ms;
  }
}
