/** Listener that accepts TCP connections and starts a BEEP session on each, within the limits on sessions. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Limits } from '../config/limits.js';
import { type ImxpError, type Reply, TransportError } from '../errors.js';
import { events } from '../ops/events.js';
import { isAnonymousPeer } from '../sasl/identity.js';
import type { Admission } from './admission.js';
import { Connection, type ConnectionOwner } from './connection.js';
import type { ConnectionRules } from './connection-rules.js';
import type { ConnectionSetup } from './connection-setup.js';
import { FairLimit } from './fair-limit.js';
import { cannotListen } from './listen-fault.js';
import { BANNED, type LoginThrottle } from './login-throttle.js';
import { hostPrefix, type NetworkAddress, plainAddress } from './network.js';
import { TurnQueue } from './turn-queue.js';

export interface ListenerOptions extends Omit<ConnectionRules, 'role' | 'limits'> {
  readonly host: string;
  readonly port: number;
  readonly limits: Limits;
  /** Addresses that failed to authenticate too often are turned away. */
  readonly throttle?: LoginThrottle;
  /** Takes no more new sessions than the node bears; any number unless given. */
  readonly admission?: Admission;
  /** Told about each session that was opened and has ended. */
  readonly owner?: ConnectionOwner;
  /** What a connection passes before BEEP begins; without it BEEP begins at once, over TCP. */
  readonly setup?: ConnectionSetup;
}

/** Seconds of silence after which TCP asks whether the peer is still there. */
const KEEP_ALIVE_MS = 60_000;
/** Connections begun in one turn of the event loop; each costs some tenths of a millisecond until it is gone. */
const PER_TURN = 1;
/** Connections that may be closing besides the sessions that are open. */
const REFUSED_CONNECTIONS = 1000;

/** Told to those who come back later, each after a time of its own. */
const TOO_MANY_LOGINS: Reply = { code: 421, text: 'too many peers are logging in; try again in a few seconds' };

