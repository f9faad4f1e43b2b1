/**
 * Setup of a connection before BEEP begins, on a listener that is not plain TCP: protocol sniffing, TLS, and the upgrade to
 * WebSocket, in that order and within one time limit. A browser may fetch a page instead, and leaves. The listener counts and limits the session from the connection on.
 *
 * ```
 *   any ── 16 … ──> TLS ──> HTTP ──> WebSocket ──┐
 *    ├──── "GET " … ──────> HTTP ──> WebSocket ──┤
 *    └──── "RPY", or silence for a moment ───────┴──> BEEP
 * ```
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Limits } from '../config/limits.js';
import { ImxpError, LocalError, RemoteProtocolError, TransportError } from '../errors.js';
import type { Connection } from './connection.js';
import { firstOctet, sniffProtocol } from './protocol-sniffing.js';
import { Handshakes } from './tls/handshakes.js';
import { peekHello } from './tls/hello-peek.js';
import { announceTls } from './tls/profile.js';
import type { SecuredStream } from './tls/secured-stream.js';
import type { TlsService } from './tls/service.js';
import type { WebRules } from './web/upgrade-policy.js';
import { UpgradeServer, type WebLimits } from './web/upgrade-server.js';
import type { WebSocketStream } from './web/websocket.js';

export interface ConnectionSetupOptions {
  /** `any`: TCP, ws and, where there is a certificate, wss on one port. */
  readonly transport: 'ws' | 'wss' | 'any';
  readonly rules: WebRules;
  /** Without it, or without its certificate, no peer is admitted under TLS. */
  readonly tls?: TlsService;
  /** The handshakes of the node that are in progress. */
  readonly handshakes?: Handshakes;
  readonly limits: WebLimits & { readonly session: Pick<Limits['session'], 'closeTimeoutMs'> };
}

interface Entered {
  readonly stream: Duplex;
  readonly security?: SecuredStream;
}

/** Ends a connection whose peer has not begun BEEP by then. */
class SetupTimer {
  readonly signal: AbortSignal;
  readonly #late = new AbortController();
  readonly #connection: Connection;
  #timer: NodeJS.Timeout | undefined;
  /** Whether the peer is a browser that fetches a page: its end is no fault. */
  extended = false;

  constructor(connection: Connection, ms: number) {
    this.#connection = connection;
    this.signal = this.#late.signal;
    this.#timer = setTimeout(() => {
      this.#late.abort();
      connection.destroy(new TransportError('TIMED_OUT', `the peer did not begin a BEEP session within ${ms} ms`));
    }, ms);
  }

  /** The peer fetches a page, which takes as long as its network does. */
  extend(ms: number): void {
    this.extended = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#late.abort();
      this.#connection.end(undefined);
    }, ms);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}

export class ConnectionSetup {
  readonly #options: ConnectionSetupOptions;
  readonly #upgrades: UpgradeServer;
  readonly #handshakes: Handshakes;
  /** WebSockets of peers that have not authenticated. */
  readonly #unauthenticated = new WeakMap<Connection, WebSocketStream>();

  constructor(options: ConnectionSetupOptions) {
    this.#options = options;
    this.#upgrades = new UpgradeServer(options.rules, options.limits);
    this.#handshakes = options.handshakes ?? new Handshakes();
  }

  /**
   * Brings a connection to where BEEP begins and has the connection begin there, or end with the reason.
   *
   * @param connection made with `opening`
   * @param refused it is only told that it is refused
   */
  async admit(connection: Connection, socket: Socket, refused: boolean): Promise<void> {
    const { websocket, session } = this.#options.limits;
    const ms = refused ? Math.min(session.closeTimeoutMs, websocket.upgradeTimeoutMs) : websocket.upgradeTimeoutMs;
    const timer = new SetupTimer(connection, ms);
    socket.on('error', ignore);
    try {
      const { stream, security } = await this.#enter(connection, socket, timer);
      connection.renew(stream, security === undefined ? {} : { security });
      // Octets that were put back wait in a paused stream.
      stream.resume();
      if (refused) connection.refuseSession();
    } catch (error) {
      if (timer.extended) {
        connection.end(undefined);
        return;
      }
      const known = error instanceof ImxpError;
      connection.destroy(known ? error : new LocalError('CLOSED', String(error), { cause: error }));
    } finally {
      timer.clear();
    }
  }

  /** The peer has authenticated: the limits for unauthenticated peers no longer apply. */
  trust(connection: Connection): void {
    this.#unauthenticated.get(connection)?.trust();
    this.#unauthenticated.delete(connection);
  }

  async #enter(connection: Connection, socket: Socket, timer: SetupTimer): Promise<Entered> {
    const { transport, limits } = this.#options;
    // The others speak first: a listener that waits for them answers each at once.
    const speech =
      transport === 'any' ? await sniffProtocol(socket, limits.websocket.greetingDelayMs) : SPEECH[transport];
    if (speech === 'beep') return { stream: socket };
    if (speech === 'http') return { stream: await this.#webSocket(connection, socket, timer) };
    const security = await this.#secured(connection, socket, timer.signal);
    return { stream: await this.#webSocket(connection, security.stream, timer), security };
  }

  async #secured(connection: Connection, socket: Socket, signal: AbortSignal): Promise<SecuredStream> {
    const { tls } = this.#options;
    if (tls?.canServe !== true)
      throw new RemoteProtocolError('TLS_REFUSED', 'the peer began TLS, and no certificate is configured here');
    const secured = await this.#handshakes.admit(connection, async () => {
      const hello = await peekHello(socket, Buffer.alloc(0), signal);
      await this.#handshakes.turn(connection, socket);
      return tls.accept(socket, hello, undefined, signal);
    });
    announceTls(connection, secured);
    return secured;
  }

  async #webSocket(connection: Connection, stream: Duplex, timer: SetupTimer): Promise<WebSocketStream> {
    const { pageTimeoutMs } = this.#options.limits.websocket;
    const webSocket = await this.#upgrades.receive(stream, () => timer.extend(pageTimeoutMs));
    this.#unauthenticated.set(connection, webSocket);
    // What leaves together with the answer to the HTTP request is lost to a page that listens a moment later. Peers that
    // speak at once, as this project's own do, wait for nothing.
    await firstOctet(webSocket, this.#options.limits.websocket.greetingDelayMs);
    return webSocket;
  }
}

const SPEECH = { ws: 'http', wss: 'tls' } as const;

/** The error is reported by the end of the connection. */
function ignore(): void {}
