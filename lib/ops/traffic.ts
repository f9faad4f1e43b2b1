/**
 * How many Data were answered, with what, by whom and how quickly, as plain numbers that whoever is interested reads now
 * and then. Costs a few nanoseconds for each Data; knows nobody who reads it.
 */

/** Upper bounds of the latency buckets in milliseconds; one more bucket holds what is above. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000,
];

/** The name of this node's own endpoints, services and refusals among the next hops. */
export const LOCAL_HOP = 'local';
/** All next hops past {@link MOST_HOPS}: labels without bound are a way to fill the memory of whoever collects. */
export const OTHER_HOPS = 'other';
const MOST_HOPS = 100;

/** Above one Data a millisecond only one in so many is timed: asking for the time is dearer than counting. */
const SAMPLED = 16;

/** The answers of one next hop. */
export class HopTraffic {
  delivered = 0;
  /** Failures that may pass: replies below 500. */
  transient = 0;
  permanent = 0;
  /** Payload octets of the Data answered. */
  octets = 0;
  /** How many of the timed ones are in each bucket; see {@link LATENCY_BOUNDS_MS}. */
  readonly buckets: number[] = new Array<number>(LATENCY_BOUNDS_MS.length + 1).fill(0);
  /** Milliseconds of all that were timed. */
  timedMs = 0;

  timed(ms: number): void {
    let at = 0;
    while (at < LATENCY_BOUNDS_MS.length && ms > (LATENCY_BOUNDS_MS[at] ?? 0)) at += 1;
    this.buckets[at] = (this.buckets[at] ?? 0) + 1;
    this.timedMs += ms;
  }
}

export class Traffic {
  readonly #hops = new Map<string, HopTraffic>();
  /** Data that are not timed before the next one that is. */
  #skip = 0;
  #last = 0;

  constructor() {
    this.#hops.set(LOCAL_HOP, new HopTraffic());
  }

  /** By next hop: {@link LOCAL_HOP}, or the domain of a relay. */
  get hops(): ReadonlyMap<string, HopTraffic> {
    return this.#hops;
  }

  /** A Data goes. @returns the time for {@link answered}, or 0 when this one is not timed */
  begin(): number {
    if (this.#skip > 0) {
      this.#skip -= 1;
      return 0;
    }
    const now = performance.now();
    if (now - this.#last < 1) this.#skip = SAMPLED - 1;
    this.#last = now;
    return now;
  }

  /**
   * A Data has its answer.
   *
   * @param relay the domain of the relay it went to; undefined for what stayed here
   * @param code undefined for ok
   * @param begun what {@link begin} returned
   */
  answered(relay: string | undefined, octets: number, code: number | undefined, begun: number): void {
    const hop = this.#hop(relay ?? LOCAL_HOP);
    if (code === undefined) hop.delivered += 1;
    else if (code < 500) hop.transient += 1;
    else hop.permanent += 1;
    hop.octets += octets;
    if (begun > 0) hop.timed(performance.now() - begun);
  }

  #hop(name: string): HopTraffic {
    const known = this.#hops.get(name);
    if (known !== undefined) return known;
    if (name !== OTHER_HOPS && this.#hops.size > MOST_HOPS) return this.#hop(OTHER_HOPS);
    const made = new HopTraffic();
    this.#hops.set(name, made);
    return made;
  }
}
