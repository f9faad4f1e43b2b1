/** Counters of the presence service since the start, as plain numbers that are sampled. */
export class Counts {
  /** Entries replaced, by publishers or because an endpoint was attached. */
  entries = 0;
  /** Operations sent, by element. */
  publish = 0;
  notify = 0;
  terminate = 0;
  /** Publish and notify operations that did not arrive. */
  failed = 0;
}
