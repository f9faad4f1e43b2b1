/**
 * Counts answered Data operations by next hop, result and latency, as plain numbers that are sampled. Costs a few
 * nanoseconds for each operation.
 */

/** Upper bounds of the latency buckets in milliseconds; one more bucket has everything above. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000,
];

/** Name of this node's own endpoints, services and refusals among the next hops. */
export const LOCAL_HOP = 'local';
/** All next hops beyond {@link MOST_HOPS}: an unbounded number of labels would fill the memory of metric collectors. */
export const OTHER_HOPS = 'other';
const MOST_HOPS = 100;

/**
 * Above one operation a millisecond only one in so many is timed, because reading the clock costs more than counting.
 */
const SAMPLED = 16;

/** Answers of one next hop. */
export class HopTraffic {
  delivered = 0;
  /** Transient failures: replies below 500. */
  transient = 0;
  permanent = 0;
  /** Payload octets of the answered operations. */
  octets = 0;
  /** Number of timed operations in each bucket; see {@link LATENCY_BOUNDS_MS}. */
  readonly buckets: number[] = new Array<number>(LATENCY_BOUNDS_MS.length + 1).fill(0);
  /** Milliseconds of all timed operations. */
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
  /** Number of operations that are not timed before the next one that is. */
  #skip = 0;
  #last = 0;

  constructor() {
    this.#hops.set(LOCAL_HOP, new HopTraffic());
  }

  /** By next hop: {@link LOCAL_HOP}, or the domain of a relay. */
  get hops(): ReadonlyMap<string, HopTraffic> {
    return this.#hops;
  }

  /**
   * Begins a Data operation.
   *
   * @returns the time for {@link answered}, or 0 if this one is not timed
   */
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
   * Counts an answer.
   *
   * @param relay the domain of the relay it went to; undefined if it stayed here
   * @param code undefined for `ok`
   * @param begun the result of {@link begin}
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
