/**
 * Other servers beside the relay, with the same work: text of 100 octets to a recipient whose application answers each
 * message, 256 under way at one time, over TCP without TLS. One server, or two that forward to each other.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LineProcess } from '../interop/peer-process.js';
import { ejabberd, prosody, type XmppServer } from '../interop/xmpp-peers.js';
import { freePort } from '../support/free-port.js';
import { within } from '../support/within.js';
import type { Protocol } from './client.js';
import { Clients } from './clients.js';
import { type Course, type Load, stopAll, takeTurns } from './course.js';
import type { Latency } from './latency.js';
import type { Spread } from './measure.js';
import { TCP } from './mesh.js';
import { ANSWER_TOPIC, RECIPIENT_TOPIC } from './mqtt-client.js';
import { RelayCourse } from './relay-course.js';
import type { Setting } from './setting.js';

export const PEER_NAMES = ['mosquitto', 'nats', 'ejabberd', 'prosody'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

export const isPeerName = (name: string): name is PeerName => PEER_NAMES.some((one) => one === name);

export interface PeerResult {
  readonly server: string;
  readonly servers: number;
  readonly perSecond: Spread;
  /** CPU seconds of the servers for 100,000 messages and their answers. */
  readonly cpuPer100k: Spread;
  /** To the same number of relays. */
  readonly cpuToRelay: number;
  /** Of all the servers, after the last round. */
  readonly residentOctets: number;
  readonly latency: Latency;
}

const OCTETS = 100;
const OUTSTANDING = 256;
const START_MS = 30_000;

interface Kind {
  /** The package of Debian. */
  readonly package: string;
  /** Its program. */
  readonly program: string;
  readonly courses: readonly ((directory: string) => Promise<Course>)[];
}

const KINDS: Readonly<Record<PeerName, Kind>> = {
  mosquitto: {
    package: 'mosquitto',
    program: 'mosquitto',
    courses: [(directory) => mosquitto(directory, 1), (directory) => mosquitto(directory, 2)],
  },
  nats: {
    package: 'nats-server',
    program: 'nats-server',
    courses: [() => nats(1), () => nats(2)],
  },
  ejabberd: {
    package: 'ejabberd',
    program: 'ejabberdctl',
    courses: [(directory) => xmpp('ejabberd', ejabberd, directory)],
  },
  prosody: { package: 'prosody', program: 'prosody', courses: [(directory) => xmpp('Prosody', prosody, directory)] },
};

/** Where Debian has programs; those of servers are not in everybody's PATH. */
const DIRECTORIES = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin', '/sbin'];

const found = (program: string): string | undefined =>
  DIRECTORIES.map((directory) => join(directory, program)).find((path) => existsSync(path));

export async function peers(
  names: readonly PeerName[],
  { quick }: Setting,
  say: (text: string) => void,
): Promise<readonly PeerResult[]> {
  if (names.length === 0) return [];
  say(`  peers: ${OCTETS} octets, ${OUTSTANDING} outstanding, TCP, answered by the recipient's application`);
  const directory = await mkdtemp(join(tmpdir(), 'imxp-peers-'));
  const courses: Course[] = [];
  try {
    const one = await RelayCourse.start('imxp, one relay', { way: TCP, relays: 1 });
    courses.push(one, await RelayCourse.start('imxp, two relays', { way: TCP, relays: 2 }));
    for (const name of names) {
      const { program, package: debian, courses: makers } = KINDS[name];
      if (found(program) === undefined) {
        say(`  LEFT OUT, nothing was measured with ${name}: it is not installed (Debian: apt-get install ${debian})`);
        continue;
      }
      for (const make of makers) {
        const own = join(directory, String(courses.length));
        await mkdir(own);
        courses.push(await make(own));
      }
    }
    const load: Load = { count: quick ? 15_000 : 30_000, octets: OCTETS, outstanding: OUTSTANDING };
    const measured = await takeTurns(courses, { rounds: quick ? 4 : 6, load, single: quick ? 500 : 2000 }, say);
    return measured.map((it) => {
      const servers = it.course.pids.length;
      const relay = measured[servers - 1] ?? it;
      return {
        server: it.course.name,
        servers,
        perSecond: it.perSecond,
        cpuPer100k: it.cpuPer100k,
        cpuToRelay: it.cpuTo(relay),
        residentOctets: it.residentOctets,
        latency: it.latency,
      };
    });
  } finally {
    await stopAll(courses);
    await rm(directory, { recursive: true, force: true });
  }
}

/** Servers that run, with a sender at the first and a recipient at the last of them. */
class PeerCourse implements Course {
  readonly name: string;
  readonly pids: readonly number[];
  readonly output = '';
  readonly #clients: Clients;
  readonly #stop: () => Promise<void>;

  private constructor(name: string, pids: readonly number[], clients: Clients, stop: () => Promise<void>) {
    this.name = name;
    this.pids = pids;
    this.#clients = clients;
    this.#stop = stop;
  }

