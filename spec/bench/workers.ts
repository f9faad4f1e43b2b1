/**
 * Workers of one node: what a message and a login cost with one worker, which is the process itself, and with two beside a
 * supervisor, and what one more hop between workers costs. CPU time of the node's processes only, so that the load's own is left out; what 64 cores would
 * do is calculated from it, and called so.
 */
import type { NodeStatus } from '../../lib/ops/status.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { type Course, type Load, stopAll, takeTurns } from './course.js';
import { Endpoints } from './endpoints.js';
import { latencies, saturate } from './load.js';
import { cpuSeconds, median, type Spread } from './measure.js';
import { FRED, PASSWORD, submitting, WILMA } from './mesh.js';
import { Peer } from './peer.js';

export interface WorkerCost {
  readonly what: string;
  /** CPU microseconds of all processes of the node for a message, and those of the supervisor among them. */
  readonly microseconds: number;
  readonly centerMicroseconds: number;
  readonly perSecond: Spread;
}

export interface WorkerLogin {
  readonly what: string;
  /** CPU milliseconds likewise, for a login. */
  readonly milliseconds: number;
  readonly centerMilliseconds: number;
  readonly perSecond: number;
}

/** What follows for a machine that nobody measured. */
export interface WorkerCalculation {
  readonly cores: number;
  /** Between endpoints at any workers; the supervisor has no part in them. */
  readonly messagesPerSecond: number;
  readonly loginsPerSecond: number;
  /** What bounds them. */
  readonly loginsBound: 'workers' | 'supervisor';
}

export interface WorkersResult {
  readonly messages: readonly WorkerCost[];
  /** CPU microseconds of one more hop between workers. */
  readonly hopMicroseconds: number;
  readonly logins: readonly WorkerLogin[];
  readonly calculation: WorkerCalculation;
}

const OCTETS = 100;
const OUTSTANDING = 256;
const PROBE = { count: 2000, octets: OCTETS, outstanding: OUTSTANDING };
/** Share of the busier worker's CPU time below which the other one has no part in a path. */
const IDLE_SHARE = 0.2;
const CORES = 64;

interface Cpu {
  readonly center: number;
  readonly workers: readonly number[];
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** A node with so many workers. */
class Node {
  readonly name: string;
  readonly process: NodeProcess;
  readonly center: number;
  readonly workers: readonly number[];

  private constructor(name: string, process: NodeProcess, workers: readonly number[]) {
    this.name = name;
    this.process = process;
    this.center = process.command.pid ?? 0;
    this.workers = workers;
  }

  static async start(workshop: Workshop, workers: number): Promise<Node> {
    const name = workers === 1 ? '1 worker, no supervisor' : `${workers} workers`;
    const node = await workshop.node(`workers-${workers}`, (port) => ({
      domains: ['example.com'],
      listen: [{ port }],
      store: { type: 'lmdb', path: `var-${workers}` },
      mesh: { dns: { enabled: false } },
      admin: { port: 0 },
      limits: {
        node: { sessionsPerAddress: 100_000, loginsPerSecond: 0 },
        unauthenticated: { sessions: 10_000 },
        attachment: { perAccount: 100_000 },
      },
      workers,
    }));
    for (const address of [FRED, WILMA]) await workshop.account(node, address, PASSWORD);
    await node.start();
    const { admin = '' } = await node.log(({ msg }) => msg === 'ready', 'ready');
    const status = (await (await fetch(`${String(admin)}/status`)).json()) as NodeStatus;
    return new Node(
      name,
      node,
      (status.workers ?? []).map(({ process: { pid } }) => pid),
    );
  }

  get pids(): readonly number[] {
    return [this.center, ...this.workers];
  }

  get cpu(): Cpu {
    return { center: cpuSeconds(this.center), workers: this.workers.map(cpuSeconds) };
  }

  attach(address: string): Promise<Peer> {
    const username = address.replace(/\/\d+@/, '@');
    return Peer.attach({ port: this.process.port, address, username, password: PASSWORD });
  }
}

/** A path from one endpoint of a node to another one. */
class WorkerPath implements Course {
  readonly name: string;
  readonly node: Node;
  readonly #from: Peer;
  readonly #to: Peer;
  #centerSeconds = 0;
  #sent = 0;

  constructor(name: string, node: Node, from: Peer, to: Peer) {
    this.name = name;
    this.node = node;
    this.#from = from;
    this.#to = to;
  }

  get pids(): readonly number[] {
    return this.node.pids;
  }

  get output(): string {
    return this.node.process.output;
  }

