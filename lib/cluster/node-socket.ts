/**
 * BEEP sessions between the nodes of one domain, over what a transport of them opens: Unix sockets between the processes
 * of one machine, TLS between machines.
 */
import { connect, createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Limits } from '../config/limits.js';
import { TransportError } from '../errors.js';
import { events } from '../ops/events.js';
import { CLUSTER_PROOF } from '../relay/cluster.js';
import type { PeerIdentity } from '../sasl/identity.js';
import { Connection, type ConnectionOwner } from '../transport/connection.js';
import type { ConnectionRules } from '../transport/connection-rules.js';
import type { NetworkAddress } from '../transport/network.js';
import type { ProfileTable } from '../transport/profile.js';

/** A whole message mostly; nothing is divided into packets underneath. */
const FRAME_OCTETS = 65_536;
const LOCAL = { address: 'unix', port: 0 } as const;

/** Opens connections to other nodes. */
export interface NodeTransport {
  /**
   * @param path where the node listens
   * @param peer its name
   * @throws TransportError CONNECT_FAILED | TIMED_OUT
   */
  connect(path: string, peer: string, timeoutMs: number): Promise<NodeStream>;
  /**
   * Tells the node at the other end who this one is, where the connection does not say it.
   *
   * @throws RefusedError | TransportError
   */
  introduce?(connection: Connection, peer: string): Promise<void>;
}

export interface NodeStream {
  readonly stream: Duplex;
  readonly remote: NetworkAddress;
  readonly local: NetworkAddress;
}

export interface NodeSessionOptions {
  readonly domain: string;
  readonly profiles: ProfileTable;
  readonly limits: Limits;
  /** Unix sockets unless given. */
  readonly transport?: NodeTransport;
}

/** Identity of a node of a domain, by its name in the cluster. */
export function nodeIdentity(domain: string, name: string): PeerIdentity {
  return { name: `imxp=mesh@${domain}`, mechanism: CLUSTER_PROOF, privacy: true, account: name };
}

function rulesFor({ profiles, limits }: NodeSessionOptions, role: ConnectionRules['role']): ConnectionRules {
  // These sessions last as long as the nodes do.
  const session = { ...limits.session, idleTimeoutMs: 0 };
  return { role, profiles, limits: { ...limits, session }, anonymous: true, frameOctets: FRAME_OCTETS };
}

/** Sessions that other nodes open. */
export class NodeSessions implements ConnectionOwner {
  readonly #rules: ConnectionRules;
  readonly #connections = new Set<Connection>();

  constructor(options: NodeSessionOptions) {
    this.#rules = rulesFor(options, 'listener');
  }

  /** @param identity of the node, where it is known already */
  accept({ stream, remote, local }: NodeStream, identity?: PeerIdentity): void {
    const connection = new Connection(stream, this.#rules, { remote, local, owner: this });
    if (identity !== undefined) connection.identity = identity;
    this.#connections.add(connection);
  }

  ended(connection: Connection): void {
    this.#connections.delete(connection);
  }

  /** Cuts the sessions. @param which those of all nodes unless given */
  cut(which: (identity: PeerIdentity | undefined, session: string) => boolean = () => true): void {
    for (const connection of [...this.#connections]) {
      if (!which(connection.identity, connection.id)) continue;
      connection.destroy(new TransportError('CONNECTION_LOST', 'the other node of this domain has gone'));
    }
  }
}

/**
 * Unix socket that accepts the sessions of one other node, or of all others of a kind. It is in a directory that only
 * their user can open: whoever connects to it is one of them, so there is neither TLS nor SASL.
 */
export class NodeSocket {
  readonly #server: Server;
  readonly #path: string;
  readonly #sessions: NodeSessions;

  /** @param peer name of the nodes that connect here */
  constructor(path: string, peer: string, options: NodeSessionOptions) {
    const identity = nodeIdentity(options.domain, peer);
    this.#path = path;
    this.#sessions = new NodeSessions(options);
    this.#server = createServer((stream) => this.#sessions.accept({ stream, remote: LOCAL, local: LOCAL }, identity));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#path, resolve);
    });
    this.#server.on('error', (error) => events.fault.publish({ session: 'cluster', error }));
  }

  /** Cuts the sessions; no more are accepted. */
  close(): void {
    this.#server.close();
    this.#sessions.cut();
  }
}

/**
 * Opens a session with a node.
 *
 * @throws TransportError CONNECT_FAILED | TIMED_OUT when it does not accept it
 */
export async function dialNode(
  path: string,
  peer: string,
  owner: ConnectionOwner,
  options: NodeSessionOptions,
): Promise<Connection> {
  const { transport = unixSockets } = options;
  const { stream, remote, local } = await transport.connect(path, peer, options.limits.session.connectTimeoutMs);
  const connection = new Connection(stream, rulesFor(options, 'initiator'), { remote, local, owner });
  try {
    await connection.greeted();
    await transport.introduce?.(connection, peer);
  } catch (cause) {
    connection.destroy(new TransportError('CONNECT_FAILED', `no session with ${peer}`, { cause }));
    throw cause;
  }
  connection.identity = nodeIdentity(options.domain, peer);
  return connection;
}

const unixSockets: NodeTransport = {
  connect(path, peer, timeoutMs) {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const limit = setTimeout(() => {
        socket.destroy();
        reject(new TransportError('TIMED_OUT', `no connection to ${peer} within ${timeoutMs} ms`));
      }, timeoutMs);
      const failed = (cause: Error): void => {
        clearTimeout(limit);
        reject(new TransportError('CONNECT_FAILED', `cannot connect to ${peer}: ${cause.message}`, { cause }));
      };
      socket.once('error', failed);
      socket.once('connect', () => {
        clearTimeout(limit);
        socket.off('error', failed);
        resolve({ stream: socket, remote: LOCAL, local: LOCAL });
      });
    });
  },
};
