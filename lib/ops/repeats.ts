/**
 * Limits repeated items: the first ones pass, and the others are counted and reported once per interval. Memory is
 * bounded, however many different items repeat.
 */
export interface RepeatLimits {
  /** Number of one kind that pass before the rest is counted. */
  readonly first: number;
  readonly intervalMs: number;
  /** Number of kinds that are told apart; all others count as one. */
  readonly kinds: number;
}

interface Kind<Thing> {
  since: number;
  admitted: number;
  suppressed: number;
  last: Thing;
}

/** Kind of everything beyond that number. */
const OTHERS = '';

export class Repeats<Thing> {
  readonly #limits: RepeatLimits;
  readonly #told: (last: Thing, count: number) => void;
  readonly #now: () => number;
  readonly #kinds = new Map<string, Kind<Thing>>();

  /**
   * @param told receives the last suppressed item of a kind, and their number
   * @param now milliseconds on a monotonic clock
   */
  constructor(limits: RepeatLimits, told: (last: Thing, count: number) => void, now = () => performance.now()) {
    this.#limits = limits;
    this.#told = told;
    this.#now = now;
  }

  /** @returns whether this item passes */
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

  /** Reports what was suppressed in the intervals that are over; should be called about once per interval. */
  sweep(): void {
    for (const [key, kind] of this.#kinds) this.#over(key, kind);
  }

  /** Reports everything that was suppressed. */
  end(): void {
    for (const { suppressed, last } of this.#kinds.values()) if (suppressed > 0) this.#told(last, suppressed);
    this.#kinds.clear();
  }

  /**
   * Ends the interval of a kind if it is over; a kind that continued does not pass again before an interval without it.
   */
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
