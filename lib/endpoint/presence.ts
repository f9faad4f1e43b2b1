/**
 * Client of the presence service (presence-01 §4, RFC 3343 §4) in the endpoint's dialect: publish, poll, subscribe,
 * watch. Knows nothing of connections.
 */
import { LocalError, RefusedError } from '../errors.js';
import type { Option } from '../imxp/operation.js';
import { proofAmong, SUBSCRIBER_PROOF } from '../imxp/subscriber-proof.js';
import type { Form } from '../imxp/vocabulary/form.js';
import {
  type NotifyAction,
  type Presence,
  type PresenceOperation,
  readPresenceOperation,
  SECONDS_MAX,
  writePresenceOperation,
} from '../imxp/vocabulary/presence.js';
import { readServiceReply, type ServiceReply } from '../imxp/vocabulary/reply.js';
import type { Signature } from '../message/smime/signature.js';
import type { XmlElement } from '../xml/parse.js';
import { givenAddress, wireAddress } from './address.js';
import { Deferred } from './deferred.js';
import { checkKeys, type KnownKeys } from './keys.js';
import type { Message } from './message.js';
import { type ActiveFeed, Feed } from './presence-feed.js';
import { extensionToPublish, infoOf, type PresenceInfo, type PresenceUpdate, tupleOf } from './presence-info.js';
import type { ContentSecurity } from './secure.js';
import { type PresenceSealing, securedPresence } from './secure-presence.js';
import { withinTime } from './service-timeout.js';
import { SignedSubscribes } from './signed-subscribe.js';
import type { Transactions } from './transactions.js';

export interface PresenceRequest {
  /** Who asks; default: the first attached address. */
  readonly from?: string;
  readonly signal?: AbortSignal;
}

/** How a subscriber proves to the publisher who they are. */
export interface SubscriberSigning {
  /**
   * Sign it with the certificate in the endpoint's `secure` option; the watchers of the publisher see who signed. A service
   * that does not know such signatures ignores them, unless `required`: then the request fails at a relay that does not
   * know them (504). Default: false.
   */
  readonly sign?: boolean | 'required';
}

export interface PollRequest extends PresenceRequest, SubscriberSigning {}

export interface PublishRequest extends PresenceRequest, PresenceSealing {
  /** Whose presence it is, if they permit it; default: {@link Endpoint.address}. */
  readonly publisher?: string;
}

export interface OngoingRequest extends PresenceRequest {
  /** Seconds, 1 to 2147483647; default: 3600. */
  readonly duration?: number;
  /** Renew it whenever the duration has passed. Default: false. */
  readonly renew?: boolean;
}

export interface SubscribeRequest extends OngoingRequest, SubscriberSigning {}

/** Notification to a watcher about a subscription. */
export interface SubscriptionNotice {
  readonly subscriber: string;
  /** `terminate` when it has ended; only APEX reports that. */
  readonly action: NotifyAction;
  /** The requested duration in seconds, 0 for a poll; only APEX reports it. */
  readonly duration: number;
  /**
   * Who signed the subscription, and whether the signature is valid for this subscriber and publisher, and now; undefined
   * when it is not signed.
   */
  readonly signed?: Signature;
}

/** What the client needs of an endpoint. */
export interface PresenceEndpoint {
  /** Whose presence is published by default. */
  readonly address: string;
  /** The first gets the answers by default. */
  readonly addresses: readonly string[];
  /** The dialect in which services are asked. */
  readonly dialect: Form;
  send(message: Message): Promise<void>;
}

const REQUEST_KEYS: KnownKeys<PresenceRequest> = { from: true, signal: true };
const POLL_KEYS: KnownKeys<PollRequest> = { ...REQUEST_KEYS, sign: true };
const PUBLISH_KEYS: KnownKeys<PublishRequest> = { ...REQUEST_KEYS, publisher: true, sign: true, encryptFor: true };
const ONGOING_KEYS: KnownKeys<OngoingRequest> = { ...REQUEST_KEYS, duration: true, renew: true };
const SUBSCRIBE_KEYS: KnownKeys<SubscribeRequest> = { ...ONGOING_KEYS, sign: true };

