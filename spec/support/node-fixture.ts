/**
 * The set-up of the security specs: one node for example.com in this process, with its store in memory, and raw peers,
 * both well-behaved and hostile. The events that the node reports to its operator are recorded.
 */
import { connect, type Socket } from 'node:net';
import { parseConfig } from '../../lib/config/parse.js';
import type { NodeConfigInput } from '../../lib/config/schema.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { events, type Fault, type Refused, type SessionClosed } from '../../lib/ops/events.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { TestAuthority } from './certificates.js';
import type { SomeLimits } from './limits.js';
import { attach } from './raw-documents.js';
import { RawPeer, type RawPeerOptions } from './raw-peer.js';
import { type AttachedPeer, answerAll, deliver, note } from './relay-fixture.js';
import { temporaryFile } from './temporary-file.js';
import { within } from './within.js';

export const FRED = 'fred@example.com';
export const WILMA = 'wilma@example.com';
export const BARNEY = 'barney@example.com';
export const PEBBLES = 'pebbles@example.com';

export const passwordOf = (address: string): string => `quarry ${address}`;

export interface NodeFixtureOptions {
  readonly limits?: SomeLimits;
  readonly config?: Partial<NodeConfigInput>;
  /** With a certificate of a made-up authority. */
  readonly tls?: 'never' | 'mesh' | 'always';
  /** Relays that have an account, as `imxp=mesh@domain`, and further endpoints. */
  readonly accounts?: readonly string[];
}

export type From = Partial<RawPeerOptions> & { readonly tls?: boolean };

export class NodeFixture {
  readonly node: Node;
  readonly port: number;
  readonly authority: Buffer;
  readonly refused: Refused[] = [];
  readonly closed: SessionClosed[] = [];
  readonly faults: Fault[] = [];
  #peers: RawPeer[] = [];
  #sockets: Socket[] = [];
  #told: (() => void)[] = [];
  readonly #unsubscribe: readonly (() => void)[];

  private constructor(node: Node, authority: Buffer) {
    this.node = node;
    this.port = node.listening[0]?.port ?? 0;
    this.authority = authority;
    const keep =
      <T>(list: T[]) =>
      (event: T): void => {
        list.push(event);
        for (const tell of this.#told.splice(0)) tell();
      };
    this.#unsubscribe = [
      events.refused.subscribe(keep(this.refused)),
      events.closed.subscribe(keep(this.closed)),
      events.fault.subscribe(keep(this.faults)),
    ];
  }

  static async build(options: NodeFixtureOptions = {}): Promise<NodeFixture> {
    const authority = new TestAuthority();
    const node = await startNode(parseConfig(await configOf(options, authority), '/'));
    const accounts = [FRED, WILMA, BARNEY, PEBBLES, ...(options.accounts ?? [])];
    await Promise.all(
      accounts.map(async (address) => {
        await node.accounts.add(await makeVerifier(address, passwordOf(address), { realms: ['example.com'] }));
      }),
    );
    return new NodeFixture(node, Buffer.from(authority.certificate));
  }

  /** A bare TCP connection, for those who do not keep to the protocol. */
  async socket(from = '127.0.0.1'): Promise<Socket> {
    const socket = connect({ port: this.port, host: '127.0.0.1', localAddress: from });
    socket.on('error', () => {});
    this.#sockets.push(socket);
    await within(8000, new Promise((resolve) => socket.once('connect', resolve)), 'a connection');
    return socket;
  }

  async connect(options: From = {}): Promise<RawPeer> {
    const peer = await RawPeer.connect({ port: this.port, ...options });
    this.#peers.push(peer);
    return peer;
  }

  async greeted(options: From = {}): Promise<RawPeer> {
    const peer = await this.connect(options);
    await peer.greet();
    if (options.tls === true) await peer.startTls({ serverName: 'example.com', authority: this.authority });
    return peer;
  }

  /** A peer that has logged in; a relay gives its account, `imxp=mesh@rubble.com`. */
  async authenticated(address: string, options: From = {}): Promise<RawPeer> {
    const peer = await this.greeted({ name: address, ...options });
    const username = address.endsWith('@example.com') ? address.slice(0, address.lastIndexOf('@')) : address;
    const reply = await peer.authenticate({ username, password: passwordOf(address) });
    if (reply.keyword !== 'RPY') throw new Error(`${address} is not let in: ${reply.payload}${peer.transcript()}`);
    return peer;
  }

  async attached(address: string, options: From = {}): Promise<AttachedPeer> {
    const peer = await this.authenticated(address, options);
    return { address, peer, channel: await peer.imxp(attach(address, 71)) };
  }

  /** Two honest endpoints, for whom the node is there. */
  async honest(from = '127.0.0.2'): Promise<Honest> {
    return new Honest(await this.attached(FRED, { from }), await this.attached(WILMA, { from }));
  }

  /** Waits until the operator was told something. */
  async until<T>(what: string, find: () => T | undefined, ms = 10_000): Promise<T> {
    const found = async (): Promise<T> => {
      for (;;) {
        const value = find();
        if (value !== undefined) return value;
        await new Promise<void>((resolve) => this.#told.push(resolve));
      }
    };
    return await within(ms, found(), () => `${what}; closed: ${JSON.stringify(this.closed.slice(-5))}`);
  }

  /** Waits for the end of a session and its reason. */
  async ended(reason: RegExp, ms?: number): Promise<SessionClosed> {
    return await this.until(
      `a session ended: ${reason}`,
      () => this.closed.find((it) => reason.test(it.reason ?? '')),
      ms,
    );
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await this.node.stop();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }
}

/** Fred, who writes to Wilma, who answers. */
export class Honest {
  readonly fred: AttachedPeer;
  readonly wilma: AttachedPeer;
  #count = 0;

  constructor(fred: AttachedPeer, wilma: AttachedPeer) {
    this.fred = fred;
    this.wilma = wilma;
  }

  /** Sends one message through the node and back. @returns how many milliseconds it took */
  async served(): Promise<number> {
    const begun = performance.now();
    this.#count += 1;
    const text = `message ${this.#count}`;
    const { arrived, reply } = await deliver(this.fred, this.wilma, note(this.fred, [this.wilma], text));
    if (!`${arrived.payload}`.includes(text)) throw new Error(`another message arrived: ${arrived.payload}`);
    if (reply.keyword !== 'RPY') throw new Error(`not accepted: ${reply.payload}`);
    return performance.now() - begun;
  }

  /** From now on Wilma answers by herself. */
  answering(): void {
    answerAll(this.wilma);
  }
}

async function configOf(options: NodeFixtureOptions, authority: TestAuthority): Promise<NodeConfigInput> {
  const { certificate, key } = authority.issue({ domains: ['example.com'], mailboxes: ['imxp=mesh@example.com'] });
  const { tls } = options;
  return {
    domains: ['example.com'],
    listen: [{ transport: 'tcp', host: '127.0.0.1', port: 0 }],
    sasl: { mechanisms: ['DIGEST-MD5'] },
    store: { type: 'memory' },
    mesh: { dns: { enabled: false } },
    ...(tls === undefined
      ? {}
      : {
          tls: {
            certificate: await temporaryFile(certificate),
            key: await temporaryFile(key),
            authority: await temporaryFile(authority.certificate),
            require: tls,
          },
        }),
    ...options.config,
    limits: {
      ...options.limits,
      node: { drainTimeoutMs: 1000, ...options.limits?.node },
      session: { closeTimeoutMs: 1000, ...options.limits?.session },
    },
  };
}
