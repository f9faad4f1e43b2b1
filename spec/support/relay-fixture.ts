/**
 * The set-up that the conformance specs share: one relay for example.com as a real process, with accounts, and raw
 * peers attached to it. It uses the configuration file and nothing from lib/.
 */

import type { SomeLimits } from './limits.js';
import { type NodeProcess, Workshop } from './node-process.js';
import type { RawMessage } from './raw-channel.js';
import { attach, inlineData, OK } from './raw-documents.js';
import { RawPeer, type RawPeerOptions } from './raw-peer.js';
import type { Transport } from './raw-websocket.js';

export const passwordOf = (address: string): string => `stone-age ${address.length} ${address}`;

export interface RelayFixtureOptions {
  readonly limits?: SomeLimits;
  /** How everybody comes; `tcp` unless given. */
  readonly transport?: Transport;
  readonly accounts?: readonly string[];
  readonly routes?: (workshop: Workshop) => Promise<readonly object[]>;
  /** Access entries of new accounts. */
  readonly access?: readonly { readonly actor: string; readonly actions: readonly string[] }[];
}

export const ENDPOINTS = ['fred@example.com', 'barney@example.com', 'wilma@example.com', 'betty@example.com'];

/** A greeted, authenticated peer with one IMXP channel on which it is attached. */
export interface AttachedPeer {
  readonly address: string;
  readonly peer: RawPeer;
  readonly channel: number;
}

export class RelayFixture {
  readonly workshop: Workshop;
  readonly node: NodeProcess;
  readonly authority: Buffer;
  readonly #transport: Transport;
  #peers: RawPeer[] = [];

  private constructor(workshop: Workshop, node: NodeProcess, authority: Buffer, transport: Transport) {
    this.#transport = transport;
    this.workshop = workshop;
    this.node = node;
    this.authority = authority;
  }

  /** Makes certificates and accounts, starts the relay. */
  static async start(options: RelayFixtureOptions = {}): Promise<RelayFixture> {
    const { transport = 'tcp' } = options;
    const workshop = await Workshop.open();
    try {
      const { octets } = await workshop.certs('example.com');
      const routes = (await options.routes?.(workshop)) ?? [];
      const node = await workshop.node('mesh', (port) => ({
        domains: ['example.com'],
        listen: [{ transport, host: '127.0.0.1', port }],
        tls: {
          certificate: 'certs/example.com.crt',
          key: 'certs/example.com.key',
          authority: 'certs/ca.crt',
          require: 'mesh',
        },
        sasl: { mechanisms: ['DIGEST-MD5'] },
        store: { type: 'lmdb', path: 'var/example.com' },
        mesh: { routes, dns: { enabled: false } },
        // One address logs in again and again here, after failures that were wanted: seconds of waiting each time.
        limits: { ...options.limits, authentication: { delayMs: 10, ...options.limits?.authentication } },
        ...(options.access === undefined ? {} : { access: { initial: options.access } }),
        log: { level: 'debug' },
      }));
      const accounts = options.accounts ?? ENDPOINTS;
      await Promise.all(accounts.map((address) => workshop.account(node, address, passwordOf(address))));
      await node.start();
      return new RelayFixture(workshop, node, octets, transport);
    } catch (cause) {
      await workshop.close();
      throw cause;
    }
  }

  /** A connected peer that has said nothing yet. */
  async connect(options: Partial<RawPeerOptions> = {}): Promise<RawPeer> {
    const peer = await RawPeer.connect({
      port: this.node.port,
      transport: this.#transport,
      authority: this.authority,
      ...options,
    });
    this.#peers.push(peer);
    return peer;
  }

  /** A peer that has exchanged greetings, under TLS if wished. */
  async greeted(options: Partial<RawPeerOptions> & { readonly tls?: boolean } = {}): Promise<RawPeer> {
    const peer = await this.connect(options);
    await peer.greet();
    // wss is under TLS from the beginning.
    const tune = options.tls === true && this.#transport !== 'wss';
    if (tune) await peer.startTls({ serverName: 'example.com', authority: this.authority });
    return peer;
  }

  /** A peer that has authenticated as well. */
  async authenticated(
    address: string,
    options: Partial<RawPeerOptions> & { readonly tls?: boolean } = {},
  ): Promise<RawPeer> {
    const peer = await this.greeted({ name: address, ...options });
    const [username = ''] = address.split('@');
    const reply = await peer.authenticate({ username, password: passwordOf(address) });
    if (reply.keyword !== 'RPY') throw new Error(`${address} is not let in: ${reply.payload}${peer.transcript()}`);
    return peer;
  }

  /** An endpoint attached in the usual way. */
  async attached(
    address: string,
    options: Partial<RawPeerOptions> & { readonly tls?: boolean } = {},
  ): Promise<AttachedPeer> {
    const peer = await this.authenticated(address, options);
    return { address, peer, channel: await peer.imxp(attach(address, 71)) };
  }

  /** Says what the relay logged last, where a spec failed. */
  explain(spec: Mocha.Test | undefined): void {
    if (spec?.state === 'failed') console.log(this.node.output.split('\n').slice(-12).join('\n        '));
  }

  /** Disconnects every peer made here, but those who stay. */
  leave(...stay: readonly RawPeer[]): void {
    for (const peer of this.#peers) if (!stay.includes(peer)) peer.destroy();
    this.#peers = [...stay];
  }

  /** Ends relay and workshop. */
  async close(): Promise<void> {
    this.leave();
    await this.workshop.close();
  }
}

/** Sends a Data and, when it has arrived, has the recipient answer `ok`. Returns what arrived and the sender's reply. */
export async function deliver(
  from: AttachedPeer,
  to: AttachedPeer,
  payload: Buffer | string,
): Promise<{ readonly arrived: RawMessage; readonly reply: RawMessage }> {
  const reply = from.peer.ask(from.channel, payload);
  // A refusal comes instead of the message; waiting for the message alone would hide it.
  const arrived = await Promise.race([
    to.peer.nextRequest(to.channel),
    reply.then((early) => {
      throw new Error(`answered before delivery: ${early.payload}${from.peer.transcript()}`);
    }),
  ]);
  to.peer.reply(to.channel, 'RPY', arrived.msgno, OK);
  return { arrived, reply: await reply };
}

/** Answers `ok` to everything that arrives. */
export function answerAll({ peer }: AttachedPeer, seen?: (message: RawMessage) => void): void {
  peer.onRequest = (message) => {
    seen?.(message);
    peer.reply(message.channel, 'RPY', message.msgno, OK);
  };
}

/** A short text from one peer to others. */
export const note = (from: AttachedPeer, to: readonly AttachedPeer[], text: string): string =>
  inlineData(
    from.address,
    to.map(({ address }) => address),
    `<note>${text}</note>`,
  );