  static async start(
    name: string,
    protocol: Protocol,
    ports: readonly number[],
    servers: { readonly pids: readonly (number | undefined)[]; stop(): Promise<void> },
  ): Promise<PeerCourse> {
    try {
      const sender = { protocol, role: 'send', port: ports[0] ?? 0 } as const;
      const clients = await Clients.start(sender, { protocol, role: 'receive', port: ports.at(-1) ?? 0 });
      const pids = servers.pids.map((pid) => {
        if (pid === undefined) throw new Error(`${name} does not run`);
        return pid;
      });
      return new PeerCourse(name, pids, clients, () => servers.stop());
    } catch (error) {
      await servers.stop();
      throw error;
    }
  }

  send(load: Load): Promise<number> {
    return this.#clients.send(load);
  }

  latencies(count: number, octets: number): Promise<readonly number[]> {
    return this.#clients.latencies(count, octets);
  }

  async stop(): Promise<void> {
    await this.#clients.stop();
    await this.#stop();
  }
}

/** Processes that print lines. */
class Servers {
  readonly #processes: LineProcess[] = [];

  get pids(): readonly (number | undefined)[] {
    return this.#processes.map(({ pid }) => pid);
  }

  /** Starts one that prints to its standard output or error, and waits for something in it. */
  async start(program: string, args: readonly string[], ready: string): Promise<LineProcess> {
    // Their logs are read as one stream.
    const shell = ['-c', 'exec "$0" "$@" 2>&1', found(program) ?? program, ...args];
    const server = new LineProcess('/bin/sh', shell);
    this.#processes.push(server);
    await this.until(server, ready);
    return server;
  }

  async until(server: LineProcess, ready: string): Promise<void> {
    const lines: string[] = [];
    const seen = async (): Promise<void> => {
      for (;;) {
        const line = await server.line(START_MS);
        if (line === undefined) throw new Error(`a server ended: ${lines.join('\n')}`);
        lines.push(line);
        if (line.includes(ready)) return;
      }
    };
    await within(START_MS, seen(), () => `a server says "${ready}": ${lines.join('\n')}`);
  }

  async stop(): Promise<void> {
    for (const server of this.#processes.splice(0)) await server.kill();
  }
}

/** Mosquitto, or two of it with a bridge between them. Nothing is limited that would make it discard messages. */
async function mosquitto(directory: string, count: 1 | 2): Promise<Course> {
  const servers = new Servers();
  const ports = [await freePort(), await freePort()].slice(0, count);
  const common = (port: number): readonly string[] => [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'max_inflight_messages 0',
    'max_queued_messages 0',
    'set_tcp_nodelay true',
    'log_dest stderr',
    'log_type information',
    'log_type notice',
    'log_type error',
    'log_type subscribe',
  ];
  const bridge = [
    'connection bridge',
    `address 127.0.0.1:${ports[1]}`,
    `topic ${RECIPIENT_TOPIC} out 1`,
    `topic ${ANSWER_TOPIC} in 0`,
    'notifications false',
    'restart_timeout 1',
  ];
  try {
    const last = join(directory, 'last.conf');
    await writeFile(last, `${common(ports.at(-1) ?? 0).join('\n')}\n`);
    const second = await servers.start('mosquitto', ['-c', last], 'running');
    if (count === 2) {
      const first = join(directory, 'first.conf');
      await writeFile(first, `${[...common(ports[0] ?? 0), ...bridge].join('\n')}\n`);
      await servers.start('mosquitto', ['-c', first], 'running');
      await servers.until(second, ANSWER_TOPIC);
    }
  } catch (error) {
    await servers.stop();
    throw error;
  }
  const name = count === 1 ? 'Mosquitto, one broker' : 'Mosquitto, two and a bridge';
  return await PeerCourse.start(name, 'mqtt', ports, servers);
}

/** nats-server, or two of it in a cluster. */
async function nats(count: 1 | 2): Promise<Course> {
  const servers = new Servers();
  const ports = [await freePort(), await freePort()].slice(0, count);
  const [one, other] = [await freePort(), await freePort()];
  const cluster = (own: number, routes: readonly string[]): readonly string[] =>
    count === 1 ? [] : ['--cluster_name', 'bench', '--cluster', `nats://127.0.0.1:${own}`, ...routes];
  const routes = ['--routes', `nats://127.0.0.1:${other}`];
  try {
    for (const [at, port] of [...ports.entries()].reverse()) {
      const args = ['-a', '127.0.0.1', '-p', String(port), ...(at === 0 ? cluster(one, routes) : cluster(other, []))];
      await servers.start('nats-server', args, 'Server is ready');
    }
  } catch (error) {
    await servers.stop();
    throw error;
  }
  return await PeerCourse.start(count === 1 ? 'NATS, one server' : 'NATS, two in a cluster', 'nats', ports, servers);
}

async function xmpp(
  name: string,
  make: (directory: string) => Promise<XmppServer>,
  directory: string,
): Promise<Course> {
  const server = await make(directory);
  await server.start();
  const { pid } = server;
  return await PeerCourse.start(`${name}, one server`, 'xmpp', [server.clientPort], {
    pids: [pid],
    stop: () => server.stop(),
  });
}
