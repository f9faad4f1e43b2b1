/**
 * Endpoints inside the process of a node: connections to its relay that go over no network, on which the node itself
 * vouches for the account. They pass the same rules and limits as those of peers.
 */
import { duplexPair } from 'node:stream';
import type { AttachWish } from '../admin/account-endpoints.js';
import { DEFAULT_LIMITS } from '../config/limits.js';
import { parseRelayUrl } from '../config/relay-url.js';
import type { Dialled } from '../endpoint/dialling.js';
import type { Endpoint } from '../endpoint/endpoint.js';
import { Connection, type ConnectionOwner } from '../transport/connection.js';
import type { ConnectionRules } from '../transport/connection-rules.js';

/** For logs: what stands for the address of a peer. */
const HERE = { address: '127.0.0.1', port: 0 };
const RELAY = parseRelayUrl('tcp://127.0.0.1:1');

export class LocalEndpoints implements ConnectionOwner {
  /** The relay's ends of the connections. */
  readonly connections = new Set<Connection>();
  readonly #rules: ConnectionRules;

  /** @param rules of the node's listeners */
  constructor(rules: Omit<ConnectionRules, 'role'>) {
    this.#rules = { ...rules, role: 'listener' };
  }

  /**
   * Attaches as an account.
   *
   * @throws RefusedError REFUSED (554: another program is attached as it); LocalError ADDRESS_INVALID
   */
  async attach(account: string, { sendOnly }: AttachWish = { sendOnly: false }): Promise<Endpoint> {
    // Most nodes attach as nobody, and need no endpoint library.
    const { connectThrough } = await import('../endpoint/connect-through.js');
    const dialling = { relays: async () => [RELAY], dial: (dialled: Dialled) => this.#connect(account, dialled) };
    return connectThrough(dialling, { address: account, relay: RELAY, tls: 'off', autoAccept: false, sendOnly });
  }

  /** Ends all connections in order, within a time. */
  async close(limitMs: number): Promise<void> {
    await Promise.all([...this.connections].map((served) => served.release('the relay is shutting down', limitMs)));
  }

  ended(connection: Connection): void {
    this.connections.delete(connection);
  }

  async #connect(account: string, { relays, chosen, owner, profiles }: Dialled): Promise<Connection> {
    const [near, far] = duplexPair();
    const served = new Connection(far, this.#rules, { remote: HERE, local: HERE, owner: this });
    this.connections.add(served);
    served.identity = { name: account, mechanism: 'LOCAL', privacy: true };
    const connection = new Connection(
      near,
      { role: 'initiator', profiles, limits: DEFAULT_LIMITS },
      { remote: HERE, local: HERE, owner },
    );
    await connection.greeted();
    const [relay] = relays;
    if (relay !== undefined) chosen?.(relay);
    return connection;
  }
}
