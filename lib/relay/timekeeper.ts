/** Time as the relay needs it for Data that ask for it (RFC 3342 §2); `wire` keeps it, the relay sets no timers. */
export interface Timekeeper {
  /** Milliseconds on a monotonic clock. */
  now(): number;
  /** Milliseconds since 1970, for what outlives the process. */
  wall(): number;
  /**
   * Calls `ring` once when so many milliseconds have passed; never keeps the process alive.
   *
   * @returns what calls it off
   */
  after(ms: number, ring: () => void): () => void;
}

/** Tells the time and never rings: for a relay that was given no clock. */
export const SILENT: Timekeeper = Object.freeze({
  now: () => performance.now(),
  wall: () => Date.now(),
  after: () => () => {},
});
