/**
 * Large messages over two relays, with sender and recipient in processes of their own. Rounds of all paths take turns, so
 * that what else the machine does befalls them alike; of each figure the median and the extremes are given.
 */
import { fileURLToPath } from 'node:url';
import { Command } from '../support/node-process.js';
import type { BulkPeer } from './bulk-peer.js';
import { BulkFloor } from './floor.js';
import { cpuSeconds, type Spread, spread } from './measure.js';
import { Mesh, WAYS, type Way } from './mesh.js';

export interface BulkResult {
  readonly path: string;
  readonly messageOctets: number;
  readonly megabytesPerSecond: Spread;
  /** CPU seconds of both forwarding processes for a gigabyte. */
  readonly cpuPerGigabyte: Spread;
  readonly cpuToFloor: number;
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

export interface BulkOptions {
  readonly quick: boolean;
  /** A directory with another build of the project, to be compared in the same rounds. */
  readonly against: string | undefined;
  /** Have the relays trace their garbage collections, and count them. */
  readonly traceGc: boolean;
}

const SIZES = [1_048_576, 100_000] as const;
const ROUND_OCTETS = 300_000_000;
const QUICK_ROUND_OCTETS = 100_000_000;

/** A path that large messages take, and what it cost in each round. */
abstract class Course {
  readonly path: string;
  readonly rates = new Map<number, number[]>();
  readonly costs = new Map<number, number[]>();
  readonly traces = new Map<number, Collections>();

  constructor(path: string) {
    this.path = path;
  }

  abstract readonly pids: readonly number[];
  /** What the forwarding processes have printed. */
  abstract readonly output: string;
  /** @returns seconds */
  abstract send(count: number, octets: number): Promise<number>;
  abstract stop(): Promise<void>;

  async round(count: number, octets: number): Promise<void> {
    const before = this.#used();
    const printed = this.output.length;
    const elapsed = await this.send(count, octets);
    push(this.rates, octets, (count * octets) / 1e6 / elapsed);
    push(this.costs, octets, ((this.#used() - before) / (count * octets)) * 1e9);
    this.traces.set(octets, sum(this.traces.get(octets), collectionsIn(this.output.slice(printed), count)));
  }

  #used(): number {
    return this.pids.map(cpuSeconds).reduce((a, b) => a + b, 0);
  }
}

class FloorCourse extends Course {
  readonly #floor: BulkFloor;
  readonly output = '';

  constructor(floor: BulkFloor) {
    super('floor: two octet forwarders');
    this.#floor = floor;
  }

  get pids(): readonly number[] {
    return this.#floor.pids;
  }

  send(count: number, octets: number): Promise<number> {
    return this.#floor.send(count * octets);
  }

  stop(): Promise<void> {
    this.#floor.stop();
    return Promise.resolve();
  }
}

class RelayCourse extends Course {
  readonly #mesh: Mesh;
  readonly #sender: Command;
  readonly #recipient: Command;

  private constructor(path: string, mesh: Mesh, sender: Command, recipient: Command) {
    super(path);
    this.#mesh = mesh;
    this.#sender = sender;
    this.#recipient = recipient;
  }

  static async start(name: string, way: Way, { traceGc }: BulkOptions, build: string | undefined): Promise<Course> {
    const node = traceGc ? ['--trace-gc'] : [];
    const mesh = await Mesh.start(way, {}, { node, ...(build === undefined ? {} : { build }) });
    const peer = async (role: BulkPeer['role'], port: number): Promise<Command> => {
      const authority = mesh.authority === undefined ? {} : { authority: mesh.authority.toString() };
      const settings: BulkPeer = { role, port, transport: way.transport, ...authority };
      const command = new Command([JSON.stringify(settings)], mesh.workshop.directory, {}, PEER);
      await command.seen((output) => (output.includes('ready\n') ? true : undefined), 'is attached', 30_000);
      return command;
    };
    const recipient = await peer('receive', mesh.second.port);
    return new RelayCourse(name, mesh, await peer('send', mesh.first.port), recipient);
  }

  get pids(): readonly number[] {
    return this.#mesh.pids;
  }

  get output(): string {
    return this.#mesh.first.command.output + this.#mesh.second.command.output;
  }

  async send(count: number, octets: number): Promise<number> {
    const before = this.#sender.output.length;
    this.#sender.type(`${count} ${octets}\n`);
    const answer = (output: string): number | undefined =>
      output.indexOf('\n', before) < 0 ? undefined : Number(output.slice(before));
    return await this.#sender.seen(answer, `sends ${count} messages of ${octets} octets`, 300_000);
  }

  async stop(): Promise<void> {
    for (const one of [this.#sender, this.#recipient]) await one.kill();
    await this.#mesh.stop();
  }
}

const PEER = [`--import=${import.meta.resolve('tsx')}`, fileURLToPath(new URL('./bulk-peer.ts', import.meta.url))];

/** The section of the benchmark about large messages. */
export async function bulk(options: BulkOptions, say: (text: string) => void): Promise<readonly BulkResult[]> {
  const { quick, against } = options;
  const courses: Course[] = [];
  try {
    courses.push(new FloorCourse(await BulkFloor.start()));
    for (const way of quick ? WAYS.slice(0, 1) : WAYS) {
      courses.push(await RelayCourse.start(`two relays, ${way.name}`, way, options, undefined));
      if (against === undefined) continue;
      courses.push(await RelayCourse.start(`two relays, ${way.name}, ${against}`, way, options, against));
    }
    for (const octets of SIZES) {
      const count = Math.ceil((quick ? QUICK_ROUND_OCTETS : ROUND_OCTETS) / octets);
      for (const course of courses) await course.send(Math.ceil(count / 4), octets); // warm-up
      for (let round = 1; round <= (quick ? 3 : 5); round += 1) {
        say(`  bulk, messages of ${octets} octets, round ${round}`);
        for (const course of courses) await course.round(count, octets);
      }
    }
  } finally {
    for (const course of courses) await course.stop();
  }
  return SIZES.flatMap((octets) => {
    const floor = spread(courses[0]?.costs.get(octets) ?? []);
    return courses.map((course): BulkResult => {
      const cost = spread(course.costs.get(octets) ?? []);
      return {
        path: course.path,
        messageOctets: octets,
        megabytesPerSecond: spread(course.rates.get(octets) ?? []),
        cpuPerGigabyte: cost,
        cpuToFloor: cost.median / floor.median,
        collections: options.traceGc && course instanceof RelayCourse ? course.traces.get(octets) : undefined,
      };
    });
  });
}

function push(values: Map<number, number[]>, key: number, value: number): void {
  values.set(key, [...(values.get(key) ?? []), value]);
}

function sum(one: Collections | undefined, other: Collections): Collections {
  if (one === undefined) return other;
  return {
    scavenges: one.scavenges + other.scavenges,
    markCompacts: one.markCompacts + other.markCompacts,
    pauseMs: one.pauseMs + other.pauseMs,
    messages: one.messages + other.messages,
  };
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
