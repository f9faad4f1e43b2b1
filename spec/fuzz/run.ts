/**
 * Runs mutated inputs into one reader: for any octets it takes them or throws what it is known to throw, is not slow, and
 * keeps nothing. An input that fails is made as small as it still fails with.
 */
import { ImxpError } from '../../lib/errors.js';
import { heapAfterCollection } from '../support/heap.js';
import { Dice, Mutator } from '../support/mutation.js';
import type { Reader } from './reader.js';

export interface RunLimits {
  readonly seed: number;
  /** How long to go on, unless `inputs` is given. */
  readonly ms: number;
  readonly inputs?: number | undefined;
}

export interface RunResult {
  readonly inputs: number;
  readonly refused: number;
  readonly slowestMs: number;
  /** Octets by which the heap grew. */
  readonly grown: number;
  /** Undefined when nothing failed. */
  readonly failure: Failure | undefined;
}

export interface Failure {
  readonly why: string;
  /** The smallest input found that fails alike. */
  readonly octets: Buffer;
}

/** An input of 4 KiB that takes longer, time after time, has found something quadratic. */
const SLOW_MS = 500;
/** What a reader may keep of all inputs together. */
const KEPT_OCTETS = 8_000_000;
const WARM_UP = 200;
/** A whole handshake takes a tenth of a second. */
const WARM_UP_MS = 5000;
/** How many smaller inputs are tried at most. */
const SHRINKING = 4000;

/** @throws what the reader throws unexpectedly while it warms up, as an Error that names the input */
export async function run(reader: Reader, { seed, ms, inputs }: RunLimits): Promise<RunResult> {
  const dice = new Dice(seed);
  const mutator = new Mutator(dice, reader.seeds);
  const rejections: unknown[] = [];
  const keep = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', keep);
  try {
    let failure: Failure | undefined;
    const warmUntil = performance.now() + WARM_UP_MS;
    for (let i = 0; i < WARM_UP && performance.now() < warmUntil && failure === undefined; i += 1) {
      failure = await failing(reader, mutator.next(), seed);
    }
    const before = heapAfterCollection();
    const begun = performance.now();
    let [count, refused, slowestMs] = [0, 0, 0];
    while (failure === undefined && (inputs === undefined ? performance.now() - begun < ms : count < inputs)) {
      const octets = mutator.next();
      const from = performance.now();
      const verdict = await attempt(reader, octets, seed);
      const took = performance.now() - from;
      count += 1;
      if (verdict === 'refused') refused += 1;
      else if (verdict !== 'taken') failure = await smallest(reader, octets, seed, verdict);
      // Again, so that a pause of the machine is not taken for a fault of ours.
      const own = took > SLOW_MS ? await leastMs(reader, octets, seed) : took;
      slowestMs = Math.max(slowestMs, own);
      if (own > SLOW_MS) failure ??= { why: `takes ${Math.round(own)} ms`, octets };
      // Lets rejections come out, and the other side of the event loop.
      if (count % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (rejections.length > 0) failure ??= { why: `leaves a rejection: ${String(rejections[0])}`, octets };
    }
    const grown = heapAfterCollection() - before;
    if (grown > KEPT_OCTETS) failure ??= { why: `keeps ${grown} octets of ${count} inputs`, octets: Buffer.alloc(0) };
    return { inputs: count, refused, slowestMs, grown, failure };
  } finally {
    process.off('unhandledRejection', keep);
  }
}

/** Why a reader fails with an input, or undefined. */
export async function failing(reader: Reader, octets: Buffer, seed: number): Promise<Failure | undefined> {
  const verdict = await attempt(reader, octets, seed);
  return verdict === 'taken' || verdict === 'refused' ? undefined : smallest(reader, octets, seed, verdict);
}

type Verdict = 'taken' | 'refused' | { readonly why: string };

/** Each input has dice of its own, so that it does the same whenever it is tried again. */
async function attempt(reader: Reader, octets: Buffer, seed: number): Promise<Verdict> {
  try {
    const done = reader.read(Buffer.from(octets), new Dice(seed ^ octets.length));
    if (done instanceof Promise) await done;
    return 'taken';
  } catch (error) {
    if (error instanceof ImxpError || reader.throws?.(error) === true) return 'refused';
    return { why: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

/** Cuts pieces out, from halves to single octets, as long as what is left fails in the same way. */
async function smallest(reader: Reader, octets: Buffer, seed: number, { why }: { why: string }): Promise<Failure> {
  const kind = kindOf(why);
  let best = octets;
  let tries = 0;
  for (let size = best.length >> 1; size >= 1 && tries < SHRINKING; size >>= 1) {
    for (let at = 0; at < best.length && tries < SHRINKING; ) {
      const less = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      tries += 1;
      const verdict = await attempt(reader, less, seed);
      if (typeof verdict === 'object' && kindOf(verdict.why) === kind) best = less;
      else at += size;
    }
  }
  return { why, octets: best };
}

/** Messages differ by what the input is; the same fault says the same without it. */
function kindOf(why: string): string {
  return why.replace(/\d+|'[^']*'|"[^"]*"/g, '').slice(0, 60);
}

/** Milliseconds of the processor, which others may use as well: the least of some. */
async function leastMs(reader: Reader, octets: Buffer, seed: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round += 1) {
    const from = process.cpuUsage();
    await attempt(reader, octets, seed);
    const { user, system } = process.cpuUsage(from);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}
