/**
 * The application's side of the mesh: attached to the relay of its domain, it sends and receives. Owns the life of the
 * connection and what the relay may ask of an endpoint; sending is the outbox's matter, receiving the inbox's.
 *
 * ```
 *   connect ──> connected ──close──> closing ──> closed
 *                  │  ^                            ^
 *                lost back ── not again ───────────┘
 *                  v  │
 *              reconnecting
 * ```
 */
import { EventEmitter } from 'node:events';
import { ImxpError, LocalError, RefusedError, RemoteProtocolError, type Reply, TransportError } from '../errors.js';
import { imxpDialect } from '../imxp/dialect/imxp.js';
import type { Data, Operation, Terminate } from '../imxp/operation.js';
import { isProbe } from '../imxp/probe.js';
import { Backoff, pause } from '../wire/backoff.js';
import type { Payload } from '../wire/channel-handle.js';
import { AccessClient } from './access.js';
import { Attachments } from './attachments.js';
import { attachRefused, type Connection, type Connector, type EndpointChannel, RelayConnector } from './connection.js';
import type { Delivery } from './delivery.js';
import { type DeliveryHandler, Inbox } from './inbox.js';
import { dataOf, type Message } from './message.js';
import { type EndpointOptions, type EndpointSettings, settle } from './options.js';
import { Outbox, type SendSink } from './outbox.js';
import { PresenceClient } from './presence.js';
import { type Echo, type ProbeOptions, type Status, StatusClient, type StatusOptions } from './status.js';
import { Transactions } from './transactions.js';

/** What an endpoint tells about itself; see {@link Endpoint}. */
export type EndpointEvents = {
  /** Attached again after a loss. */
  connect: [];
  /** The connection is lost; `retrying` when it comes back by itself. */
  disconnect: [error: ImxpError, retrying: boolean];
  /** The relay ended the attachment of an address. */
  terminate: [address: string];
  /** Nothing more happens: closed by the application (no error), or lost for good. */
  close: [error: ImxpError | undefined];
};

type State = 'connected' | 'reconnecting' | 'closing' | 'closed';

const NOT_ATTACHED: Reply = { code: 550, text: 'not attached as this endpoint' };
const NOT_FOR_ENDPOINTS: Reply = { code: 550, text: 'an endpoint takes no such operation' };
const UNKNOWN_TRANSACTION: Reply = { code: 550, text: 'no attachment has this transID' };
const LEAVING = 'the endpoint was closed';

/**
 * An application attached to the relay of its domain.
 *
 * Sending resolves when the recipient's application has answered `ok` and rejects with the code and text otherwise.
 * Receiving is a loop, or {@link receive}. With `autoAccept` (the default) a delivery is accepted when the loop asks for
 * the next one, when the loop is left in any way (also by an exception: the two cannot be told apart), and when the endpoint
 * is closed while a loop or handler has it; with `autoAccept: false` only by {@link Delivery.accept}.
 *
 * @example
 * const fred = await Endpoint.connect({
 *   address: 'fred@example.com',
 *   relay: 'tcp://relay.example.com:10913',
 *   passwordFile: 'secrets/fred',
 * });
 * await fred.send({ to: 'barney@rubble.com', content: 'Bowling tonight?' });
 * for await (const delivery of fred) {
 *   console.log(`${delivery.originator}: ${delivery.text()}`);
 *   if (delivery.text() === 'bye') break;
 * }
 * await fred.close();
 */
export class Endpoint extends EventEmitter<EndpointEvents> implements AsyncIterable<Delivery> {
  readonly #connector: Connector;
  readonly #settings: EndpointSettings;
  readonly #attachments = new Attachments();
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #transactions = new Transactions();
  readonly #leaving = new AbortController();
  readonly #backoff: Backoff | undefined;
  #presence: PresenceClient | undefined;
  #access: AccessClient | undefined;
  #status: StatusClient | undefined;
  #state: State = 'reconnecting';
  #connection: Connection | undefined;
  /** Tells a present connection's end from that of an earlier one. */
  #generation = 0;
  #closed: Promise<void> | undefined;
  /** Why this side is about to release the connection, when that is not the application's wish. */
  #reason: ImxpError | undefined;

  /** Use {@link connect}; a connector of one's own is for trying out without a relay. */
  private constructor(connector: Connector, settings: EndpointSettings) {
    super();
    this.#connector = connector;
    this.#settings = settings;
    const { dialect } = connector;
    const idle = (): void => this.#idle();
    this.#inbox = new Inbox({ dialect, autoAccept: settings.autoAccept, limits: settings.limits, idle });
    this.#outbox = new Outbox({ dialect, limits: settings.limits, idle });
    this.#backoff = settings.reconnect === undefined ? undefined : new Backoff(settings.reconnect);
  }

