/**
 * Connection manager of an endpoint: connects, reconnects after a loss, moves to a preferred relay, and closes. Owns
 * the attachments; knows nothing of what is sent and received.
 *
 * ```
 *   open ──> connected ──leave──> closing ──> closed
 *               │  ^ └ move ┐                   ^
 *             lost back <───┘── gives up ───────┘
 *               v  │
 *           reconnecting
 * ```
 */
import { ImxpError, LocalError, RefusedError, type Reply, TransportError } from '../errors.js';
import { EVERYBODY } from '../imxp/address.js';
import { Backoff, pause } from '../transport/backoff.js';
import { givenAddress, wireAddress } from './address.js';
import { type AttachConditions, Attachments } from './attachments.js';
import { attachRefused, type Connector, type EndpointChannel, type RelayConnection } from './connection.js';
import type { Inbox } from './inbox.js';
import type { EndpointSettings } from './options.js';
import type { Outbox } from './outbox.js';
import { ReceivingLanes } from './receiving-lanes.js';
import { Requests } from './requests.js';
import { EndpointSession } from './session.js';
import type { Transactions } from './transactions.js';

export const LEAVING = 'the endpoint was closed';

/** Receives the changes of the connection's state. */
export interface ConnectionObserver {
  /** The endpoint is attached again after a loss. */
  back(): void;
  /** The endpoint is attached at another relay; nothing was lost. */
  moved(relay: string): void;
  /** Called once for each loss. @param retrying whether the endpoint reconnects by itself */
  lost(error: ImxpError, retrying: boolean): void;
  terminated(address: string): void;
  /** The endpoint is closed permanently. `error` is undefined when the application closed it. */
  over(error: ImxpError | undefined): void;
}

export interface ConnectionManagerOptions {
  readonly connector: Connector;
  readonly settings: EndpointSettings;
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly transactions: Transactions;
  readonly watcher: ConnectionObserver;
}

export class ConnectionManager {
  readonly attachments = new Attachments();
  readonly #options: ConnectionManagerOptions;
  readonly #requests: Requests;
  readonly #leaving = new AbortController();
  readonly #backoff: Backoff | undefined;
  /** Whether an attach replaces other applications. */
  #override: boolean;
  #state: 'connected' | 'reconnecting' | 'closing' | 'closed' = 'reconnecting';
  #session: EndpointSession | undefined;
  /** Connections that were left for a preferred relay and still wait for their last answers. */
  readonly #retiring = new Set<RelayConnection>();
  #closed: Promise<void> | undefined;
  /** Why this side is about to release the connection, when the application did not ask for it. */
  #reason: ImxpError | undefined;

  constructor(options: ConnectionManagerOptions) {
    this.#options = options;
    this.#requests = new Requests(options.connector.dialect, options.outbox);
    const { reconnect } = options.settings;
    this.#override = options.settings.override;
    this.#backoff = reconnect === undefined ? undefined : new Backoff(reconnect);
  }

  get connected(): boolean {
    return this.#state === 'connected';
  }

  get connection(): RelayConnection | undefined {
    return this.#session?.connection;
  }

  /** @throws LocalError CLOSED once `close` has been called or the connection is lost permanently */
  refuseClosed(): void {
    if (this.#state === 'closing' || this.#state === 'closed') throw new LocalError('CLOSED', LEAVING);
  }

  /** Connects and attaches all addresses. */
  async open(): Promise<void> {
    const session = this.#newSession();
    const connection = await this.#connect(session);
    if (this.#leaving.signal.aborted) {
      await connection.release();
      return;
    }
    this.#session = session;
    await this.#attachOthers(session, connection.channel);
    this.#state = 'connected';
    this.#begin(session, connection);
  }

  /** Like {@link open}, but tries again while that makes sense, until {@link close}. */
  async openAgainAndAgain(): Promise<void> {
    const { signal } = this.#leaving;
    const backoff = this.#backoff;
    for (;;) {
      try {
        return await this.open();
      } catch (error) {
        // 554 is for the caller: at the beginning there is no connection of this endpoint that the relay could still believe in.
        const taken = error instanceof RefusedError && error.reply.code === 554;
        if (backoff === undefined || taken || signal.aborted || !worthRetrying(imxpErrorOf(error))) throw error;
        await this.connection?.release();
        this.#session = undefined;
        await backoff.wait(signal);
        if (signal.aborted) throw error;
      }
    }
  }

  async attach(given: string): Promise<void> {
    const address = wireAddress(given);
    const { session, channel } = this.#present();
    this.attachments.add(address);
    try {
      await this.#attach(session, channel, address);
    } catch (error) {
      this.attachments.remove(address);
      session.attached.remove(address);
      throw error;
    }
  }

  async terminate(given: string): Promise<void> {
    const address = wireAddress(given);
    const { session, channel } = this.#present();
    const transID = session.attached.transID(address);
    if (transID === undefined) throw new LocalError('ARGUMENT', `${address} is not attached`);
    await session.lanes?.terminate([transID]);
    await this.#requests.ask(channel, { type: 'terminate', transID });
    session.attached.remove(address);
    this.attachments.remove(address);
  }

  get #conditions(): AttachConditions {
    const { sendOnly, queueGroup } = this.#options.settings;
    return { override: this.#override, sendOnly, queueGroup };
  }

  /** Closes the endpoint in order; see {@link Endpoint.close}. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Called when nothing is outstanding in one direction: the last pending answer may have been given. */
  idle(): void {
    const { inbox, outbox } = this.#options;
    if (this.#reason === undefined || outbox.outstanding > 0 || inbox.unanswered > 0) return;
    void this.connection?.release();
  }

  // ---- connecting---------------------------------------------------------------------------------------------------

  #newSession(): EndpointSession {
    const { connector, inbox, transactions } = this.#options;
    return new EndpointSession({
      dialect: connector.dialect,
      inbox,
      transactions,
      terminated: (session, address) => this.#terminated(session, address),
      ended: (session, error) => this.#ended(session, error),
    });
  }

  async #connect(session: EndpointSession, than?: string): Promise<RelayConnection> {
    const [first] = this.attachments.addresses;
    const attach = first === undefined ? undefined : session.attached.attach(first, this.#conditions);
    const connection = await this.#options.connector.open(attach, session, than);
    if (session.over.signal.aborted)
      throw new TransportError('CONNECTION_LOST', 'the connection was lost as soon as it was made');
    session.connection = connection;
    return connection;
  }

  async #attachOthers(session: EndpointSession, channel: EndpointChannel): Promise<void> {
    for (const address of this.attachments.addresses.slice(1)) await this.#attach(session, channel, address);
  }

