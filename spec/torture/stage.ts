/** Two relays as processes, each behind a proxy, with accounts, a hostile neighbour, and endpoints as processes. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { EndpointOptions } from '../../lib/endpoint/options.js';
import { freePort } from '../support/free-port.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { RawRelay } from '../support/raw-relay.js';
import { projectFile, RUN_SCRIPT } from '../support/script.js';
import { TcpProxy } from './proxy.js';

export const DOMAINS = ['example.com', 'rubble.com'] as const;
export type Domain = (typeof DOMAINS)[number];

const PASSWORD = 'gangway-42';
const PEOPLE: Readonly<Record<Domain, readonly string[]>> = {
  'example.com': ['fred@example.com', 'wilma@example.com', 'pebbles@example.com'],
  'rubble.com': ['barney@rubble.com', 'betty@rubble.com', 'bamm@rubble.com'],
};
/** Where the data of a relay can be made to run full: this many MiB. */
const DISK_MIB = 64;
/** Short, so that a run of minutes sees the limits at work. */
const LIMITS = { data: { deliveryTimeoutMs: 5000 }, offline: { messages: 10_000 } };

/** Debian's libfaketime, if it is installed. */
const FAKETIME = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib']
  .map((folder) => `${folder}/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));

export interface Relay {
  readonly domain: Domain;
  readonly node: NodeProcess;
  readonly proxy: TcpProxy;
  /** The folder of its store; a file system of its own where that was possible. */
  readonly folder: string;
  /** False while it was killed by us. */
  up: boolean;
  /** Where its figures are; another port after each start. */
  admin: string;
}

/** How large a relay is at a time. */
export interface Figures {
  /** Resident memory and the JavaScript heap, octets. */
  readonly rss: number;
  readonly heap: number;
  readonly descriptors: number;
}

export class Stage {
  readonly relays: Readonly<Record<Domain, Relay>>;
  readonly neighbour: RawRelay;
  readonly #workshop: Workshop;
  readonly #tls: boolean;
  readonly #mounts: string[];
  readonly #receivers = new Map<string, ChildProcess>();
  /** Endpoints that gave up, and why: whatever happens to their relays, they are to come back. */
  readonly given: string[] = [];
  readonly clock: string | undefined;

  private constructor(
    workshop: Workshop,
    relays: Readonly<Record<Domain, Relay>>,
    neighbour: RawRelay,
    options: { tls: boolean; mounts: string[]; clock: string | undefined },
  ) {
    this.#workshop = workshop;
    this.relays = relays;
    this.neighbour = neighbour;
    this.#tls = options.tls;
    this.#mounts = options.mounts;
    this.clock = options.clock;
  }

  static async open(tls: boolean): Promise<Stage> {
    const workshop = await Workshop.open();
    await workshop.certs(...DOMAINS);
    const ports: Record<Domain, number> = { 'example.com': await freePort(), 'rubble.com': await freePort() };
    const proxies: Record<Domain, TcpProxy> = {
      'example.com': await TcpProxy.listen(ports['example.com']),
      'rubble.com': await TcpProxy.listen(ports['rubble.com']),
    };
    const neighbour = await RawRelay.listen();
    await workshop.file('secrets/mesh', `${PASSWORD}\n`);
    const mounts: string[] = [];
    const clock = FAKETIME === undefined ? undefined : await workshop.file('clock', '+0\n');
    const relayOf = async (domain: Domain, other: Domain): Promise<Relay> => {
      const folder = workshop.path(`var-${domain}`);
      mkdirSync(folder);
      if (mounted(folder)) mounts.push(folder);
      const route = {
        domain: other,
        relays: [`tcp://127.0.0.1:${proxies[other].port}`],
        tls: tls ? 'require' : 'off',
        credentials: { username: `imxp=mesh@${domain}`, passwordFile: 'secrets/mesh' },
      };
      const hostile = { domain: 'hostile.example', relays: [neighbour.url], tls: 'off' };
      const node = await workshop.node(
        domain,
        (port) => ({
          domains: [domain],
          listen: [{ transport: 'tcp', host: '127.0.0.1', port }],
          ...(tls ? { tls: certificateOf(domain) } : {}),
          store: { type: 'lmdb', path: `var-${domain}/store` },
          mesh: { routes: [route, hostile], dns: { enabled: false } },
          limits: LIMITS,
          admin: { host: '127.0.0.1', port: 0 },
        }),
        ports[domain],
      );
      for (const address of [...PEOPLE[domain], `imxp=mesh@${other}`]) await workshop.account(node, address, PASSWORD);
      return { domain, node, proxy: proxies[domain], folder, up: true, admin: '' };
    };
    const relays = {
      'example.com': await relayOf('example.com', 'rubble.com'),
      'rubble.com': await relayOf('rubble.com', 'example.com'),
    };
    const stage = new Stage(workshop, relays, neighbour, { tls, mounts, clock });
    for (const domain of DOMAINS) await stage.start(relays[domain]);
    return stage;
  }

  /** Whether the disk of a relay can be filled. */
  fillable(relay: Relay): boolean {
    return this.#mounts.includes(relay.folder);
  }

  async start(relay: Relay): Promise<void> {
    const faked = this.clock === undefined || FAKETIME === undefined ? {} : fakedClock(FAKETIME, this.clock);
    await relay.node.start(faked);
    relay.admin = String((await relay.node.log(({ msg }) => msg === 'ready', 'ready'))['admin']);
    relay.up = true;
  }

  /** How an endpoint comes to its relay. */
  options(address: string, more: Partial<EndpointOptions> = {}): EndpointOptions {
    const relay = this.#relayOf(address);
    return {
      address,
      relay: `tcp://127.0.0.1:${relay.proxy.port}`,
      password: PASSWORD,
      reconnect: { firstMs: 50, longestMs: 1000 },
      override: true,
      ...(this.#tls ? { ca: readFileSync(this.#workshop.path('certs/ca.crt'), 'utf8') } : { tls: 'off' }),
      ...more,
    };
  }

  /** Starts the endpoint's process unless it runs; resolves once it is attached. */
  async receive(address: string): Promise<void> {
    if (this.#receivers.has(address)) return;
    const child = spawn(
      process.execPath,
      [
        ...RUN_SCRIPT,
        projectFile('spec/torture/receiver.ts'),
        JSON.stringify(this.options(address)),
        this.#log(address),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } },
    );
    this.#receivers.set(address, child);
    await new Promise<void>((resolve) => {
      let attached = false;
      child.stdout?.once('data', () => {
        attached = true;
        resolve();
      });
      child.once('exit', (code) => {
        if (this.#receivers.get(address) === child) {
          this.#receivers.delete(address);
          if (attached) this.given.push(`the receiver ${address} has ended by itself (${code})`);
        }
        resolve();
      });
    });
  }

  /** SIGKILL. */
  async killReceiver(address: string): Promise<void> {
    const child = this.#receivers.get(address);
    if (child === undefined) return;
    this.#receivers.delete(address);
    const over = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await over;
  }

  /** The texts of all deliveries to an address. */
  deliveries(address: string): string[] {
    const file = this.#log(address);
    return existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
      : [];
  }

  /** Steps the wall clock of every relay that is started with libfaketime. */
  stepClock(seconds: number): void {
    if (this.clock !== undefined) writeFileSync(this.clock, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  }

  /** What the system and the relay itself say of it; undefined while it is not up. */
  async figures(relay: Relay): Promise<Figures | undefined> {
    const { command } = relay.node;
    const { pid } = command;
    if (pid === undefined || !relay.up) return undefined;
    try {
      const answer = await fetch(`${relay.admin}/status`, { signal: AbortSignal.timeout(2000) });
      const { process } = z.object({ process: z.object({ heapOctets: z.number() }) }).parse(await answer.json());
      const pages = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1];
      return {
        rss: Number(pages) * 4096,
        heap: process.heapOctets,
        descriptors: readdirSync(`/proc/${pid}/fd`).length,
      };
    } catch (error) {
      // Killed meanwhile, or too busy to say: there is another sample in a moment.
      if (error instanceof z.ZodError) throw error;
      return undefined;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#receivers.keys()].map((address) => this.killReceiver(address)));
    for (const { proxy } of Object.values(this.relays)) proxy.close();
    this.neighbour.close();
    // One that is being started again when the run ends early is not up, and keeps its folder busy.
    for (const { node } of Object.values(this.relays)) if (!node.command.ended) await node.kill();
    for (const folder of this.#mounts) execFileSync('umount', ['--lazy', folder]);
    await this.#workshop.close();
  }

  #relayOf(address: string): Relay {
    return address.endsWith('@rubble.com') ? this.relays['rubble.com'] : this.relays['example.com'];
  }

  #log(address: string): string {
    return this.#workshop.path(`deliveries-${address}`);
  }
}

function certificateOf(domain: Domain): object {
  return {
    certificate: `certs/${domain}.crt`,
    key: `certs/${domain}.key`,
    authority: 'certs/ca.crt',
    require: 'always',
  };
}

/** The wall clock follows a file; durations stay those of the machine. */
function fakedClock(library: string, file: string): Readonly<Record<string, string>> {
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  };
}

/** Mounts a small file system of its own; takes a right that not everybody has. */
function mounted(folder: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