  /**
   * Connects to the relay, logs in and attaches.
   *
   * @throws TransportError CONNECT_FAILED | TIMED_OUT | CONNECTION_LOST; RefusedError SASL_REFUSED (the password), REFUSED
   * (the attach; its reply says why: 537, 553, 554 …), BEEP_UNAVAILABLE; LocalError TLS_REQUIRED, SASL_NO_MECHANISM,
   * ADDRESS_INVALID, ARGUMENT, CONFIGURATION; RemoteProtocolError TLS_FAILED, SASL_SERVER_UNPROVEN
   * @example
   * const fred = await Endpoint.connect({ address: 'fred@example.com', relay: 'tcp://127.0.0.1:10913', password: 'yabba' });
   */
  static async connect(options: EndpointOptions): Promise<Endpoint> {
    const settings = await settle(options);
    return Endpoint.through(new RelayConnector(settings, imxpDialect()), settings);
  }

  /** Like {@link connect}, over connections made elsewhere. */
  static async through(connector: Connector, settings: EndpointSettings): Promise<Endpoint> {
    const endpoint = new Endpoint(connector, settings);
    endpoint.#attachments.add(settings.address);
    await endpoint.#open();
    return endpoint;
  }

  /** The addresses this endpoint wants to be attached as; the first is the originator unless `from` says otherwise. */
  get addresses(): readonly string[] {
    return this.#attachments.addresses;
  }

  /**
   * Publishing one's presence, and seeing that of others.
   *
   * @example
   * for await (const { open } of await fred.presence.subscribe('barney@rubble.com')) console.log(open);
   */
  get presence(): PresenceClient {
    this.#presence ??= new PresenceClient(this, this.#transactions, this.#settings.limits.answerTimeoutMs);
    return this.#presence;
  }

  /**
   * Who may do what to this endpoint: reading and changing its access list.
   *
   * @example
   * await fred.access.allow('barney@rubble.com', ['presence:subscribe']);
   */
  get access(): AccessClient {
    this.#access ??= new AccessClient(this, this.#transactions, this.#settings.limits.answerTimeoutMs);
    return this.#access;
  }

  /**
   * Sends a message like {@link send} and resolves with its answer, be it a refusal, and with what the relays report about
   * each recipient (statusRequest). Relays need not report; what is missing after `reportTimeoutMs` stays missing.
   *
   * @throws TransportError TIMED_OUT | CONNECTION_LOST; LocalError ARGUMENT | ADDRESS_INVALID | CLOSED
   * @example
   * const { code, reports } = await fred.status({ to: ['barney@rubble.com', 'wilma@example.com'], content: 'Dinner!' });
   */
  status(message: Message, options: StatusOptions = {}): Promise<Status> {
    return this.#statusClient.status(message, options);
  }

  /**
   * Asks every relay on the way to an endpoint to report, with a message that the endpoint's application does not see (one
   * without this library sees a message without content).
   *
   * @throws as {@link status}
   * @example
   * for (const { relay, ms } of (await fred.trace('barney@rubble.com')).reports) console.log(relay, ms);
   */
  trace(address: string, options: ProbeOptions = {}): Promise<Status> {
    return this.#statusClient.trace(address, options);
  }

  /**
   * Asks whether an endpoint can be reached and how long that takes; its application does not see it, as with {@link trace}.
   *
   * @throws as {@link status}
   * @example
   * const { code, ms } = await fred.ping('barney@rubble.com');
   */
  ping(address: string, options: ProbeOptions = {}): Promise<Echo> {
    return this.#statusClient.ping(address, options);
  }

