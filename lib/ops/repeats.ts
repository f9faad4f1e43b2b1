/**
 * Lets the first of what repeats itself through, and counts the rest: one word about them each interval. Bounded in memory,
 * however many different things repeat themselves. Knows no log and no timer.
 */
export interface RepeatLimits {
  /** How many of one kind are let through before the rest is counted. */
  readonly first: number;
  readonly intervalMs: number;
  /** Kinds told apart; all others count as one. */
  readonly kinds: number;
}

interface Kind<Thing> {
  since: number;
  admitted: number;
  suppressed: number;
  last: Thing;
}

/** For kinds past the limit on them. */
const OTHERS = '';

export class Repeats<Thing> {
  readonly #limits: RepeatLimits;
  readonly #told: (last: Thing, count: number) => void;
  readonly #now: () => number;
  readonly #kinds = new Map<string, Kind<Thing>>();

  /**
   * @param told of the last of those that were held back, and how many they were
   * @param now milliseconds on a monotonic clock
   */
  constructor(limits: RepeatLimits, told: (last: Thing, count: number) => void, now = () => performance.now()) {
    this.#limits = limits;
    this.#told = told;
    this.#now = now;
  }

  /** @returns whether this one is let through */
  admit(name: string, thing: Thing): boolean {
    const key = this.#kinds.has(name) || this.#kinds.size < this.#limits.kinds ? name : OTHERS;
    let kind = this.#kinds.get(key);
    if (kind !== undefined && this.#over(key, kind)) kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = { since: this.#now(), admitted: 0, suppressed: 0, last: thing };
      this.#kinds.set(key, kind);
    }
    if (kind.admitted < this.#limits.first) {
      kind.admitted += 1;
      return true;
    }
    kind.suppressed += 1;
    kind.last = thing;
    return false;
  }

  /** Tells of what was held back in the intervals that are over; to be called about as often. */
  sweep(): void {
    for (const [key, kind] of this.#kinds) this.#over(key, kind);
  }

  /** Tells of everything that was held back. */
  end(): void {
    for (const { suppressed, last } of this.#kinds.values()) if (suppressed > 0) this.#told(last, suppressed);
    this.#kinds.clear();
  }

  /** Ends the interval of a kind if it is time; one that went on is not let through again before it was quiet. */
  #over(key: string, kind: Kind<Thing>): boolean {
    const now = this.#now();
    if (now - kind.since < this.#limits.intervalMs) return false;
    if (kind.suppressed === 0) {
      this.#kinds.delete(key);
      return true;
    }
    const { suppressed, last } = kind;
    kind.since = now;
    kind.suppressed = 0;
    this.#told(last, suppressed);
    return true;
  }
}
