/**
 * Data through one relay and through two, over each transport, beside the floor: throughput, CPU time and latency, in
 * rounds that take turns, with sender and recipient in processes of their own.
 */
import { type Course, stopAll, takeTurns } from './course.js';
import { FloorCourse } from './floor.js';
import type { Latency } from './latency.js';
import type { Spread } from './measure.js';
import type { Way } from './mesh.js';
import { RelayCourse } from './relay-course.js';
import type { Setting } from './setting.js';

export interface PathResult {
  readonly path: string;
  readonly octets: number;
  readonly perSecond: Spread;
  /** CPU seconds of the forwarding processes for 100,000 messages. */
  readonly cpuPer100k: Spread;
  readonly cpuToFloor: number;
  /** The same to TCP without TLS, over as many relays; undefined for the floor. */
  readonly cpuToTcp: number | undefined;
  /** The same to the other build; undefined without one. */
  readonly cpuToOther: number | undefined;
  readonly rateToFloor: number;
  readonly latency: Latency;
}

const OCTETS = 100;
const OUTSTANDING = 256;

/** The section of the benchmark about paths. */
export async function paths(setting: Setting, say: (text: string) => void): Promise<readonly PathResult[]> {
  const { quick, against, ways } = setting;
  say(`  paths: ${OCTETS} octets, ${OUTSTANDING} outstanding`);
  const results: PathResult[] = [];
  for (const relays of [1, 2] as const) {
    const courses: Course[] = [];
    try {
      courses.push(await FloorCourse.start());
      for (const way of ways) courses.push(...(await builds(way, relays, against)));
      const measured = await takeTurns(
        courses,
        {
          rounds: quick ? 4 : 6,
          load: { count: quick ? 20_000 : 50_000, octets: OCTETS, outstanding: OUTSTANDING },
          single: quick ? 500 : 2000,
        },
        say,
      );
      const [floor] = measured;
      if (floor === undefined) continue;
      for (const one of measured) {
        if (one === floor && relays === 2) continue;
        const at = measured.indexOf(one);
        const tcp = measured.find(({ course: { name } }) => name === nameOf('TCP', relays));
        results.push({
          path: one.course.name,
          octets: OCTETS,
          perSecond: one.perSecond,
          cpuPer100k: one.cpuPer100k,
          cpuToFloor: one.cpuTo(floor),
          cpuToTcp: one === floor || tcp === undefined ? undefined : one.cpuTo(tcp),
          cpuToOther: against === undefined || at % 2 === 0 ? undefined : one.cpuTo(measured[at + 1] ?? one),
          rateToFloor: one.perSecond.median / floor.perSecond.median,
          latency: one.latency,
        });
      }
    } finally {
      await stopAll(courses);
    }
  }
  return results;
}

const nameOf = (way: string, relays: 1 | 2): string => `${relays === 1 ? 'one relay' : 'two relays'}, ${way}`;

/** This build, and after it the other one if there is one. */
async function builds(way: Way, relays: 1 | 2, against: string | undefined): Promise<readonly Course[]> {
  const name = nameOf(way.name, relays);
  const own = await RelayCourse.start(name, { way, relays });
  if (against === undefined) return [own];
  return [own, await RelayCourse.start(`${name}, ${against}`, { way, relays, start: { build: against } })];
}