  get #statusClient(): StatusClient {
    this.#status ??= new StatusClient(this, this.#transactions);
    return this.#status;
  }

  /** Whether there is a connection to the relay. */
  get connected(): boolean {
    return this.#state === 'connected';
  }

  /** Where the relay is that it is connected to. */
  get relay(): string | undefined {
    return this.#connection?.relay;
  }

  /** Data sent or waiting to be sent, without an answer yet. */
  get outstanding(): number {
    return (this.#connection?.channel.outstanding ?? 0) + this.#outbox.waiting;
  }

  /**
   * Attaches as a further endpoint or subaddress; its deliveries come with the others.
   *
   * @throws RefusedError REFUSED, TransportError CONNECTION_LOST | TIMED_OUT, LocalError ADDRESS_INVALID | ARGUMENT
   * @example
   * await fred.attach('fred/appl=wb@example.com');
   */
  async attach(address: string): Promise<void> {
    const channel = this.#channel();
    this.#attachments.add(address);
    try {
      await this.#attach(channel, address);
    } catch (error) {
      this.#attachments.remove(address);
      throw error;
    }
  }

  /**
   * Ends the attachment of an address.
   *
   * @throws RefusedError REFUSED, TransportError CONNECTION_LOST | TIMED_OUT, LocalError ARGUMENT when it is not attached
   * @example
   * await fred.terminate('fred/appl=wb@example.com');
   */
  async terminate(address: string): Promise<void> {
    const channel = this.#channel();
    const transID = this.#attachments.transID(address);
    if (transID === undefined) throw new LocalError('ARGUMENT', `${address} is not attached`);
    await this.#ask(channel, { type: 'terminate', transID });
    this.#attachments.remove(address);
  }

  /**
   * Sends a message and waits for the answer. Any number may be under way; past `limits.outstandingData` and
   * `limits.outstandingOctets` they wait for their turn. They leave in the order of the calls. A Buffer must not be changed
   * before the answer.
   *
   * Resolves when at least one recipient's application has said ok.
   *
   * @throws RefusedError REFUSED with the code and text (450 not attached, 537 not authorized, 550 unknown …);
   * TransportError TIMED_OUT | CONNECTION_LOST: whether it was delivered is unknown unless `fields.sent` is false; it is
   * never sent again by itself; LocalError ARGUMENT | ADDRESS_INVALID | CLOSED; the signal's reason when it is aborted
   * @example
   * await fred.send({ to: ['barney@rubble.com', 'wilma@example.com'], content: 'Dinner is ready' });
   * await fred.send({ to: 'barney@rubble.com', content: await readFile('bowling.png'), type: 'image/png' });
   */
  send(message: Message): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = message;
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const payload = this.encode(message);
      if (signal === undefined) {
        this.submit(payload, { accepted: resolve, failed: reject });
        return;
      }
      this.#abortable(payload, signal, resolve, reject);
    });
  }

  /**
   * Writes a message as it goes to the relay; the payload may be submitted more than once.
   *
   * @throws LocalError ARGUMENT | ADDRESS_INVALID
   */
  encode(message: Message): Payload {
    const [own = this.#settings.address] = this.#attachments.addresses;
    const data = dataOf(message, own);
    const { dialect } = this.#connector;
    return data.source?.profile === dialect.profile ? data.source.payload : dialect.encodeData(data);
  }

  /**
   * {@link send} for those who send a lot: no promise, and a payload made by {@link encode}.
   *
   * @throws LocalError CLOSED
   * @example
   * const payload = fred.encode({ to: 'barney@rubble.com', content: 'tick' });
   * const sink = { accepted: () => fred.submit(payload, sink), failed: (error) => console.error(error.message) };
   * fred.submit(payload, sink);
   */
  submit(payload: Payload, sink: SendSink): void {
    this.#refuseClosed();
    this.#outbox.submit(payload, sink);
  }

  /**
   * Gives deliveries to a function as they arrive, instead of loops; undefined gives them to loops again. With
   * `autoAccept` a delivery is accepted when the function returns, or when its promise resolves. If it throws, the delivery
   * is refused: with the error's reply when it has one, otherwise with 451.
   *
   * @example
   * fred.receive((delivery) => console.log(delivery.text()));
   */
  receive(handler: DeliveryHandler | undefined): void {
    this.#inbox.receive(handler);
  }

  /**
   * The deliveries, one by one. Ends when the endpoint is closed, and throws when the connection is lost for good or the
   * relay ended the last attachment.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery, undefined> {
    return this.#inbox.deliveries();
  }

  /**
   * Leaves in order: terminates the attachments, which is answered after everything sent before (waiting at most
   * `limits.closeTimeoutMs`), refuses what was not read, releases the session. Never rejects.
   *
   * @example
   * await fred.close();
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  // ---- connecting ---------------------------------------------------------------------------------------------------

  async #open(): Promise<void> {
    this.#generation += 1;
    const generation = this.#generation;
    const [first, ...others] = this.#attachments.addresses;
    const connection = await this.#connector.open(first === undefined ? undefined : this.#attachments.attach(first), {
      message: (channel, msgno, payload) => this.#received(channel, msgno, payload),
      ended: (error) => {
        if (generation === this.#generation) this.#ended(error);
      },
    });
    if (generation !== this.#generation) throw new TransportError('CONNECTION_LOST', 'lost as soon as it was there');
    if (this.#leaving.signal.aborted) {
      await connection.release();
      return;
    }
    this.#connection = connection;
    for (const address of others) await this.#attach(connection.channel, address);
    this.#outbox.channel = connection.channel;
    this.#state = 'connected';
  }

  async #attach(channel: EndpointChannel, address: string): Promise<void> {
    try {
      await this.#ask(channel, this.#attachments.attach(address));
    } catch (error) {
      throw error instanceof RefusedError ? attachRefused(address, error.reply) : error;
    }
  }

  #ask(channel: EndpointChannel, operation: Parameters<Connector['dialect']['encode']>[0]): Promise<void> {
    const { dialect } = this.#connector;
    return new Promise((resolve, reject) => {
      const lost = (code: 'TIMED_OUT' | 'CONNECTION_LOST'): void =>
        reject(new TransportError(code, `no answer to ${operation.type}`));
      channel.request(dialect.encode(operation), {
        replied: (kind, payload) => {
          const error = this.#outbox.verdict(kind, payload);
          if (error === undefined) resolve();
          else reject(error);
        },
        failed: (reason) => lost(reason === 'timeout' ? 'TIMED_OUT' : 'CONNECTION_LOST'),
      });
    });
  }

  /** The connection is gone. */
  #ended(error: ImxpError | undefined): void {
    if (this.#state === 'closed') return;
    const lost = this.#reason ?? error ?? new TransportError('CONNECTION_LOST', 'the relay ended the session');
    this.#reason = undefined;
    this.#connection = undefined;
    this.#generation += 1;
    this.#attachments.lose();
    this.#inbox.lose();
    this.#access?.lose(new TransportError('CONNECTION_LOST', `no answer of the access service: ${lost.message}`));
    if (this.#state === 'closing') return;
    this.#outbox.fail('CONNECTION_LOST', 'the connection to the relay was lost before it was sent');
    const retrying = this.#backoff !== undefined;
    // While it is being attached again the loop that does it sees the failure.
    const looping = this.#state === 'reconnecting';
    this.#state = 'reconnecting';
    if (!looping) this.emit('disconnect', lost, retrying);
    if (this.#backoff === undefined) this.#finish(lost);
    else if (!looping) void this.#comeBack(this.#backoff);
  }

  async #comeBack(backoff: Backoff): Promise<void> {
    const { signal } = this.#leaving;
    for (;;) {
      await backoff.wait(signal);
      if (signal.aborted) return;
      try {
        await this.#again();
        backoff.reset();
        return;
      } catch (error) {
        if (signal.aborted) return;
        const failure =
          error instanceof ImxpError ? error : new LocalError('CONNECT_FAILED', String(error), { cause: error });
        if (!worthRetrying(failure)) {
          this.#finish(failure);
          return;
        }
      }
    }
  }

  async #again(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      // Attached in part only: begin anew.
      await this.#connection?.release();
      throw error;
    }
    if (this.#state !== 'connected') return;
    this.#presence?.attached();
    this.emit('connect');
  }

  /** Nothing more happens. */
  #finish(error: ImxpError | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#leaving.abort();
    this.#outbox.fail(error === undefined ? 'CLOSED' : 'CONNECTION_LOST', error?.message ?? LEAVING);
    this.#inbox.end(error);
    this.#presence?.close(error);
    this.#access?.lose(error ?? new LocalError('CLOSED', LEAVING));
    this.emit('close', error);
  }

  async #close(): Promise<void> {
    if (this.#state === 'closed') return;
    const connection = this.#connection;
    this.#state = 'closing';
    this.#leaving.abort();
    if (connection !== undefined) await this.#leave(connection);
    this.#finish(undefined);
  }

  async #leave({ channel, release }: Connection): Promise<void> {
    const timeout = new AbortController();
    const terminations = this.#attachments.addresses.flatMap((address) => {
      const transID = this.#attachments.transID(address);
      // Whatever the relay says to it: it is over.
      return transID === undefined ? [] : [this.#ask(channel, { type: 'terminate', transID }).catch(() => undefined)];
    });
    await Promise.race([Promise.all(terminations), pause(this.#settings.limits.closeTimeoutMs, timeout.signal)]);
    timeout.abort();
    this.#outbox.fail('CLOSED', LEAVING);
    this.#inbox.leave();
    await release();
  }

  // ---- what the relay asks ------------------------------------------------------------------------------------------

  #received(channel: EndpointChannel, msgno: number, payload: Buffer): void {
    let operation: Operation;
    try {
      operation = this.#connector.dialect.decode(payload);
    } catch (error) {
      if (!(error instanceof RemoteProtocolError) || error.reply === undefined) throw error;
      this.#refuse(channel, msgno, payload.length, error.reply);
      return;
    }
    if (operation.type === 'data') {
      this.#data(channel, msgno, payload.length, operation);
      return;
    }
    channel.consume(payload.length);
    if (operation.type === 'terminate') this.#terminated(channel, msgno, operation);
    // IMXP core §4: in endpoint-relay mode only the endpoint attaches, and nobody binds.
    else this.#refuse(channel, msgno, 0, NOT_FOR_ENDPOINTS);
  }

  #data(channel: EndpointChannel, msgno: number, octets: number, data: Data): void {
    const recipients = data.recipients
      .map(({ identity }) => identity)
      .filter((identity) => this.#attachments.has(identity));
    // IMXP core §9.3: an error when no recipient is attached here.
    if (recipients.length === 0) this.#refuse(channel, msgno, octets, NOT_ATTACHED);
    else if (this.#transacted(channel, msgno, octets, data)) return;
    else this.#inbox.take(channel, msgno, octets, data, recipients);
  }

  /** What a service answers is not for the application's loops, nor is a probe. */
  #transacted(channel: EndpointChannel, msgno: number, octets: number, data: Data): boolean {
    try {
      if (!this.#transactions.take(data) && !isProbe(data)) return false;
      channel.reply(msgno, 'RPY', this.#connector.dialect.ok);
      channel.consume(octets);
    } catch (error) {
      if (!(error instanceof RemoteProtocolError) || error.reply === undefined) throw error;
      this.#refuse(channel, msgno, octets, error.reply);
    }
    return true;
  }

  /** IMXP core §8: the relay ends an attachment. */
  #terminated(channel: EndpointChannel, msgno: number, { transID }: Terminate): void {
    const address = this.#attachments.ended(transID);
    if (address === undefined) {
      this.#refuse(channel, msgno, 0, UNKNOWN_TRANSACTION);
      return;
    }
    channel.reply(msgno, 'RPY', this.#connector.dialect.ok);
    this.emit('terminate', address);
    if (this.#state !== 'connected' || this.#attachments.live) return;
    const ended: Reply = { code: 421, text: 'the relay ended the attachment' };
    this.#reason = new RefusedError('TERMINATED', ended, `the relay ended the attachment of ${address}`);
    this.#idle();
  }

  /** After the last attachment is gone the session is left, but not before all answers are given and there. */
  #idle(): void {
    if (this.#reason === undefined || this.outstanding > 0 || this.#inbox.unanswered > 0) return;
    void this.#connection?.release();
  }

  #refuse(channel: EndpointChannel, msgno: number, octets: number, { code, text }: Reply): void {
    channel.reply(msgno, 'ERR', this.#connector.dialect.encodeReply({ type: 'error', code, text, lang: undefined }));
    if (octets > 0) channel.consume(octets);
  }

  // ---- sending ------------------------------------------------------------------------------------------------------

  #channel(): EndpointChannel {
    this.#refuseClosed();
    const channel = this.#connection?.channel;
    if (channel === undefined) throw new TransportError('CONNECTION_LOST', 'there is no connection to the relay');
    return channel;
  }

  #refuseClosed(): void {
    if (this.#state === 'closing' || this.#state === 'closed') throw new LocalError('CLOSED', LEAVING);
  }

  #abortable(payload: Payload, signal: AbortSignal, resolve: () => void, reject: (reason: unknown) => void): void {
    this.#refuseClosed();
    const submission = this.#outbox.submit(payload, {
      accepted: () => {
        signal.removeEventListener('abort', aborted);
        resolve();
      },
      failed: (error) => {
        signal.removeEventListener('abort', aborted);
        reject(error);
      },
    });
    const aborted = (): void => {
      this.#outbox.withdraw(submission);
      reject(signal.reason);
    };
    signal.addEventListener('abort', aborted, { once: true });
  }
}

/** Whether what kept the endpoint from coming back may pass. */
function worthRetrying(error: ImxpError): boolean {
  // The relay may not have noticed yet that the old connection is gone: another application seems to be attached.
  if (error instanceof RefusedError) return error.reply.code < 500 || error.reply.code === 554;
  return error instanceof TransportError || error.code === 'TLS_FAILED';
}
