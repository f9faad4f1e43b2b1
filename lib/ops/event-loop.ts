/** Measures how late the event loop is. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

export interface Lag {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const RESOLUTION_MS = 20;
const NANOSECONDS = 1e6;
/** Interval within which readers get the same figures, so that two readers do not take them from each other. */
const PERIOD_MS = 1000;

export class EventLoop {
  readonly #delays: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #lag: Lag = { p50: 0, p99: 0, max: 0 };
  #since = performance.now();

  constructor() {
    this.#delays.enable();
  }

  /** Returns the delay in milliseconds since the last reading, which was at least a second ago. */
  lag(): Lag {
    const now = performance.now();
    if (now - this.#since < PERIOD_MS) return this.#lag;
    this.#since = now;
    if (this.#delays.count > 0) {
      const late = (nanoseconds: number): number => Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION_MS);
      const { max } = this.#delays;
      this.#lag = {
        p50: late(this.#delays.percentile(50)),
        p99: late(this.#delays.percentile(99)),
        max: late(max),
      };
      this.#delays.reset();
    }
    return this.#lag;
  }

  stop(): void {
    this.#delays.disable();
  }
}
