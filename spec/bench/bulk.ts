/**
 * Large messages over two relays, with sender and recipient in processes of their own, beside two processes that forward
 * octets.
 */
import { type Course, type Measured, stopAll, takeTurns } from './course.js';
import { BulkFloor } from './floor.js';
import { cpuSeconds, type Spread } from './measure.js';
import { RelayCourse } from './relay-course.js';
import type { Setting } from './setting.js';

export interface BulkResult {
  readonly path: string;
  readonly messageOctets: number;
  readonly megabytesPerSecond: Spread;
  /** CPU seconds of both forwarding processes for a gigabyte. */
  readonly cpuPerGigabyte: Spread;
  readonly cpuToFloor: number;
  /** The same to the other build; undefined without one. */
  readonly cpuToOther: number | undefined;
  /** CPU seconds of the sender and of the recipient for a gigabyte; undefined for the floor. */
  readonly senderPerGigabyte: number | undefined;
  readonly recipientPerGigabyte: number | undefined;
  /** Of both relays together; undefined without `--trace-gc`. */
  readonly collections: Collections | undefined;
}

/** What the garbage collectors of both relays did in all rounds. */
export interface Collections {
  readonly scavenges: number;
  readonly markCompacts: number;
  readonly pauseMs: number;
  readonly messages: number;
}

export interface BulkOptions extends Setting {
  /** Have the relays trace their garbage collections, and count them. */
  readonly traceGc: boolean;
}

const SIZES = [1_048_576, 100_000] as const;
const OUTSTANDING = 8;
const ROUND_OCTETS = 300_000_000;
const QUICK_ROUND_OCTETS = 100_000_000;

/** The section of the benchmark about large messages. */
export async function bulk(options: BulkOptions, say: (text: string) => void): Promise<readonly BulkResult[]> {
  const { quick, against, ways, traceGc } = options;
  const node = traceGc ? ['--trace-gc'] : [];
  const courses: Course[] = [];
  const results: BulkResult[] = [];
  say('  bulk: large messages over two relays');
  try {
    courses.push(await BulkFloor.start());
    for (const way of ways) {
      const name = `two relays, ${way.name}`;
      courses.push(await RelayCourse.start(name, { way, relays: 2, start: { node } }));
      if (against === undefined) continue;
      const start = { node, build: against };
      courses.push(await RelayCourse.start(`${name}, ${against}`, { way, relays: 2, start }));
    }
    for (const octets of SIZES) {
      const count = Math.ceil((quick ? QUICK_ROUND_OCTETS : ROUND_OCTETS) / octets);
      const rounds = quick ? 4 : 6;
      const before = courses.map(peersUsed);
      const printed = courses.map(({ output }) => output.length);
      const measured = await takeTurns(courses, { rounds, load: { count, octets, outstanding: OUTSTANDING } }, say);
      const sent = count * (rounds + 1);
      for (const [at, one] of measured.entries()) {
        const used = peersUsed(one.course);
        const each = (index: 0 | 1): number | undefined =>
          used === undefined ? undefined : ((used[index] - (before[at]?.[index] ?? 0)) / (sent * octets)) * 1e9;
        results.push({
          ...resultOf(one, measured, options, octets),
          senderPerGigabyte: each(0),
          recipientPerGigabyte: each(1),
          collections: traceGc && at > 0 ? collectionsIn(one.course.output.slice(printed[at]), sent) : undefined,
        });
      }
    }
  } finally {
    await stopAll(courses);
  }
  return results;
}

type Costs = Omit<BulkResult, 'senderPerGigabyte' | 'recipientPerGigabyte' | 'collections'>;

function resultOf(one: Measured, all: readonly Measured[], { against }: Setting, octets: number): Costs {
  const at = all.indexOf(one);
  const other = all[at + 1];
  return {
    path: one.course.name,
    messageOctets: octets,
    megabytesPerSecond: scaled(one.perSecond, octets / 1e6),
    cpuPerGigabyte: scaled(one.cpuPer100k, 1e4 / octets),
    cpuToFloor: one.cpuTo(all[0] ?? one),
    cpuToOther: against === undefined || other === undefined || at % 2 === 0 ? undefined : one.cpuTo(other),
  };
}

const scaled = ({ median, minimum, maximum }: Spread, by: number): Spread => ({
  median: median * by,
  minimum: minimum * by,
  maximum: maximum * by,
});

/** CPU seconds of sender and recipient so far. */
function peersUsed(course: Course): readonly [number, number] | undefined {
  if (!(course instanceof RelayCourse)) return undefined;
  const [sender, recipient] = course.clientPids;
  return [cpuSeconds(sender), cpuSeconds(recipient)];
}

/** Reads the lines that Node prints with --trace-gc. */
function collectionsIn(output: string, messages: number): Collections {
  const found = [...output.matchAll(/\b(Scavenge|Mark-Compact)\b.*? MB, ([\d.]+) \/ /g)];
  return {
    scavenges: found.filter(([, kind]) => kind === 'Scavenge').length,
    markCompacts: found.filter(([, kind]) => kind === 'Mark-Compact').length,
    pauseMs: found.reduce((total, [, , ms]) => total + Number(ms), 0),
    messages,
  };
}
