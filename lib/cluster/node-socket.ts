/**
 * BEEP sessions between the nodes of one domain on one machine, over Unix sockets in a directory that only their user can
 * open: whoever connects to such a socket is one of them, so there is neither TLS nor SASL.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Limits } from '../config/limits.js';
import { TransportError } from '../errors.js';
import { events } from '../ops/events.js';
import { CLUSTER_PROOF } from '../relay/cluster.js';
import type { PeerIdentity } from '../sasl/identity.js';
import { Connection, type ConnectionOwner } from '../transport/connection.js';
import type { ConnectionRules } from '../transport/connection-rules.js';
import type { ProfileTable } from '../transport/profile.js';

/** A whole message mostly; nothing is divided into packets underneath. */
const FRAME_OCTETS = 65_536;
const LOCAL = { address: 'unix', port: 0 } as const;

export interface NodeSessionOptions {
  readonly domain: string;
  readonly profiles: ProfileTable;
  readonly limits: Limits;
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

/** Accepts the sessions of one other node, or of all others of a kind. */
export class NodeSocket implements ConnectionOwner {
  readonly #server: Server;
  readonly #path: string;
  readonly #connections = new Set<Connection>();

  /** @param peer name of the nodes that connect here */
  constructor(path: string, peer: string, options: NodeSessionOptions) {
    const rules = rulesFor(options, 'listener');
    const identity = nodeIdentity(options.domain, peer);
    this.#path = path;
    this.#server = createServer((socket) => this.#accept(socket, rules, identity));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#path, resolve);
    });
    this.#server.on('error', (error) => events.fault.publish({ session: 'cluster', error }));
  }

  ended(connection: Connection): void {
    this.#connections.delete(connection);
  }

  /** Cuts the sessions; no more are accepted. */
  close(): void {
    this.#server.close();
    for (const connection of this.#connections) {
      connection.destroy(new TransportError('CONNECTION_LOST', 'the other node of this domain has gone'));
    }
  }

  #accept(socket: Socket, rules: ConnectionRules, identity: PeerIdentity): void {
    const connection = new Connection(socket, rules, { remote: LOCAL, local: LOCAL, owner: this });
    connection.identity = identity;
    this.#connections.add(connection);
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
  const socket = await connected(path, peer, options.limits.session.connectTimeoutMs);
  const rules = rulesFor(options, 'initiator');
  const connection = new Connection(socket, rules, { remote: LOCAL, local: LOCAL, owner });
  try {
    await connection.greeted();
  } catch (cause) {
    connection.destroy(new TransportError('CONNECT_FAILED', `no session with ${peer}`, { cause }));
    throw cause;
  }
  connection.identity = nodeIdentity(options.domain, peer);
  return connection;
}

function connected(path: string, peer: string, timeoutMs: number): Promise<Socket> {
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
      resolve(socket);
    });
  });
}
