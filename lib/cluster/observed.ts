/**
 * Leases as a node has watched them: how long each has not been renewed, by the monotonic clock of this node. Clocks of other
 * machines, and that of the database, need not be right for that.
 */
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
    const seen = new Map<string, Seen>();
    for (const [name, state] of leases) {
      const before = this.#seen.get(name);
      seen.set(name, before?.state === state ? before : { state, at: now });
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
