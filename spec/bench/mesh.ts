/** Real relays as processes of the built program, and what is sent through them. */
import { resolve } from 'node:path';
import type { Transport } from '../../lib/config/relay-url.js';
import { freePort } from '../support/free-port.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { RUN_PROGRAM } from '../support/program.js';
import type { Submit } from './load.js';
import { dataOf, Peer } from './peer.js';

export const FRED = 'fred@example.com';
export const BARNEY = 'barney@rubble.com';
export const WILMA = 'wilma@example.com';
/** Accounts of example.com that attack. */
export const EVE = 'eve@example.com';
export const MALLORY = 'mallory@example.com';
export const PASSWORD = 'gangway-42';

const LIMITS = {
  node: { sessionsPerAddress: 100_000, loginsPerSecond: 0 },
  unauthenticated: { sessions: 10_000 },
  attachment: { perAccount: 100_000 },
};

/** How the sessions of a mesh travel, those of endpoints and that between the relays. */
export interface Way {
  readonly name: string;
  readonly transport: Transport;
  readonly tls: boolean;
}

export const TCP: Way = { name: 'TCP', transport: 'tcp', tls: false };
export const TLS: Way = { name: 'TLS', transport: 'tcp', tls: true };
export const WAYS: readonly Way[] = [
  TCP,
  TLS,
  { name: 'ws', transport: 'ws', tls: false },
  { name: 'wss', transport: 'wss', tls: true },
];

/** How the relays are started. */
export interface MeshStart {
  /** Options of Node. */
  readonly node?: readonly string[];
  /** Accounts of example.com beside Fred; default: all. */
  readonly accounts?: readonly string[];
  /** Further domains that are reached through the other relay, each by a route of its own; default: none. */
  readonly routes?: number;
  /** Directory of another build of the project, whose program they run. */
  readonly build?: string;
}

/** Two relays that know each other, and three accounts. */
export class Mesh {
  readonly workshop: Workshop;
  readonly first: NodeProcess;
  readonly second: NodeProcess;
  readonly authority: Buffer | undefined;
  readonly #transport: Transport;

  private constructor(
    workshop: Workshop,
    [first, second]: readonly [NodeProcess, NodeProcess],
    authority: Buffer | undefined,
    transport: Transport,
  ) {
    this.#transport = transport;
    this.workshop = workshop;
    this.first = first;
    this.second = second;
    this.authority = authority;
  }

  /** @param more what is different in both configurations */
  static async start(
    { tls, transport }: Way = TCP,
    more: object = {},
    { node = [], build, accounts = [WILMA, EVE, MALLORY], routes = 0 }: MeshStart = {},
  ) {
    const workshop = await Workshop.open();
    const { octets } = await workshop.certs('example.com', 'rubble.com');
    const ports = [await freePort(), await freePort()] as const;
    await workshop.file('secrets/mesh', `${PASSWORD}\n`);
    const config = (own: string, other: string, port: number, otherPort: number): object => ({
      domains: [own],
      listen: [{ transport, host: '127.0.0.1', port }],
      ...(tls
        ? {
            tls: {
              certificate: `certs/${own}.crt`,
              key: `certs/${own}.key`,
              authority: 'certs/ca.crt',
              require: 'always',
            },
          }
        : {}),
      store: { type: 'lmdb', path: `var/${own}` },
      mesh: {
        routes: [
          // That of the messages is the last, the longest to look for where a table is walked.
          ...Array.from({ length: routes }, (_, at) => ({ domain: `*.d${at}.example`, via: other })),
          {
            domain: other,
            relays: [`${transport}://127.0.0.1:${otherPort}`],
            tls: tls ? 'require' : 'off',
            credentials: { username: `imxp=mesh@${own}`, passwordFile: 'secrets/mesh' },
          },
        ],
        dns: { enabled: false },
      },
      limits: LIMITS,
      log: { level: 'info' },
      ...more,
    });
    const first = await workshop.node('first', () => config('example.com', 'rubble.com', ports[0], ports[1]), ports[0]);
    const second = await workshop.node(
      'second',
      () => config('rubble.com', 'example.com', ports[1], ports[0]),
      ports[1],
    );
    for (const address of [FRED, ...accounts, 'imxp=mesh@rubble.com']) await workshop.account(first, address, PASSWORD);
    for (const address of [BARNEY, 'imxp=mesh@example.com']) await workshop.account(second, address, PASSWORD);
    const run = [...node, ...(build === undefined ? RUN_PROGRAM : [resolve(build, 'dist/bin/imxp.js')])];
    await first.start({}, run);
    await second.start({}, run);
    return new Mesh(workshop, [first, second], tls ? octets : undefined, transport);
  }

  attach(address: string): Promise<Peer> {
    return this.attachAs(address, address);
  }

  /** Attaches as another name of an account, such as a subaddress. */
  attachAs(username: string, address: string): Promise<Peer> {
    const { port } = this.nodeOf(address);
    const authority = this.authority === undefined ? {} : { authority: this.authority };
    return Peer.attach({ port, address, username, password: PASSWORD, transport: this.#transport, ...authority });
  }

  nodeOf(address: string): NodeProcess {
    return address.endsWith('@rubble.com') ? this.second : this.first;
  }

  /** The processes of both relays, the first one first. */
  get pids(): readonly [number, number] {
    return [this.first.command.pid ?? 0, this.second.command.pid ?? 0];
  }

  async stop(): Promise<void> {
    await this.first.stop();
    await this.second.stop();
    await this.workshop.close();
  }
}

/** Data of a size from one peer to another, each answered by the recipient's application. */
export function submitting(from: Peer, to: string, octets: number): Submit {
  const payload = dataOf(from.address, to, octets);
  return (done) => {
    from.request(payload, {
      replied: (kind, answer) => done(kind === 'RPY' ? undefined : answer.toString('utf8')),
      failed: (reason) => done(reason),
    });
  };
}
