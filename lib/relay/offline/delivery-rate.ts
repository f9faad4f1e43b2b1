/**
 * How fast what is held is given to an application that attached: few at first, and more as long as it answers quickly. One
 * that is slow gets less at a time, so that none of it runs out of time unseen. Knows no queue and no clock.
 */

const WINDOW = { first: 4, most: 64 };
const WINDOW_OCTETS = 1_048_576;
const QUICK_MS = 1000;
const RETRY_MS = { first: 200, longest: 30_000 };

export class OfflineDeliveryRate {
  #window = WINDOW.first;
  #retryMs = RETRY_MS.first;

  /** Whether one more may be given to an application that has so much unanswered. */
  allows(out: number, outOctets: number, octets: number): boolean {
    return out === 0 || (out < this.#window && outOctets + octets <= WINDOW_OCTETS);
  }

  /** Another application is there. */
  reset(): void {
    this.#window = WINDOW.first;
    this.#retryMs = RETRY_MS.first;
  }

  /** @param ms that the answer took */
  answered(ms: number): void {
    this.#retryMs = RETRY_MS.first;
    if (ms < QUICK_MS) this.#window = Math.min(this.#window + 1, WINDOW.most);
    else this.slower();
  }

  /** It could not take one, or was slow. */
  slower(): void {
    this.#window = Math.max(1, this.#window >> 1);
  }

  /** How long to wait before trying again; longer each time. */
  retryMs(): number {
    const ms = this.#retryMs;
    this.#retryMs = Math.min(ms * 2, RETRY_MS.longest);
    return ms;
  }
}