export class Listener implements ConnectionOwner {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #turns = new TurnQueue(PER_TURN);
  readonly #unauthenticated = new FairLimit<Connection>();
  readonly #anonymous = new FairLimit<Connection>();
  /** The timer that ends each unauthenticated session. */
  readonly #lifetimes = new Map<Connection, NodeJS.Timeout>();
  readonly #perAddress = new Map<string, number>();
  #limits: Limits;
  #rules: ConnectionRules;
  /** Where the newest connection arrived: mostly where all do. */
  #local: NetworkAddress = { address: '', port: 0 };
  #closing = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#rules = this.#rulesFor(options.limits);
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) =>
      this.#queue(socket),
    );
    // Who is turned away lingers until it closes its side; past this, connections are dropped without a word.
    this.#server.maxConnections = options.limits.node.sessions + REFUSED_CONNECTIONS;
  }

  /**
   * Begins to listen.
   *
   * @returns the port, which the system chose if 0 was asked for
   * @throws LocalError LISTEN_FAILED | CONFIGURATION when the address cannot be had
   */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => reject(cannotListen(host, port, cause)));
      this.#server.listen(port, host, resolve);
    });
    this.#server.on('error', (error) => events.fault.publish({ session: 'listener', error }));
    return this.port;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#options.port;
  }

  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  set limits(limits: Limits) {
    this.#limits = limits;
    this.#rules = this.#rulesFor(limits);
  }

  /** Stops accepting. Existing sessions continue until {@link release}. */
  stop(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#server.close();
  }

  /** Ends all sessions in order; resolves when they are gone, after `limitMs` or `closeTimeoutMs` at the latest. */
  async release(text: string, limitMs?: number): Promise<void> {
    this.stop();
    await Promise.all([...this.#connections].map((connection) => connection.release(text, limitMs)));
  }

  ended(connection: Connection, error: ImxpError | undefined): void {
    this.#connections.delete(connection);
    this.#forget(connection);
    const { address } = connection.remote;
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
    this.#options.owner?.ended(connection, error);
  }

  identified(connection: Connection): void {
    if (connection.identity !== undefined) {
      this.#forget(connection);
      if (isAnonymousPeer(connection.identity)) this.#countAnonymous(connection);
      else this.#options.setup?.trust(connection);
    }
    this.#options.owner?.identified?.(connection);
  }

  /** Ends an older session where there are too many, so that a newcomer gets in. */
  #countAnonymous(connection: Connection): void {
    const { sessions: all, sessionsPerAddress: perHost } = this.#limits.anonymous;
    const host = hostPrefix(connection.remote.address);
    this.#anonymous
      .memberToEvict(host, { all, perHost })
      ?.destroy(new TransportError('BUSY', 'disconnected for a newer session: too many peers are anonymous'));
    this.#anonymous.add(connection, host);
  }

  #queue(socket: Socket): void {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    socket.on('error', ignore);
    const leave = this.#turns.run(hostPrefix(plainAddress(remoteAddress)), () => {
      socket.off('error', ignore);
      this.#accept(socket);
    });
    // A connection that is closed before its turn needs none.
    if (leave !== undefined) socket.once('close', leave);
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || socket.destroyed || this.#closing) {
      socket.destroy();
      return;
    }
    const address = plainAddress(remoteAddress);
    const refuse = this.#obstacle(address);
    const { setup } = this.#options;
    // A handshake to say no would cost as much as a login.
    if (refuse === TOO_MANY_LOGINS && setup !== undefined) {
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, this.#rules, {
      remote: { address, port: remotePort ?? 0 },
      local: this.#localOf(socket),
      owner: this,
      ...(refuse === undefined ? {} : { refuse }),
      opening: setup !== undefined,
    });
    this.#connections.add(connection);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    if (refuse !== undefined) {
      // RFC 3080 §2.4: an unavailable listener says so instead of greeting, and both close.
      events.refused.publish({
        session: connection.id,
        remote: address,
        what: 'session',
        code: refuse.code,
        reason: refuse.text,
      });
      if (setup === undefined) connection.refuseSession();
      else void setup.admit(connection, socket, true);
      return;
    }
    events.opened.publish({ session: connection.id, remote: address, port: remotePort ?? 0, role: 'listener' });
    if (this.#options.anonymous !== true) {
      this.#unauthenticated.add(connection, hostPrefix(address));
      this.#lifetimes.set(connection, this.#lifetime(connection));
    }
    this.#options.owner?.opened?.(connection);
    void setup?.admit(connection, socket, false);
  }

  #rulesFor(limits: Limits): ConnectionRules {
    const {
      host: _host,
      port: _port,
      throttle: _throttle,
      admission: _admission,
      owner: _owner,
      setup: _setup,
      ...rules
    } = this.#options;
    return { ...rules, role: 'listener', limits };
  }

  /** Where a connection arrived; the same object for all that arrived there. */
  #localOf({ localAddress = '', localPort = 0 }: Socket): NetworkAddress {
    const address = plainAddress(localAddress);
    if (address !== this.#local.address || localPort !== this.#local.port) this.#local = { address, port: localPort };
    return this.#local;
  }

  #obstacle(address: string): Reply | undefined {
    const { sessions, sessionsPerAddress } = this.#limits.node;
    const banMs = this.#options.throttle?.bannedFor(address) ?? 0;
    if (banMs > 0) {
      const minutes = Math.ceil(banMs / 60_000);
      return { code: 421, text: `${BANNED} from your address; try again in ${minutes} minutes` };
    }
    if (this.#connections.size >= sessions) return { code: 421, text: 'too many sessions; try again later' };
    if ((this.#perAddress.get(address) ?? 0) >= sessionsPerAddress) {
      return { code: 421, text: 'too many sessions from your address' };
    }
    if (this.#options.admission?.admits(hostPrefix(address)) === false) return TOO_MANY_LOGINS;
    this.#makeRoom(hostPrefix(address));
    return undefined;
  }

  /** Ends the oldest unauthenticated session, which has had the longest time to authenticate, so that honest peers get in. */
  #makeRoom(host: string): void {
    const { sessions: all, sessionsPerAddress: perHost } = this.#limits.unauthenticated;
    const oldest = this.#unauthenticated.memberToEvict(host, { all, perHost });
    oldest?.destroy(
      new TransportError('BUSY', 'disconnected for a newer session: too many peers have not authenticated'),
    );
  }

  #lifetime(connection: Connection): NodeJS.Timeout {
    const ms = this.#limits.unauthenticated.lifetimeMs;
    return setTimeout(
      () => connection.destroy(new TransportError('TIMED_OUT', `not authenticated within ${ms} ms`)),
      ms,
    );
  }

  #forget(connection: Connection): void {
    clearTimeout(this.#lifetimes.get(connection));
    this.#lifetimes.delete(connection);
    this.#unauthenticated.remove(connection);
    this.#anonymous.remove(connection);
  }
}

/** A connection that fails before its turn is seen to be destroyed then. */
function ignore(): void {}
