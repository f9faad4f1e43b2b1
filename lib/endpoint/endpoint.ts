/**
 * Endpoint: the application's access to the mesh. This is the public class; connecting is the connection manager's
 * task, sending the outbox's, receiving the inbox's.
 */
import { EventEmitter } from 'node:events';
import { ImxpError, LocalError, TransportError } from '../errors.js';
import type { DialectName } from '../imxp/dialect/dialect.js';
import { dialectNamed } from '../imxp/dialect/named.js';
import { whenAborted } from '../transport/abort.js';
import { AccessClient } from './access.js';
import { type Connector, RelayConnector } from './connection.js';
import { ConnectionManager, LEAVING } from './connection-manager.js';
import { Deferred } from './deferred.js';
import type { Delivery } from './delivery.js';
import { Exchanges } from './exchanges.js';
import { type DeliveryHandler, Inbox, type ReceiveOptions } from './inbox.js';
import { checkKeys, type KnownKeys } from './keys.js';
import { dataOf, type Encoded, eachOf, encodedOf, type Message } from './message.js';
import { type EndpointOptions, type EndpointSettings, settle } from './options.js';
import { Outbox, type SendSink } from './outbox.js';
import { acceptedBy, failedFor, type Outcome } from './outcome.js';
import { PresenceClient } from './presence.js';
import { refusesSubaddress, withoutSubaddress } from './refused-subaddress.js';
import { withinTime } from './service-timeout.js';
import { type Echo, type ProbeOptions, type Status, StatusClient, type StatusOptions } from './status.js';
import { Transactions } from './transactions.js';

/** Events of an {@link Endpoint}. */
export type EndpointEvents = {
  /** The endpoint is attached again after a loss. */
  connect: [];
  /** The endpoint has moved to a preferred relay; nothing was lost. */
  move: [relay: string];
  /** The connection is lost; `retrying` tells whether the endpoint reconnects by itself. */
  disconnect: [error: ImxpError, retrying: boolean];
  /** The relay ended the attachment of an address. */
  terminate: [address: string];
  /** The endpoint is closed: by the application (no error), or because the connection is lost permanently. */
  close: [error: ImxpError | undefined];
  /**
   * The function given to {@link Endpoint.receive} has thrown something that is no reply for the sender, who was told 451.
   * Without a listener the error is thrown where nothing catches it, which ends a program of Node.
   */
  error: [error: unknown, delivery: Delivery];
};

/** Options of {@link Endpoint.request}. */
export interface RequestOptions {
  /** How long the answer is awaited. Default: `limits.answerTimeoutMs`. */
  readonly timeoutMs?: number;
}

const REQUEST_KEYS: KnownKeys<RequestOptions> = { timeoutMs: true };

