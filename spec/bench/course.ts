/**
 * Courses: paths that messages take through processes whose CPU time is counted. Rounds of several courses take turns, so
 * that what else the machine does befalls them alike.
 */
import { type Latency, latencyOf } from './latency.js';
import { cpuSeconds, median, residentOctets, type Spread, spread } from './measure.js';

/** What is sent in one round. */
export interface Load {
  readonly count: number;
  readonly octets: number;
  /** Messages under way at one time; each makes room for another when the recipient's application has answered it. */
  readonly outstanding: number;
}

export interface Course {
  readonly name: string;
  /** The processes that forward. */
  readonly pids: readonly number[];
  /** What these have printed. */
  readonly output: string;
  /** @returns seconds until all are answered */
  send(load: Load): Promise<number>;
  /** Messages one after the other. @returns milliseconds of each, from sending it to the recipient's answer */
  latencies(count: number, octets: number): Promise<readonly number[]>;
  stop(): Promise<void>;
}

/** A course, and what its rounds cost. */
export class Measured {
  readonly course: Course;
  /** Messages per second. */
  readonly #rates: number[] = [];
  /** CPU seconds of all forwarding processes for 100,000 messages. */
  readonly #costs: number[] = [];
  readonly #latencies: number[] = [];

  constructor(course: Course) {
    this.course = course;
  }

  async round(load: Load): Promise<void> {
    const before = this.#used();
    const elapsed = await this.course.send(load);
    this.#rates.push(load.count / elapsed);
    this.#costs.push(((this.#used() - before) / load.count) * 100_000);
  }

  async single(count: number, octets: number): Promise<void> {
    for (const ms of await this.course.latencies(count, octets)) this.#latencies.push(ms);
  }

  get perSecond(): Spread {
    return spread(this.#rates);
  }

  get cpuPer100k(): Spread {
    return spread(this.#costs);
  }

  get latency(): Latency {
    return latencyOf(this.#latencies);
  }

  get residentOctets(): number {
    return this.course.pids.map(residentOctets).reduce((a, b) => a + b, 0);
  }

  /** The median of the ratios of the rounds: of this to another that took turns with it. */
  cpuTo(other: Measured): number {
    return median(this.#costs.map((cost, round) => cost / (other.#costs[round] ?? Number.NaN)));
  }

  #used(): number {
    return this.course.pids.map(cpuSeconds).reduce((a, b) => a + b, 0);
  }
}

export interface Rounds {
  readonly rounds: number;
  readonly load: Load;
  /** Messages one after the other in each round; none unless given. */
  readonly single?: number;
}

/** Warms up all courses, which compilers need, and lets them take turns. */
export async function takeTurns(
  courses: readonly Course[],
  { rounds, load, single = 0 }: Rounds,
  say: (text: string) => void,
): Promise<readonly Measured[]> {
  const all = courses.map((course) => new Measured(course));
  for (const course of courses) await course.send({ ...load, count: load.count });
  for (let round = 1; round <= rounds; round += 1) {
    say(`    round ${round} of ${rounds}, ${load.count} messages of ${load.octets} octets`);
    // Every second round the other way round, so that nobody is always the one who comes after the same.
    const order = round % 2 === 0 ? [...all].reverse() : all;
    for (const measured of order) await measured.round(load);
    if (single > 0) for (const measured of order) await measured.single(single, load.octets);
  }
  return all;
}

/** Stops courses, the last one first, and all of them even if one fails to. */
export async function stopAll(courses: readonly Course[]): Promise<void> {
  const outcomes: PromiseSettledResult<void>[] = [];
  for (const course of [...courses].reverse()) outcomes.push(...(await Promise.allSettled([course.stop()])));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
