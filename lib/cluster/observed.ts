/**
 * Leases as a node has watched them: how long each has not been renewed, by the monotonic clock of this node. Clocks of other
 * machines, and that of the database, need not be right for that.
 */
/** Who looks every second, and has not for so long, could not: perhaps the holder of a lease could not renew it either. */
const LONGEST_GAP_MS = 2500;

/** Share of a lease that its holder relies on: clocks of machines do not run at exactly the same rate. */
const RELIED = 0.9;
/** How much longer than a lease it is watched before it is taken over. */
const WATCHED = 1.1;

/** For how long the holder of a lease relies on it, milliseconds from before it was asked for. */
export function reliedMs(leaseMs: number): number {
  return leaseMs * RELIED;
}

/** For how long a lease must not have been renewed before another takes it over, milliseconds. */
export function watchedMs(leaseMs: number): number {
  return leaseMs * WATCHED;
}

interface Seen {
  readonly state: string;
  readonly at: number;
}

export class ObservedLeases {
  #seen = new Map<string, Seen>();
  #lookedAt = 0;

  /** What all leases are now. @param leases name and state of each; the state changes with every renewal */
  look(leases: Iterable<readonly [name: string, state: string]>): void {
    const now = performance.now();
    // After a time without the database all have the time of a lease again.
    const missed = Math.max(0, now - this.#lookedAt - LONGEST_GAP_MS);
    const seen = new Map<string, Seen>();
    for (const [name, state] of leases) {
      const before = this.#seen.get(name);
      seen.set(name, { state, at: before?.state === state ? before.at + missed : now });
    }
    this.#seen = seen;
    this.#lookedAt = now;
  }

  /**
   * For how many milliseconds a lease had not been renewed when it was looked at last; 0 for one that was not seen. Who does not
   * look learns nothing: without the database no lease is over.
   */
  idleMs(name: string): number {
    const at = this.#seen.get(name)?.at;
    return at === undefined ? 0 : this.#lookedAt - at;
  }
}
