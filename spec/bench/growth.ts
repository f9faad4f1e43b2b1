/**
 * What grows with the size of messages, with endpoints that are attached and silent, and with routes: CPU time of two relays,
 * or of one, for the same messages.
 */
import { type Course, type Measured, stopAll, takeTurns } from './course.js';
import { Endpoints } from './endpoints.js';
import type { Spread } from './measure.js';
import { TCP } from './mesh.js';
import { RelayCourse } from './relay-course.js';
import type { Setting } from './setting.js';

export interface GrowthResult {
  readonly what: string;
  readonly perSecond: Spread;
  readonly cpuPer100k: Spread;
  /** CPU time to that of the first of its kind. */
  readonly cpuToFirst: number;
  /** The same to the other build; undefined without one. */
  readonly cpuToOther: number | undefined;
  readonly residentOctets: number;
}

const OCTETS = 100;
const OUTSTANDING = 256;
const SIZES = [100, 1000, 10_000, 100_000, 1_000_000];
/** Octets that are under way at one time. */
const WINDOW_OCTETS = 8_000_000;
const QUICK_ROUND_OCTETS = 50_000_000;
const ROUND_OCTETS = 200_000_000;

export async function growth(setting: Setting, say: (text: string) => void): Promise<readonly GrowthResult[]> {
  const { quick } = setting;
  const idle = quick ? [0, 1000, 5000] : [0, 1000, 5000, 15_000];
  const routes = quick ? [1, 1000] : [1, 1000, 10_000];
  return [
    ...(await sizes(setting, say)),
    ...(await endpoints(setting, idle, say)),
    ...(await table(setting, routes, say)),
  ];
}

async function sizes(setting: Setting, say: (text: string) => void): Promise<readonly GrowthResult[]> {
  const { quick } = setting;
  say('  growth with the size of messages, two relays');
  const courses: Course[] = [];
  const results: GrowthResult[] = [];
  try {
    courses.push(...(await builds('two relays', setting, (build) => ({ way: TCP, relays: 2, start: build }))));
    let first: Spread | undefined;
    for (const octets of SIZES) {
      const count = Math.max(50, Math.min(20_000, Math.ceil((quick ? QUICK_ROUND_OCTETS : ROUND_OCTETS) / octets)));
      const outstanding = Math.max(8, Math.min(OUTSTANDING, Math.floor(WINDOW_OCTETS / octets)));
      const measured = await takeTurns(courses, { rounds: quick ? 4 : 6, load: { count, octets, outstanding } }, say);
      for (const one of ofOwnBuild(measured, setting)) {
        first ??= one.cpuPer100k;
        const cpuToFirst = one.cpuPer100k.median / first.median;
        results.push({ ...resultOf(one, measured, setting), what: `messages of ${octets} octets`, cpuToFirst });
      }
    }
  } finally {
    await stopAll(courses);
  }
  return results;
}

async function endpoints(
  setting: Setting,
  counts: readonly number[],
  say: (text: string) => void,
): Promise<readonly GrowthResult[]> {
  say('  growth with idle endpoints, one relay');
  const courses: RelayCourse[] = [];
  const crowds: Endpoints[] = [];
  try {
    for (const count of counts) {
      const some = await builds(`${count} idle endpoints`, setting, (start) => ({ way: TCP, relays: 1, start }));
      for (const course of some) {
        courses.push(course);
        if (count === 0) continue;
        const crowd = new Endpoints({ port: course.mesh.first.port, keep: true, resume: false, task: 'logins' });
        crowds.push(crowd);
        await crowd.attach(count);
      }
    }
    return await grown(courses, setting, say);
  } finally {
    for (const crowd of crowds) crowd.stop();
    await stopAll(courses);
  }
}

async function table(
  setting: Setting,
  counts: readonly number[],
  say: (text: string) => void,
): Promise<readonly GrowthResult[]> {
  say('  growth with routes, two relays');
  const courses: RelayCourse[] = [];
  try {
    for (const count of counts) {
      const options = (start: object): Options => ({ way: TCP, relays: 2, start: { ...start, routes: count - 1 } });
      courses.push(...(await builds(`${count} routes`, setting, options)));
    }
    return await grown(courses, setting, say);
  } finally {
    await stopAll(courses);
  }
}

async function grown(
  courses: readonly RelayCourse[],
  setting: Setting,
  say: (text: string) => void,
): Promise<readonly GrowthResult[]> {
  const load = { count: setting.quick ? 20_000 : 50_000, octets: OCTETS, outstanding: OUTSTANDING };
  const measured = await takeTurns(courses, { rounds: setting.quick ? 4 : 6, load }, say);
  return ofOwnBuild(measured, setting).map((one) => resultOf(one, measured, setting));
}

function resultOf(one: Measured, all: readonly Measured[], { against }: Setting): GrowthResult {
  const [first = one] = all;
  const other = all[all.indexOf(one) + 1];
  return {
    what: one.course.name,
    perSecond: one.perSecond,
    cpuPer100k: one.cpuPer100k,
    cpuToFirst: one.cpuTo(first),
    cpuToOther: against === undefined || other === undefined ? undefined : one.cpuTo(other),
    residentOctets: one.residentOctets,
  };
}

/** Every second one, where another build takes turns with this one. */
const ofOwnBuild = (all: readonly Measured[], { against }: Setting): readonly Measured[] =>
  against === undefined ? all : all.filter((_, at) => at % 2 === 0);

type Options = Parameters<typeof RelayCourse.start>[1];

/** This build, and after it the other one if there is one. */
async function builds(
  name: string,
  { against }: Setting,
  options: (start: { readonly build?: string }) => Options,
): Promise<readonly RelayCourse[]> {
  const own = await RelayCourse.start(name, options({}));
  if (against === undefined) return [own];
  return [own, await RelayCourse.start(`${name}, ${against}`, options({ build: against }))];
}
