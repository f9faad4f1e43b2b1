/**
 * The application's side of the mesh: attached to the relay of its domain, it sends and receives. This is its face; the
 * connection is the lifeline's matter, sending the outbox's, receiving the inbox's.
 */
import { EventEmitter } from 'node:events';
import { ImxpError, LocalError, TransportError } from '../errors.js';
import type { DialectName } from '../imxp/dialect/dialect.js';
import { dialectNamed } from '../imxp/dialect/named.js';
import { AccessClient } from './access.js';
import { type Connector, RelayConnector } from './connection.js';
import { ConnectionManager, LEAVING } from './connection-manager.js';
import type { Delivery } from './delivery.js';
import { type DeliveryHandler, Inbox } from './inbox.js';
import { dataOf, type Encoded, eachOf, encodedOf, type Message } from './message.js';
import { type EndpointOptions, type EndpointSettings, settle } from './options.js';
import { Outbox, type SendSink } from './outbox.js';
import { acceptedBy, failedFor, type Outcome } from './outcome.js';
import { PresenceClient } from './presence.js';
import { type Echo, type ProbeOptions, type Status, StatusClient, type StatusOptions } from './status.js';
import { Transactions } from './transactions.js';

/** What an endpoint tells about itself; see {@link Endpoint}. */
export type EndpointEvents = {
  /** Attached again after a loss. */
  connect: [];
  /** Attached at another relay, which is preferred, without a loss. */
  move: [relay: string];
  /** The connection is lost; `retrying` when it comes back by itself. */
  disconnect: [error: ImxpError, retrying: boolean];
  /** The relay ended the attachment of an address. */
  terminate: [address: string];
  /** Nothing more happens: closed by the application (no error), or lost for good. */
  close: [error: ImxpError | undefined];
};

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
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #connection: ConnectionManager;
  readonly #transactions = new Transactions();
  #presence: PresenceClient | undefined;
  #access: AccessClient | undefined;
  #status: StatusClient | undefined;

  /** Use {@link connect}; a connector of one's own is for trying out without a relay. */
  private constructor(connector: Connector, settings: EndpointSettings) {
    super();
    this.#connector = connector;
    this.#settings = settings;
    const { dialect } = connector;
    const { autoAccept, limits, secure } = settings;
    const idle = (): void => this.#connection.idle();
    this.#inbox = new Inbox({ dialect, autoAccept, secure, limits, idle });
    this.#outbox = new Outbox({ dialect, limits, idle });
    this.#connection = new ConnectionManager({
      connector,
      settings,
      inbox: this.#inbox,
      outbox: this.#outbox,
      transactions: this.#transactions,
      watcher: {
        back: () => this.#back(),
        moved: (relay) => this.#moved(relay),
        lost: (error, retrying) => this.#lost(error, retrying),
        terminated: (address) => void this.emit('terminate', address),
        over: (error) => this.#over(error),
      },
    });
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
    return Endpoint.through(new RelayConnector(settings, dialectNamed(settings.dialect)), settings);
  }

  /** Like {@link connect}, over connections made elsewhere. */
  static async through(connector: Connector, settings: EndpointSettings): Promise<Endpoint> {
    const endpoint = new Endpoint(connector, settings);
    endpoint.#connection.attachments.add(settings.address);
    await endpoint.#connection.open();
    return endpoint;
  }

  /** The addresses this endpoint wants to be attached as; the first is the originator unless `from` says otherwise. */
  get addresses(): readonly string[] {
    return this.#connection.attachments.addresses;
  }

  /** The dialect spoken with the relay; services are asked in its form. */
  get dialect(): DialectName {
    return this.#connector.dialect.name;
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
    return this.#connection.connected;
  }

  /** Where the relay is that it is connected to. */
  get relay(): string | undefined {
    return this.#connection.connection?.relay;
  }

  /** Data sent or waiting to be sent, without an answer yet. */
  get outstanding(): number {
    return this.#outbox.outstanding;
  }

  /**
   * Attaches as a further endpoint or subaddress; its deliveries come with the others.
   *
   * @throws RefusedError REFUSED, TransportError CONNECTION_LOST | TIMED_OUT, LocalError ADDRESS_INVALID | ARGUMENT
   * @example
   * await fred.attach('fred/appl=wb@example.com');
   */
  attach(address: string): Promise<void> {
    return this.#connection.attach(address);
  }

  /**
   * Ends the attachment of an address.
   *
   * @throws RefusedError REFUSED, TransportError CONNECTION_LOST | TIMED_OUT, LocalError ARGUMENT when it is not attached
   * @example
   * await fred.terminate('fred/appl=wb@example.com');
   */
  terminate(address: string): Promise<void> {
    return this.#connection.terminate(address);
  }

  /**
   * Sends a message and waits for the answer. Any number may be under way; past `limits.outstandingData` and
   * `limits.outstandingOctets` they wait for their turn. Those to the same recipient arrive in the order of the calls. A
   * Buffer must not be changed before the answer.
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
      if (signal?.aborted) reject(signal.reason);
      else this.#submitted(this.encode(message), signal, resolve, reject);
    });
  }

  /**
   * Sends a message to each recipient by itself and resolves with what became of it for each, in their order: the answer to
   * one Data for several does not tell who took it. An instant message still names them all in its header.
   *
   * @throws LocalError ARGUMENT | ADDRESS_INVALID | CLOSED; the signal's reason when it is aborted
   * @example
   * for (const { recipient, accepted, code, text } of await fred.sendEach({ to: friends, content: 'Dinner is ready' })) {
   *   if (!accepted) console.error(`${recipient}: ${code ?? 'no answer'} ${text}`);
   * }
   */
  async sendEach(message: Message): Promise<readonly Outcome[]> {
    const { signal } = message;
    signal?.throwIfAborted();
    const all = eachOf(this.#reported(message), this.#own, this.#settings.secure).map(({ recipient, data }) => {
      return { recipient, encoded: encodedOf(data, this.#connector.dialect) };
    });
    const begin = performance.now();
    const sent = all.map(
      ({ recipient, encoded }) =>
        new Promise<Outcome>((resolve, reject) => {
          const accepted = (): void => resolve(acceptedBy(recipient, performance.now() - begin));
          this.#submitted(encoded, signal, accepted, (error) => {
            if (error instanceof ImxpError) resolve(failedFor(recipient, performance.now() - begin, error));
            else reject(error);
          });
        }),
    );
    return await Promise.all(sent);
  }

  /**
   * Writes a message as it goes to the relay; it may be submitted more than once.
   *
   * @throws LocalError ARGUMENT | ADDRESS_INVALID
   */
  encode(message: Message): Encoded {
    return encodedOf(dataOf(this.#reported(message), this.#own, this.#settings.secure), this.#connector.dialect);
  }

  /**
   * {@link send} for those who send a lot: no promise, and a message written by {@link encode}.
   *
   * @throws LocalError CLOSED
   * @example
   * const tick = fred.encode({ to: 'barney@rubble.com', content: 'tick' });
   * const sink = { accepted: () => fred.submit(tick, sink), failed: (error) => console.error(error.message) };
   * fred.submit(tick, sink);
   */
  submit(encoded: Encoded, sink: SendSink): void {
    this.#connection.refuseClosed();
    this.#outbox.submit(encoded, sink);
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
    return this.#connection.close();
  }

  /** Has the reports of a timed message go to where the application wants them. */
  #reported(message: Message): Message {
    const { timing } = message;
    if (timing?.reported === undefined) return message;
    return { ...message, timing: { ...timing, transID: this.#statusClient.listen(timing.reported) } };
  }

  // ---- what becomes of the connection -------------------------------------------------------------------------------

  #back(): void {
    this.#presence?.attached();
    this.emit('connect');
  }

  #moved(relay: string): void {
    this.#presence?.attached();
    this.emit('move', relay);
  }

  #lost(error: ImxpError, retrying: boolean): void {
    this.#access?.lose(new TransportError('CONNECTION_LOST', `no answer of the access service: ${error.message}`));
    this.emit('disconnect', error, retrying);
  }

  #over(error: ImxpError | undefined): void {
    this.#presence?.close(error);
    this.#access?.lose(error ?? new LocalError('CLOSED', LEAVING));
    this.emit('close', error);
  }

  get #own(): string {
    return this.addresses[0] ?? this.#settings.address;
  }

  #submitted(encoded: Encoded, signal: Ending, accepted: () => void, failed: (reason: unknown) => void): void {
    this.#connection.refuseClosed();
    this.#outbox.submitUntil(signal, encoded, accepted, failed);
  }
}

type Ending = AbortSignal | undefined;
