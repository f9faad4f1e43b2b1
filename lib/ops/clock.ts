/** Clock that parts of a node are given: they set no timers of their own, and a spec can give them another one. */

/** Tells the time and calls back after a delay. No call keeps the process alive. */
export interface Clock {
  /** Milliseconds on a monotonic clock; for durations. */
  now(): number;
  /** Milliseconds since 1970; for what outlives the process and for dates that people read. */
  wall(): number;
  /**
   * Calls `ring` once after that many milliseconds.
   *
   * @returns a function that cancels the call
   */
  after(ms: number, ring: () => void): () => void;
  /**
   * Calls `tick` about ten times a second.
   *
   * @returns a function that ends the calls
   */
  ticking(tick: () => void): () => void;
}

/** Tells the time and never calls back: for a relay that was given no clock. */
export const TIMERLESS_CLOCK: Clock = Object.freeze({
  now: () => performance.now(),
  wall: () => Date.now(),
  after: () => () => {},
  ticking: () => () => {},
});
