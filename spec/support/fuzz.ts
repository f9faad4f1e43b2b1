/**
 * Random and mutated inputs into readers: for any octets they throw what they are known to throw, and are not slow. The default
 * run is capped in time; `IMXP_FUZZ=1000000` runs so many inputs into each reader, `IMXP_SEED` repeats a run.
 */
import { expect } from 'chai';
import { ImxpError } from '../../lib/errors.js';
import { heapAfterCollection } from './heap.js';
import { Dice, Mutator } from './mutation.js';

const INPUTS = Number(process.env['IMXP_FUZZ'] ?? 0);
const SEED = Number(process.env['IMXP_SEED'] ?? Date.now() % 1_000_000_007);
/** Time for each reader in the default run. */
const BUDGET_MS = 300;
/** An input of 4 KiB that takes longer, time after time, has found something quadratic. */
const SLOW_MS = 500;

export const texts = (...seeds: readonly string[]): Buffer[] => seeds.map((seed) => Buffer.from(seed));

export interface Reader {
  readonly name: string;
  readonly seeds: readonly Buffer[];
  /** Whether it may throw this as well; otherwise an ImxpError, and nothing else. */
  throws?(error: unknown): boolean;
  /** Reads an input. */
  read(octets: Buffer, dice: Dice): void | Promise<void>;
}

/** Calls each, whether the one before threw or not. @throws when all of them refuse */
export function each(...reads: readonly (() => unknown)[]): void {
  let refusal: ImxpError | undefined;
  let taken = false;
  for (const read of reads) {
    try {
      read();
      taken = true;
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
      refusal = error;
    }
  }
  if (!taken && refusal !== undefined) throw refusal;
}

/** Gives octets in pieces, for those who take streams. */
export function inPieces(octets: Buffer, dice: Dice, take: (piece: Buffer) => void): void {
  for (let at = 0; at < octets.length; ) {
    const size = dice.below(4) === 0 ? 1 + dice.below(4) : 1 + dice.below(octets.length);
    // Copies, as a socket gives them.
    take(Buffer.from(octets.subarray(at, at + size)));
    at += size;
  }
}

/** Specs of so many readers, which are made when they run. */
export function fuzz(title: string, names: number, readers: () => Promise<Reader[]>): void {
  describe(title, () => {
    const rejections: unknown[] = [];
    const keep = (reason: unknown): void => void rejections.push(reason);
    let list: readonly Reader[];
    before(async () => {
      list = await readers();
      process.on('unhandledRejection', keep);
      console.log(`      seed ${SEED}${INPUTS > 0 ? `, ${INPUTS} inputs each` : `, ${BUDGET_MS} ms each`}`);
    });
    after(() => process.off('unhandledRejection', keep));

    for (let index = 0; index < names; index += 1) {
      it(`reader ${index + 1} of ${names} neither crashes nor hangs nor keeps anything`, async () => {
        const reader = list[index];
        if (reader === undefined) throw new Error('there are fewer readers');
        const { name } = reader;
        const dice = new Dice(SEED + index);
        const mutator = new Mutator(dice, reader.seeds);
        for (let i = 0; i < 200; i += 1) await attempt(reader, mutator.next(), dice);
        const before = heapAfterCollection();
        const begun = performance.now();
        let [count, refused, slowest] = [0, 0, 0];
        while (INPUTS > 0 ? count < INPUTS : performance.now() - begun < BUDGET_MS) {
          const octets = mutator.next();
          const from = performance.now();
          if (await attempt(reader, octets, dice)) refused += 1;
          const ms = performance.now() - from;
          // Again, so that a pause of the machine is not taken for a fault of ours.
          if (ms > slowest) slowest = ms > SLOW_MS ? await timed(reader, octets, dice) : ms;
          expect(slowest, `${name} ${octets.toString('base64')}`).to.be.below(SLOW_MS);
          count += 1;
          // Lets rejections come out, and the other side of the event loop.
          if (count % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        const grown = heapAfterCollection() - before;
        console.log(
          `      ${name}: ${count} inputs, ${refused} refused, slowest ${slowest.toFixed(1)} ms, heap ${grown < 0 ? '' : '+'}${Math.round(grown / 1024)} KiB`,
        );
        expect(grown, 'octets kept').to.be.below(8_000_000);
        expect(rejections).to.deep.equal([]);
      }).timeout(INPUTS > 0 ? 3_600_000 : 20_000);
    }

    it('is tried on every reader', () => {
      expect(list).to.have.length(names);
    });
  });
}

/** @returns whether it was refused */
async function attempt(reader: Reader, octets: Buffer, dice: Dice): Promise<boolean> {
  try {
    const done = reader.read(octets, dice);
    if (done instanceof Promise) await done;
    return false;
  } catch (error) {
    if (error instanceof ImxpError || reader.throws?.(error) === true) return true;
    throw new Error(`${reader.name} ${octets.toString('base64')}: ${String(error)}`, { cause: error });
  }
}

/** Milliseconds of the processor, which others may use as well: the least of some. */
async function timed(reader: Reader, octets: Buffer, dice: Dice): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round += 1) {
    const from = process.cpuUsage();
    await attempt(reader, octets, dice);
    const { user, system } = process.cpuUsage(from);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}
