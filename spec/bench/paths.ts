/** Data through one relay and through two, over each transport, beside the floor: throughput, CPU time and latency. */
import { Floor } from './floor.js';
import { type Bucket, histogram } from './histogram.js';
import { latencies, type Submit, saturate } from './load.js';
import { cpuSeconds, median, percentile } from './measure.js';
import { BARNEY, FRED, Mesh, submitting, WAYS, type Way, WILMA } from './mesh.js';

/** Milliseconds of messages sent one after the other, each until its answer. */
export interface Latency {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maximumMs: number;
  readonly histogram: readonly Bucket[];
}

export interface PathResult {
  readonly path: string;
  readonly octets: number;
  readonly perSecond: number;
  /** CPU seconds of the forwarding processes for 100,000 messages. */
  readonly cpuPer100k: number;
  readonly cpuToFloor: number;
  readonly rateToFloor: number;
  readonly latency: Latency;
}

type Measured = Omit<PathResult, 'cpuToFloor' | 'rateToFloor'>;

const OCTETS = 100;
const OUTSTANDING = 256;

/** The section of the benchmark about paths. */
export class Paths {
  readonly #quick: boolean;
  readonly #say: (text: string) => void;
  readonly #results: PathResult[] = [];

  constructor(quick: boolean, say: (text: string) => void) {
    this.#quick = quick;
    this.#say = say;
  }

  async run(): Promise<readonly PathResult[]> {
    const floor = await Floor.start(OCTETS);
    const base = await this.#path('floor: two line forwarders', floor.submit, floor.pids);
    floor.stop();
    this.#results.push(against(base, base));
    for (const way of WAYS) await this.#way(way, base);
    return this.#results;
  }

  async #way(way: Way, base: Measured): Promise<void> {
    const mesh = await Mesh.start(way);
    try {
      const fred = await mesh.attach(FRED);
      const wilma = await mesh.attach(WILMA);
      const barney = await mesh.attach(BARNEY);
      const [first] = mesh.pids;
      const one = await this.#path(`one relay, ${way.name}`, submitting(fred, WILMA, OCTETS), [first]);
      const two = await this.#path(`two relays, ${way.name}`, submitting(fred, BARNEY, OCTETS), mesh.pids);
      this.#results.push(against(base, one), against(base, two));
      for (const peer of [fred, wilma, barney]) await peer.leave();
    } finally {
      await mesh.stop();
    }
  }

  /** Throughput and CPU in rounds, the median of each; then single messages for the latency. */
  async #path(name: string, submit: Submit, pids: readonly number[]): Promise<Measured> {
    this.#say(`  ${name}, ${OCTETS} octets`);
    const count = this.#quick ? 20_000 : 100_000;
    await saturate(submit, count / 4, OUTSTANDING); // warm-up: compilers need it
    const rates: number[] = [];
    const costs: number[] = [];
    for (let round = 0; round < (this.#quick ? 1 : 3); round += 1) {
      const before = used(pids);
      const { perSecond } = await saturate(submit, count, OUTSTANDING);
      rates.push(perSecond);
      costs.push(((used(pids) - before) / count) * 100_000);
    }
    return {
      path: name,
      octets: OCTETS,
      perSecond: median(rates),
      cpuPer100k: median(costs),
      latency: latencyOf(await latencies(submit, this.#quick ? 2000 : 10_000)),
    };
  }
}

/** CPU seconds of some processes together. */
function used(pids: readonly number[]): number {
  return pids.map(cpuSeconds).reduce((a, b) => a + b, 0);
}

function latencyOf(sorted: readonly number[]): Latency {
  return {
    p50Ms: percentile(sorted, 0.5),
    p90Ms: percentile(sorted, 0.9),
    p95Ms: percentile(sorted, 0.95),
    p99Ms: percentile(sorted, 0.99),
    p999Ms: percentile(sorted, 0.999),
    maximumMs: percentile(sorted, 1),
    histogram: histogram(sorted),
  };
}

function against(floor: Measured, result: Measured): PathResult {
  return {
    ...result,
    cpuToFloor: result.cpuPer100k / floor.cpuPer100k,
    rateToFloor: result.perSecond / floor.perSecond,
  };
}
