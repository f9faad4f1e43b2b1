/**
 * Waiting before another attempt: exponentially longer, with jitter, and ended early by a signal. Knows nothing of what is
 * attempted.
 */
import { whenAborted } from './abort.js';

export interface BackoffTimes {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** Resolves after some time, or as soon as the signal is aborted. Keeps the process alive meanwhile. */
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

  constructor(times: BackoffTimes) {
    this.#times = times;
  }

  /** The last attempt succeeded: the next wait is the shortest again. */
  reset(): void {
    this.#attempts = 0;
  }

  /** Waits for the next attempt's turn. */
  wait(signal: AbortSignal): Promise<void> {
    return pause(this.next(), signal);
  }

  /** Milliseconds until the next attempt's turn, for those who set a timer of their own. */
  next(): number {
    const { firstMs, longestMs } = this.#times;
    const longest = Math.min(longestMs, firstMs * 2 ** this.#attempts);
    this.#attempts += 1;
    // Half of it at least, the rest by chance: those who lost the same relay do not come back together.
    return longest / 2 + Math.random() * (longest / 2);
  }
}