  #begin(session: EndpointSession, connection: RelayConnection): void {
    this.#options.outbox.begin(connection);
    if (connection.preferred === false) void this.#watchPreferred(session, connection);
  }

  async #attach(session: EndpointSession, channel: EndpointChannel, address: string): Promise<void> {
    const attach = session.attached.attach(address, this.#conditions);
    try {
      await this.#requests.ask(channel, attach);
    } catch (error) {
      throw error instanceof RefusedError ? attachRefused(address, error.reply) : error;
    }
    if (givenAddress(address).local === EVERYBODY) await this.#lanesOf(session)?.attached(attach);
  }

  #lanesOf(session: EndpointSession): ReceivingLanes | undefined {
    const { inbox, settings } = this.#options;
    const { connection } = session;
    if (connection === undefined) return undefined;
    session.lanes ??= new ReceivingLanes({
      connection,
      requests: this.#requests,
      most: settings.limits.receivingLanes,
      receive: (channel, msgno, payload) => session.message(channel, msgno, payload),
      due: (channel) => inbox.due(channel),
      closed: (channel) => inbox.lose(channel),
    });
    return session.lanes;
  }

  /** Ends all attachments of a session, on all of its channels. Never rejects. */
  async #terminateAll({ attached, lanes }: EndpointSession, channel: EndpointChannel): Promise<void> {
    const { transIDs } = attached;
    await Promise.all([this.#requests.terminate(channel, transIDs), lanes?.terminate(transIDs)]);
  }

  #present(): { readonly session: EndpointSession; readonly channel: EndpointChannel } {
    this.refuseClosed();
    const session = this.#session;
    const channel = session?.connection?.channel;
    if (session !== undefined && channel !== undefined) return { session, channel };
    throw new TransportError('CONNECTION_LOST', 'there is no connection to the relay');
  }

  // ---- loss and reconnection -----------------------------------------------------------------------------------

  /** A session has ended. */
  #ended(session: EndpointSession, error: ImxpError | undefined): void {
    if (this.#state === 'closed') return;
    const { inbox, outbox, watcher } = this.#options;
    for (const channel of session.channels) inbox.lose(channel);
    if (session !== this.#session) return;
    const lost = this.#reason ?? error ?? new TransportError('CONNECTION_LOST', 'the relay ended the session');
    this.#reason = undefined;
    this.#session = undefined;
    if (this.#state === 'closing') return;
    outbox.fail('CONNECTION_LOST', 'the connection to the relay was lost before the message was sent');
    const retrying = this.#backoff !== undefined;
    // During a reconnection the loop that attaches again sees the failure itself.
    const looping = this.#state === 'reconnecting';
    this.#state = 'reconnecting';
    if (!looping) watcher.lost(lost, retrying);
    if (this.#backoff === undefined) this.#finish(lost);
    else if (!looping) void this.#reconnect(this.#backoff);
  }

  async #reconnect(backoff: Backoff): Promise<void> {
    const { signal } = this.#leaving;
    for (;;) {
      await backoff.wait(signal);
      if (signal.aborted) return;
      try {
        await this.#reopen();
        backoff.connected();
        return;
      } catch (error) {
        if (signal.aborted) return;
        const failure = imxpErrorOf(error);
        if (!worthRetrying(failure)) {
          this.#finish(failure);
          return;
        }
      }
    }
  }

  async #reopen(): Promise<void> {
    try {
      await this.open();
    } catch (error) {
      // Only some addresses may be attached: start over.
      await this.connection?.release();
      throw error;
    }
    if (this.#state === 'connected') this.#options.watcher.back();
  }

  /** The relay ended an attachment. */
  #terminated(session: EndpointSession, address: string): void {
    if (session !== this.#session) return;
    // Otherwise two applications that want the same address would replace each other for ever.
    this.#override = false;
    this.#options.watcher.terminated(address);
    if (this.#state !== 'connected' || session.attached.live) return;
    const ended: Reply = { code: 421, text: 'the relay ended the attachment' };
    this.#reason = new RefusedError('TERMINATED', ended, `the relay ended the attachment of ${address}`);
    // With no attachment left the session is released, but not before all answers are given and received.
    this.idle();
  }

  // ---- moving to a preferred relay
  // -----------------------------------------------------------------------------------------------

  /** Tries the relays that are preferred to the present one from time to time, and moves as soon as one answers. */
  async #watchPreferred(session: EndpointSession, connection: RelayConnection): Promise<void> {
    const { returnMs } = this.#options.settings.limits;
    const { signal } = session.over;
    while (returnMs > 0 && connection.relay !== undefined) {
      // Jitter, so that all endpoints of a relay that was down do not return to it at once.
      await pause(returnMs * (0.5 + Math.random()), signal);
      if (signal.aborted || this.#state !== 'connected' || this.#session !== session) return;
      if (await this.#move(session, connection, connection.relay)) return;
    }
  }

  /** Moves to a preferred relay. @returns false when none answered and another attempt makes sense */
  async #move(old: EndpointSession, connection: RelayConnection, relay: string): Promise<boolean> {
    const session = this.#newSession();
    try {
      const better = await this.#connect(session, relay);
      try {
        await this.#attachOthers(session, better.channel);
      } catch (error) {
        await better.release();
        throw error;
      }
      if (this.#state !== 'connected' || this.#session !== old) {
        await better.release();
        return true;
      }
      this.#session = session;
      this.#begin(session, better);
      this.#options.watcher.moved(better.relay ?? '');
      void this.#retire(old, connection);
      return true;
    } catch {
      return false;
    }
  }

  /** Releases a connection once all answers are given and received. */
  async #retire(session: EndpointSession, { channel, release }: RelayConnection): Promise<void> {
    const { over } = session;
    const { inbox, outbox, settings } = this.#options;
    const connection = { channel, release };
    this.#retiring.add(connection);
    const within = (done: Promise<unknown>): Promise<unknown> =>
      Promise.race([done, pause(settings.limits.answerTimeoutMs, over.signal)]);
    await within(outbox.retiredAnswered());
    await within(this.#terminateAll(session, channel));
    await within(Promise.all(session.channels.map((one) => inbox.settled(one))));
    this.#retiring.delete(connection);
    await release();
  }

  // ---- closing ------------------------------------------------------------------------------------------------------

  /** Enters the final state. */
  #finish(error: ImxpError | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#leaving.abort();
    this.#options.outbox.fail(error === undefined ? 'CLOSED' : 'CONNECTION_LOST', error?.message ?? LEAVING);
    this.#options.inbox.end(error);
    this.#options.watcher.over(error);
  }

  async #close(): Promise<void> {
    if (this.#state === 'closed') return;
    const session = this.#session;
    this.#state = 'closing';
    this.#leaving.abort();
    if (session?.connection !== undefined) await this.#leave(session, session.connection);
    await Promise.all([...this.#retiring].map(({ release }) => release()));
    this.#finish(undefined);
  }

  async #leave(session: EndpointSession, { channel, release }: RelayConnection): Promise<void> {
    const { over } = session;
    const { inbox, outbox, settings } = this.#options;
    const timeout = new AbortController();
    const late = Promise.race([
      pause(settings.limits.closeTimeoutMs, timeout.signal),
      new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve(), { once: true })),
    ]);
    // A terminate is answered after everything sent before it on its channel, but may overtake Data on others.
    if (outbox.hasQueued) await Promise.race([outbox.queueEmpty(), late]);
    await Promise.race([this.#terminateAll(session, channel), late]);
    timeout.abort();
    outbox.fail('CLOSED', LEAVING);
    inbox.leave();
    await release();
  }
}

function imxpErrorOf(error: unknown): ImxpError {
  return error instanceof ImxpError ? error : new LocalError('CONNECT_FAILED', String(error), { cause: error });
}

/** Whether the failure may be temporary, so that reconnecting makes sense. */
function worthRetrying(error: ImxpError): boolean {
  // 554: the relay may not have noticed yet that the old connection is gone and take it for another application.
  if (error instanceof RefusedError) return error.reply.code < 500 || error.reply.code === 554;
  // CLOSED: the connection was lost between two steps of the login; what the application closes does not come here.
  return error instanceof TransportError || error.code === 'TLS_FAILED' || error.code === 'CLOSED';
}
