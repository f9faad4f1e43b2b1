/** The time as services see it: they set no timers of their own. Implemented over the ticker of the process. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Calls `tick` several times a second until the returned function is called. It never keeps the process alive.
   */
  ticking(tick: () => void): () => void;
}