  get centerMicroseconds(): number {
    return (this.#centerSeconds / this.#sent) * 1_000_000;
  }

  async send({ count, octets, outstanding }: Load): Promise<number> {
    const before = this.node.cpu.center;
    const { elapsed } = await saturate(submitting(this.#from, this.#to.address, octets), count, outstanding);
    this.#centerSeconds += this.node.cpu.center - before;
    this.#sent += count;
    return elapsed;
  }

  latencies(count: number, octets: number): Promise<readonly number[]> {
    return latencies(submitting(this.#from, this.#to.address, octets), count);
  }

  async stop(): Promise<void> {
    this.#from.drop();
    this.#to.drop();
  }
}

/** Whether both endpoints of a path are at one worker. */
async function isStraight(path: WorkerPath): Promise<boolean> {
  await path.send(PROBE);
  const before = path.node.cpu.workers;
  await path.send(PROBE);
  const used = path.node.cpu.workers.map((now, index) => now - (before[index] ?? 0)).sort((a, b) => b - a);
  return (used[1] ?? 0) < (used[0] ?? 0) * IDLE_SHARE;
}

/** The path within one worker, and with two workers also the one between them. */
async function pathsOf(node: Node): Promise<readonly WorkerPath[]> {
  const from = await node.attach(FRED);
  if (node.workers.length < 2) return [new WorkerPath(node.name, node, from, await node.attach(WILMA))];
  const found = new Map<boolean, WorkerPath>();
  // New connections go to the workers in turn, but each only soon.
  for (let number = 1; found.size < 2; number += 1) {
    if (number > 20) throw new Error('all endpoints are at one worker');
    const to = await node.attach(`wilma/${number}@example.com`);
    const straight = await isStraight(new WorkerPath('probe', node, from, to));
    if (found.has(straight)) to.drop();
    else {
      const how = straight ? 'both endpoints at one' : 'from one to the other';
      found.set(straight, new WorkerPath(`${node.name}, ${how}`, node, from, to));
    }
  }
  return [true, false].flatMap((straight) => found.get(straight) ?? []);
}

export async function workers(quick: boolean, say: (text: string) => void): Promise<readonly WorkersResult[]> {
  say('  workers');
  const workshop = await Workshop.open();
  const nodes: Node[] = [];
  const courses: WorkerPath[] = [];
  try {
    for (const count of [1, 2]) nodes.push(await Node.start(workshop, count));
    for (const node of nodes) courses.push(...(await pathsOf(node)));
    const load = { count: quick ? 20_000 : 200_000, octets: OCTETS, outstanding: OUTSTANDING };
    const measured = await takeTurns(courses, { rounds: quick ? 3 : 7, load }, say);
    const messages = measured.map(
      ({ cpuPer100k, perSecond }, index): WorkerCost => ({
        what: courses[index]?.name ?? '',
        microseconds: cpuPer100k.median * 10,
        centerMicroseconds: courses[index]?.centerMicroseconds ?? Number.NaN,
        perSecond,
      }),
    );
    const logins = await measureLogins(nodes, quick ? 300 : 1000, quick ? 3 : 5);
    const [straight, across] = [messages[1]?.microseconds ?? 0, messages[2]?.microseconds ?? 0];
    return [{ messages, hopMicroseconds: across - straight, logins, calculation: calculated(messages, logins) }];
  } finally {
    await stopAll(courses);
    for (const node of nodes) await node.process.stop();
    await workshop.close();
  }
}

async function measureLogins(nodes: readonly Node[], count: number, rounds: number): Promise<readonly WorkerLogin[]> {
  const crowds = nodes.map(
    ({ process: { port } }) => new Endpoints({ port, keep: false, resume: false, task: 'logins' }),
  );
  const samples = nodes.map(() => ({ all: [] as number[], center: [] as number[], rates: [] as number[] }));
  try {
    for (const crowd of crowds) await crowd.attach(count);
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, node] of nodes.entries()) {
        const before = node.cpu;
        const batch = await crowds[index]?.attach(count);
        const after = node.cpu;
        const center = after.center - before.center;
        samples[index]?.center.push((center * 1000) / count);
        samples[index]?.all.push(((center + sum(after.workers) - sum(before.workers)) * 1000) / count);
        samples[index]?.rates.push((count * 1000) / (batch?.elapsedMs ?? Number.NaN));
      }
    }
  } finally {
    for (const crowd of crowds) crowd.stop();
  }
  return nodes.map(({ name: what }, index) => ({
    what,
    milliseconds: median(samples[index]?.all ?? []),
    centerMilliseconds: median(samples[index]?.center ?? []),
    perSecond: median(samples[index]?.rates ?? []),
  }));
}

/** One core for the supervisor, the others with a worker each, and endpoints spread evenly over them. */
function calculated(messages: readonly WorkerCost[], logins: readonly WorkerLogin[]): WorkerCalculation {
  const count = CORES - 1;
  const [, straight, across] = messages;
  const login = logins[1];
  if (straight === undefined || across === undefined || login === undefined) throw new Error('not measured');
  const ofWorkers = (cost: WorkerCost): number => cost.microseconds - cost.centerMicroseconds;
  // Of so many workers one has the recipient as well.
  const each = ofWorkers(straight) / count + (ofWorkers(across) * (count - 1)) / count;
  const byWorkers = (count * 1000) / (login.milliseconds - login.centerMilliseconds);
  const bySupervisor = 1000 / login.centerMilliseconds;
  return {
    cores: CORES,
    messagesPerSecond: (count * 1_000_000) / each,
    loginsPerSecond: Math.min(byWorkers, bySupervisor),
    loginsBound: byWorkers < bySupervisor ? 'workers' : 'supervisor',
  };
}
