/** Exponential backoff with jitter between attempts; a signal ends the wait early. */
import { whenAborted } from './abort.js';

export interface BackoffTimes {
  readonly firstMs: number;
  readonly longestMs: number;
  /**
   * A connection that lasted so long was steady: after it the waits start again from the shortest. `longestMs` unless
   * given.
   */
  readonly steadyMs?: number;
}

/** Resolves after some time, or as soon as the signal is aborted. Keeps the process alive in the meantime. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      forget();
      resolve();
    };
    const timer = setTimeout(done, ms);
    const forget = whenAborted(signal, done);
  });
}

export class Backoff {
  readonly #times: BackoffTimes;
  #attempts = 0;
  /** When the present connection was made; undefined while there is none. */
  #connectedAt: number | undefined;

  constructor(times: BackoffTimes) {
    this.#times = times;
  }

  /** Waits since a connection was steady. */
  get attempts(): number {
    return this.#attempts;
  }

  /**
   * The last attempt succeeded. The waits continue where they were unless the connection lasts: each new one might be
   * lost at once.
   */
  connected(): void {
    this.#connectedAt = performance.now();
  }

  /** Nobody wants to connect any more: the next wait is the shortest again. */
  reset(): void {
    this.#attempts = 0;
    this.#connectedAt = undefined;
  }

  /** Waits for the next attempt's turn. */
  wait(signal: AbortSignal): Promise<void> {
    return pause(this.next(), signal);
  }

  /** Milliseconds until the next attempt's turn, for those who set a timer of their own. */
  next(): number {
    const { firstMs, longestMs, steadyMs = longestMs } = this.#times;
    if (this.#connectedAt !== undefined && performance.now() - this.#connectedAt >= steadyMs) this.#attempts = 0;
    this.#connectedAt = undefined;
    const longest = Math.min(longestMs, firstMs * 2 ** this.#attempts);
    this.#attempts += 1;
    // Half of it at least, the rest by chance: those who lost the same relay do not come back together.
    return longest / 2 + Math.random() * (longest / 2);
  }
}