const HOUR = 3600;
/** Attempts at publishing to an entry that somebody else changes at the same time. */
const ATTEMPTS = 5;
const REPLACED = 555;
const NO_ANSWER = 'the presence service accepted the request but did not answer it';

export class PresenceClient {
  readonly #endpoint: PresenceEndpoint;
  readonly #transactions: Transactions;
  readonly #timeoutMs: number;
  readonly #secure: ContentSecurity;
  readonly #signed: SignedSubscribes;
  readonly #feeds = new Set<ActiveFeed>();

  /** See {@link Endpoint.presence}. */
  constructor(endpoint: PresenceEndpoint, transactions: Transactions, timeoutMs: number, secure: ContentSecurity) {
    this.#endpoint = endpoint;
    this.#transactions = transactions;
    this.#timeoutMs = timeoutMs;
    this.#secure = secure;
    this.#signed = new SignedSubscribes(secure);
  }

  /**
   * Reads somebody's presence once.
   *
   * @throws RefusedError REFUSED: 537 not permitted, 550 unknown, 553 not of that domain; TransportError TIMED_OUT |
   *   CONNECTION_LOST; LocalError ADDRESS_INVALID | CLOSED
   * @example
   * const { open, tuples } = await barney.presence.poll('fred@example.com');
   */
  async poll(publisher: string, request: PollRequest = {}): Promise<PresenceInfo> {
    checkKeys(request, POLL_KEYS, 'presence.poll');
    return infoOf(await this.#present(wireAddress(publisher), request), this.#secure);
  }

  /**
   * Publishes presence for this endpoint, or for a publisher that permits it (`presence:publish`).
   *
   * @param update the new entry, or a function that makes it from the present one and is called again when somebody
   *   else changed the entry in the meantime
   * @throws as {@link poll}; RefusedError 555 when somebody else kept changing the entry; LocalError ARGUMENT
   * @example
   * const availableUntil = new Date(Date.now() + 3_600_000);
   * await fred.presence.publish({ tuples: [{ destination: 'im:fred@example.com', availableUntil }] });
   */
  async publish(
    update: PresenceUpdate | ((present: PresenceInfo) => PresenceUpdate),
    options: PublishRequest = {},
  ): Promise<void> {
    checkKeys(options, PUBLISH_KEYS, 'presence.publish');
    const { publisher: given = this.#endpoint.address, sign, encryptFor, ...request } = options;
    const sealing = { ...(sign === undefined ? {} : { sign }), ...(encryptFor === undefined ? {} : { encryptFor }) };
    const publisher = wireAddress(given);
    for (let attempt = 1; ; attempt += 1) {
      const present = await this.#present(publisher, request);
      const wanted = typeof update === 'function' ? update(infoOf(present, this.#secure)) : update;
      const { lastUpdate } = present;
      const tuples = wanted.tuples.map(tupleOf);
      const more = extensionToPublish(wanted.extension);
      const plain = { publisher, lastUpdate, publisherInfo: wanted.info ?? '', tuples, ...more };
      if (plain.tuples.length === 0) throw new LocalError('ARGUMENT', 'presence needs at least one tuple');
      const sealed = sign === true || encryptFor !== undefined;
      const presence = sealed ? securedPresence(plain, sealing, this.#secure) : plain;
      const timeStamp = Date.now();
      const answer = await this.#ask(publisher, request, (transID) => {
        return { type: 'publish', publisher, transID, timeStamp, presence };
      });
      const { code, text } = replyIn(answer);
      if (code === 250) return;
      if (code !== REPLACED || attempt === ATTEMPTS) throw new RefusedError('REFUSED', { code, text });
    }
  }

  /**
   * Subscribes to somebody's presence; resolves when the present state has arrived. The service keeps the subscription
   * while the connection is down, and the endpoint refreshes it after reconnecting.
   *
   * @throws as {@link poll}
   * @example
   * const fred = await barney.presence.subscribe('fred@example.com', { renew: true });
   * for await (const { open } of fred) console.log(open ? 'fred is there' : 'fred has gone');
   */
  async subscribe(publisher: string, request: SubscribeRequest = {}): Promise<Feed<PresenceInfo>> {
    checkKeys(request, SUBSCRIBE_KEYS, 'presence.subscribe');
    return this.#ongoing('subscribe', publisher, request, (operation) =>
      operation.type === 'publish' ? infoOf(operation.presence, this.#secure) : undefined,
    );
  }

  /**
   * Watches who subscribes to a publisher's presence, for example your own. The present subscribers come first.
   *
   * @throws as {@link poll}
   * @example
   * for await (const subscriber of await fred.presence.watch('fred@example.com')) console.log(`${subscriber} looks`);
   */
  async watch(publisher: string, request: OngoingRequest = {}): Promise<Feed<string>> {
    checkKeys(request, ONGOING_KEYS, 'presence.watch');
    return this.#ongoing('watch', publisher, request, (operation) =>
      operation.type === 'notify' && operation.action === 'subscribe' ? operation.subscriber : undefined,
    );
  }

  /**
   * Like {@link watch}, plus who signed a subscription, and what only APEX reports: how long it is to last and that it has
   * ended. With IMXP only new subscriptions are reported.
   *
   * @throws as {@link poll}
   * @example
   * for await (const { subscriber, action } of await fred.presence.subscriptions('fred@example.com')) console.log(subscriber, action);
   */
  async subscriptions(publisher: string, request: OngoingRequest = {}): Promise<Feed<SubscriptionNotice>> {
    checkKeys(request, ONGOING_KEYS, 'presence.subscriptions');
    const context = { publisher: givenAddress(publisher).key, form: this.#endpoint.dialect };
    return this.#ongoing('watch', publisher, request, (operation, options) => {
      if (operation.type !== 'notify') return undefined;
      const { subscriber, action, duration } = operation;
      const proof = proofAmong(options);
      const signed = proof === undefined ? {} : { signed: this.#signed.verified(proof, operation, context) };
      return { subscriber, action, duration, ...signed };
    });
  }

  /**
   * Lists who subscribes to a publisher's presence now.
   *
   * @throws as {@link poll}
   */
  async who(publisher: string, request: PresenceRequest = {}): Promise<string[]> {
    checkKeys(request, REQUEST_KEYS, 'presence.who');
    const whose = wireAddress(publisher);
    const service = this.#serviceOf(whose);
    const found: string[] = [];
    const replies: ServiceReply[] = [];
    const ended = new Deferred<void>();
    const transID = this.#transactions.begin(service, (element) => {
      const operation = readPresenceOperation(element, this.#endpoint.dialect);
      if (operation?.type === 'notify') found.push(operation.subscriber);
      if (element.name !== 'reply') return;
      replies.push(readServiceReply(element));
      if (replies.length === 2 || replies[0]?.code !== 250) ended.resolve();
    });
    try {
      await this.#send(service, request, { type: 'watch', publisher: whose, transID, duration: 0 });
      // Nothing marks the end of a one-time watch, but the reply to a later request comes after its notifications.
      if (replies.length === 0 || replies[0]?.code === 250) {
        await this.#send(service, request, { type: 'terminate', transID });
      }
      await this.#within(ended.promise, request);
    } finally {
      this.#transactions.end(transID);
    }
    const [reply] = replies;
    if (reply !== undefined && reply.code !== 250) throw refused(reply);
    return found;
  }

  /** Refreshes all feeds after the endpoint has attached again. */
  attached(): void {
    for (const feed of this.#feeds) feed.refresh();
  }

  /** Ends all feeds. */
  close(error: Error | undefined): void {
    for (const feed of [...this.#feeds]) feed.finish(error);
  }

  async #present(publisher: string, request: PollRequest): Promise<Presence> {
    // D-PRES-02: a poll would end a subscription by the same originator, so the subscription is renewed instead.
    for (const feed of this.#feeds) {
      if (feed.covers('subscribe', givenAddress(publisher).key, this.#originator(request))) {
        return presenceIn(await this.#within(feed.again(), request), this.#endpoint.dialect);
      }
    }
    const answer = await this.#ask(publisher, request, (transID) => {
      return { type: 'subscribe', publisher, transID, duration: 0 };
    });
    return presenceIn(answer, this.#endpoint.dialect);
  }

  async #ongoing<Item>(
    type: 'subscribe' | 'watch',
    whom: string,
    request: SubscribeRequest,
    itemOf: (operation: PresenceOperation, options: readonly Option[]) => Item | undefined,
  ): Promise<Feed<Item>> {
    const { duration = HOUR, renew = false } = request;
    if (!Number.isInteger(duration) || duration < 1 || duration > SECONDS_MAX) {
      throw new LocalError('ARGUMENT', `duration must be a whole number of seconds from 1 to ${SECONDS_MAX}`);
    }
    const publisher = wireAddress(whom);
    const service = this.#serviceOf(publisher);
    // The signal is for the first answer only.
    const { signal: _signal, ...later } = request;
    let asked: SubscribeRequest = request;
    const send = (operation: PresenceOperation): Promise<void> => this.#send(service, asked, operation);
    const feed: Feed<Item> = new Feed<Item>({
      type,
      form: this.#endpoint.dialect,
      publisher,
      key: givenAddress(publisher).key,
      originator: this.#originator(request),
      duration,
      renew,
      itemOf,
      send,
      within: (answer) => this.#within(answer, asked),
      begin: (handler) => this.#transactions.begin(service, handler),
      ended: (transID) => {
        this.#transactions.end(transID);
        this.#feeds.delete(feed);
      },
    });
    this.#feeds.add(feed);
    try {
      await this.#within(feed.again(), request);
      asked = later;
    } catch (error) {
      void feed.end();
      throw error;
    }
    return feed;
  }

  /** Sends a request that has one answer. */
  async #ask(
    publisher: string,
    request: PollRequest,
    operation: (transID: number) => PresenceOperation,
  ): Promise<XmlElement> {
    const service = this.#serviceOf(publisher);
    const answer = new Deferred<XmlElement>();
    const transID = this.#transactions.begin(service, (element) => answer.resolve(element));
    try {
      await this.#send(service, request, operation(transID));
      return await this.#within(answer.promise, request);
    } finally {
      this.#transactions.end(transID);
    }
  }

  async #send(service: string, request: PollRequest, operation: PresenceOperation): Promise<void> {
    const { from = this.#own(), signal, sign = false } = request;
    const proof =
      sign === false || operation.type !== 'subscribe'
        ? undefined
        : this.#signed.proofOf(operation, this.#originator(request));
    const option = { external: SUBSCRIBER_PROOF, seeNoEvil: sign !== 'required', xml: proof ?? '' };
    await this.#endpoint.send({
      to: service,
      content: { xml: writePresenceOperation(operation, this.#endpoint.dialect) },
      ...(proof === undefined ? {} : { options: [option] }),
      from,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  #within<T>(answer: Promise<T>, { signal }: PresenceRequest): Promise<T> {
    return withinTime(answer, this.#timeoutMs, NO_ANSWER, signal);
  }

  /** The address of the presence service of a publisher's domain. */
  #serviceOf(publisher: string): string {
    return `${this.#endpoint.dialect}=presence@${givenAddress(publisher).domain}`;
  }

  #own(): string {
    return this.#endpoint.addresses[0] ?? this.#endpoint.address;
  }

  #originator({ from }: PresenceRequest): string {
    return givenAddress(from ?? this.#own()).key;
  }
}

function presenceIn(element: XmlElement, form: Form): Presence {
  const operation = element.name === 'reply' ? undefined : readPresenceOperation(element, form);
  if (operation?.type === 'publish') return operation.presence;
  throw refused(replyIn(element));
}

function replyIn(element: XmlElement): ServiceReply {
  if (element.name === 'reply') return readServiceReply(element);
  const text = `the presence service answered with an unexpected element, ${element.name}`;
  return { type: 'reply', transID: 0, code: 501, text, lang: undefined };
}

function refused({ code, text }: ServiceReply): RefusedError {
  return new RefusedError('REFUSED', { code, text });
}