/**
 * An application attached to the relay of its domain.
 *
 * Sending resolves when the recipient's application has answered `ok` and rejects with the code and text otherwise. To
 * receive, iterate over the endpoint or call {@link receive}. With `autoAccept` (the default) a delivery is accepted
 * when the loop asks for the next one, when the loop ends in any way (an exception cannot be told from a `break`), and
 * when the endpoint is closed while a loop or handler is working on it; with `autoAccept: false` only {@link
 * Delivery.accept} accepts it.
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
export class Endpoint extends EventEmitter<EndpointEvents> implements AsyncIterable<Delivery>, AsyncDisposable {
  readonly #connector: Connector;
  readonly #settings: EndpointSettings;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #connection: ConnectionManager;
  readonly #transactions = new Transactions();
  readonly #exchanges = new Exchanges<Delivery>();
  #presence: PresenceClient | undefined;
  #access: AccessClient | undefined;
  #status: StatusClient | undefined;

  /** Use {@link connect}. */
  private constructor(connector: Connector, settings: EndpointSettings) {
    super();
    this.#connector = connector;
    this.#settings = settings;
    const { dialect } = connector;
    const { autoAccept, limits, secure, sendOnly } = settings;
    const idle = (): void => this.#connection.idle();
    this.#inbox = new Inbox({
      dialect,
      autoAccept,
      secure,
      limits,
      sendOnly,
      exchanges: this.#exchanges,
      idle,
      fault: (error, delivery) => this.#failed(error, delivery),
      send: (message) => this.send(message),
    });
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
   * @throws TransportError CONNECT_FAILED | TIMED_OUT | CONNECTION_LOST; RefusedError SASL_REFUSED (the password),
   *   REFUSED (the attach; its reply tells why: 537, 553, 554 …), BEEP_UNAVAILABLE; LocalError TLS_REQUIRED,
   *   SASL_NO_MECHANISM, ADDRESS_INVALID, ARGUMENT, CONFIGURATION; RemoteProtocolError TLS_FAILED, SASL_SERVER_UNPROVEN
   * @example
   * const fred = await Endpoint.connect({ address: 'fred@example.com', relay: 'tcp://127.0.0.1:10913', password: 'yabba' });
   */
  static async connect(options: EndpointOptions): Promise<Endpoint> {
    const settings = await settle(options);
    return await Endpoint.through(new RelayConnector(settings, dialectNamed(settings.dialect)), settings);
  }

  /** Like {@link connect}, but over connections from another connector. */
  static async through(connector: Connector, settings: EndpointSettings): Promise<Endpoint> {
    try {
      return await Endpoint.#attached(connector, settings);
    } catch (error) {
      const { address, attachAs } = settings;
      if (address === attachAs || !refusesSubaddress(error)) throw error;
      return await Endpoint.#attached(connector, { ...settings, attachAs: address }).catch((own: unknown) => {
        throw withoutSubaddress(own, address, error.reply);
      });
    }
  }

  static async #attached(connector: Connector, settings: EndpointSettings): Promise<Endpoint> {
    const endpoint = new Endpoint(connector, settings);
    const { attachAs, reconnectInitially, signal } = settings;
    signal?.throwIfAborted();
    endpoint.#connection.attachments.add(attachAs);
    const opening = reconnectInitially ? endpoint.#connection.openAgainAndAgain() : endpoint.#connection.open();
    if (signal === undefined) await opening;
    else await endpoint.#until(signal, opening);
    return endpoint;
  }

  /** Waits until the connection is made. @throws the signal's reason when it is aborted before */
  async #until(signal: AbortSignal, opening: Promise<void>): Promise<void> {
    const aborted = new Deferred<never>();
    const forget = whenAborted(signal, () => aborted.reject(signal.reason));
    try {
      await Promise.race([opening, aborted.promise]);
    } catch (error) {
      // A connection that is made after all is released; why it is not made is of no interest any more.
      opening.catch(() => {});
      void this.close();
      throw error;
    } finally {
      forget();
    }
  }

  /** The address that messages come from by default. A program that only sends is attached beside it. */
  get address(): string {
    return this.#settings.sendOnly ? this.#settings.address : (this.addresses[0] ?? this.#settings.address);
  }

  /** The addresses that this endpoint is attached as, whether or not it is connected. */
  get addresses(): readonly string[] {
    return this.#connection.attachments.addresses;
  }

  /** The dialect spoken with the relay and in requests to services. */
  get dialect(): DialectName {
    return this.#connector.dialect.name;
  }

  /**
   * Client of the presence service: publishes presence, polls and subscribes to that of others.
   *
   * @example
   * for await (const { open } of await fred.presence.subscribe('barney@rubble.com')) console.log(open);
   */
  get presence(): PresenceClient {
    this.#presence ??= new PresenceClient(
      this,
      this.#transactions,
      this.#settings.limits.answerTimeoutMs,
      this.#settings.secure,
    );
    return this.#presence;
  }

  /**
   * Client of the access service: reads and changes who may do what to this endpoint.
   *
   * @example
   * await fred.access.allow('barney@rubble.com', ['presence:subscribe']);
   */
  get access(): AccessClient {
    this.#access ??= new AccessClient(this, this.#transactions, this.#settings.limits.answerTimeoutMs);
    return this.#access;
  }

  /**
   * Sends a message like {@link send} and resolves with its answer, even a refusal, and with the relays' reports about
   * each recipient (statusRequest). Relays need not report; reports that have not arrived after `reportTimeoutMs` are
   * left out.
   *
   * @throws TransportError TIMED_OUT | CONNECTION_LOST; LocalError ARGUMENT | ADDRESS_INVALID | CLOSED
   * @example
   * const { code, reports } = await fred.status({ to: ['barney@rubble.com', 'wilma@example.com'], content: 'Dinner!' });
   */
  status(message: Message, options: StatusOptions = {}): Promise<Status> {
    return this.#statusClient.status(message, options);
  }

  /**
   * Asks every relay on the path to an endpoint to report, by a message that the endpoint's application does not see
   * (one without this library sees a message without content).
   *
   * @throws as {@link status}
   * @example
   * for (const { relay, ms } of (await fred.trace('barney@rubble.com')).reports) console.log(relay, ms);
   */
  trace(address: string, options: ProbeOptions = {}): Promise<Status> {
    return this.#statusClient.trace(address, options);
  }

  /**
   * Checks whether an endpoint can be reached and how long that takes. As with {@link trace}, its application does not
   * see the message.
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

  /** Octets of messages on their way to the relay that have not been transmitted yet: how far a large one has come. */
  get unsentOctets(): number {
    return this.#connection.connection?.unsentOctets?.() ?? 0;
  }

  /**
   * Octets that have arrived of messages that are incomplete: how far a large delivery has come. How large it will be is not
   * known before its end (RFC 3080 §2.2.1.1).
   */
  get incompleteOctets(): number {
    return this.#connection.connection?.incompleteOctets?.() ?? 0;
  }

  /** The URL of the relay it is connected to. */
  get relay(): string | undefined {
    return this.#connection.connection?.relay;
  }

  /** Number of messages that are sent or queued and not yet answered. */
  get outstanding(): number {
    return this.#outbox.outstanding;
  }

  /**
   * Attaches under a further address or subaddress; its deliveries arrive with the others. A program that the relay's
   * configuration makes the gateway of a domain (`policy.gateways`), or permits it (`policy.attach`), attaches as
   * `*@domain` and receives for all endpoints there that are not attached themselves; {@link Delivery.recipients} says
   * for whom, and `from` of {@link send} may be any of them.
   *
   * @throws RefusedError REFUSED, TransportError CONNECTION_LOST | TIMED_OUT, LocalError ADDRESS_INVALID | ARGUMENT
   * @example
   * await fred.attach('fred/appl=wb@example.com');
   * await gateway.attach('*@slate.example');
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
   * Sends a message and waits for the answer. Any number of calls may be pending; past `limits.outstandingData` and
   * `limits.outstandingOctets` messages are queued. Messages to the same recipient arrive in the order of the calls. A
   * Buffer must not be changed before the answer.
   *
   * Resolves when the application of at least one recipient has answered `ok`.
   *
   * @throws RefusedError REFUSED with the code and text (450 not attached, 537 not authorized, 550 unknown …);
   *   TransportError TIMED_OUT | CONNECTION_LOST: whether it was delivered is unknown unless `fields.sent` is false; it
   *   is never resent automatically; LocalError ARGUMENT | ADDRESS_INVALID | CLOSED; the signal's reason when it is
   *   aborted
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
   * Sends a message to each recipient separately and resolves with one result per recipient, in their order. (The
   * answer to one Data operation for several recipients does not tell which of them accepted it.) An instant message
   * still names all of them in its header.
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
    const all = eachOf(this.#reported(message), this.address, this.#settings.secure).map(({ recipient, data }) => {
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
   * Sends a message and resolves with the answer that the recipient gives with {@link Delivery.reply}: the first delivery from
   * the recipient that answers this message. The answer is a delivery like others, accepted at once with `autoAccept`.
   *
   * @throws as {@link send}; TransportError TIMED_OUT when no answer arrived in time; LocalError ARGUMENT unless there is
   *   exactly one recipient
   * @example
   * const answer = await fred.request({ to: 'weather@rubble.com', content: { json: { place: 'Bedrock' } } });
   * console.log(answer.json());
   */
  async request(message: Message, options: RequestOptions = {}): Promise<Delivery> {
    checkKeys(options, REQUEST_KEYS, 'request');
    const { autoAccept, limits } = this.#settings;
    const { timeoutMs = limits.answerTimeoutMs } = options;
    const [to, ...others] = typeof message.to === 'string' ? [message.to] : message.to;
    if (to === undefined || others.length > 0) {
      throw new LocalError('ARGUMENT', 'request: name one recipient in "to"; only one can answer');
    }
    const answer = new Deferred<Delivery>();
    const option = this.#exchanges.begin(to, (delivery) => {
      if (autoAccept) delivery.accept();
      answer.resolve(delivery);
    });
    try {
      // The answer comes to the originator, so it has to be an address that is attached here.
      const from = message.from ?? this.addresses[0] ?? this.address;
      await this.send({ ...message, from, options: [...(message.options ?? []), option] });
      return await withinTime(
        answer.promise,
        timeoutMs,
        `${to} accepted the request but did not answer it`,
        message.signal,
      );
    } finally {
      this.#exchanges.end(option.transID);
    }
  }

  /**
   * Encodes a message for {@link submit}, which may be given the result more than once.
   *
   * @throws LocalError ARGUMENT | ADDRESS_INVALID
   */
  encode(message: Message): Encoded {
    return encodedOf(dataOf(this.#reported(message), this.address, this.#settings.secure), this.#connector.dialect);
  }

  /**
   * Sends at high rates: like {@link send}, but without a promise and with a message from {@link encode}.
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
   * Passes deliveries to a function as they arrive instead of to loops; undefined returns to loops. With `autoAccept` a
   * delivery is accepted when the function returns or its promise resolves. If it throws, the delivery is refused with
   * the error's reply, or 451 if the error has none; such an error is an event `error`, and ends the program where nothing
   * listens to that.
   *
   * @example
   * fred.receive((delivery) => console.log(delivery.text()));
   */
  receive(handler: DeliveryHandler | undefined, options: ReceiveOptions = {}): void {
    this.#inbox.receive(handler, options);
  }

  /**
   * Iterates over the deliveries. Ends when the endpoint is closed; throws when the connection is lost permanently or
   * the relay has ended the last attachment.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery, undefined> {
    return this.#inbox.deliveries();
  }

  /**
   * Closes the endpoint in order: terminates the attachments, which waits for the answers to everything sent before (at
   * most `limits.closeTimeoutMs`), refuses deliveries that were not read, and releases the session. Never rejects.
   *
   * @example
   * await fred.close();
   */
  close(): Promise<void> {
    return this.#connection.close();
  }

  /** Closes the endpoint at the end of `await using`; see {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Directs the reports of a timed message to the application's function. */
  #reported(message: Message): Message {
    const { timing } = message;
    if (timing?.reported === undefined) return message;
    // Reports come to the originator, so it has to be an address that is attached here.
    const from = message.from ?? this.addresses[0] ?? this.address;
    return { ...message, from, timing: { ...timing, transID: this.#statusClient.listen(message, timing.reported) } };
  }

  // ---- changes of the connection -------------------------------------------------------------------------------

  #back(): void {
    this.#presence?.attached();
    this.emit('connect');
  }

  #moved(relay: string): void {
    this.#presence?.attached();
    this.emit('move', relay);
  }

  #lost(error: ImxpError, retrying: boolean): void {
    this.#access?.lose(new TransportError('CONNECTION_LOST', `the access service did not answer: ${error.message}`));
    this.emit('disconnect', error, retrying);
  }

  #over(error: ImxpError | undefined): void {
    this.#presence?.close(error);
    this.#access?.lose(error ?? new LocalError('CLOSED', LEAVING));
    this.emit('close', error);
  }

  #failed(error: unknown, delivery: Delivery): void {
    if (this.listenerCount('error') > 0) this.emit('error', error, delivery);
    else
      queueMicrotask(() => {
        throw error;
      });
  }

  #submitted(encoded: Encoded, signal: Ending, accepted: () => void, failed: (reason: unknown) => void): void {
    this.#connection.refuseClosed();
    this.#outbox.submitUntil(signal, encoded, accepted, failed);
  }
}

type Ending = AbortSignal | undefined;
