/** The time, and timers for the few Data that ask to be timed; all other time limits go by the ticker. */

const LONGEST_MS = 2_147_483_647;

export class AlarmClock {
  /** Milliseconds on a monotonic clock. */
  now(): number {
    return performance.now();
  }

  /** Milliseconds since 1970. */
  wall(): number {
    return Date.now();
  }

  /** Calls `ring` once when so many milliseconds have passed. @returns what calls it off */
  after(ms: number, ring: () => void): () => void {
    const timer = setTimeout(ring, Math.min(Math.max(0, Math.ceil(ms)), LONGEST_MS));
    timer.unref();
    return () => clearTimeout(timer);
  }
}
