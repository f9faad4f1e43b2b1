/**
 * Presence through a gateway, in both directions (RFC 3859 §3.4, presence-01 Appendix A). Keeps the subscriptions that
 * pass through it and correlates CPIM's responses, for which IMXP has no counterpart.
 */
import type { Reply } from '../errors.js';
import { newTransId } from '../imxp/trans-id.js';
import {
  type Publish,
  readPresenceOperation,
  type Subscribe,
  writePresenceOperation,
} from '../imxp/vocabulary/presence.js';
import { readServiceReply, type ServiceReply, writeServiceReply } from '../imxp/vocabulary/reply.js';
import type { CpimPresence } from '../message/pidf.js';
import { writePidf } from '../message/pidf.js';
import { events } from '../ops/events.js';
import type { XmlElement } from '../xml/parse.js';
import type { GatewayContext } from './context.js';
import {
  type CpimResponse,
  type NotifyOperation,
  newCpimId,
  responseTo,
  type SubscribeOperation,
} from './cpim-service.js';
import type { PortDelivery } from './port.js';
import { fromCpimPresence, toCpimPresence } from './presence-conversion.js';

/** A subscription through the gateway. */
export interface GatewaySubscription {
  /** The side of the watcher. */
  readonly side: 'cpim' | 'imxp';
  /** `pres:` URIs. */
  readonly watcher: string;
  readonly target: string;
  /** On the IMXP side. */
  readonly transID: number;
  /** On the CPIM side. */
  readonly subscriptID: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** Storage that keeps subscriptions across restarts (REQ-CPIM-017). */
export interface SubscriptionStore {
  all(): Iterable<GatewaySubscription>;
  put(subscription: GatewaySubscription): void;
  remove(subscription: GatewaySubscription): void;
}

/** An active subscription with its last known state. */
interface Running extends GatewaySubscription {
  last?: CpimPresence;
  /** Whether the watcher has received its response. */
  established: boolean;
  readonly ended: AbortController;
}

type Answer = Publish | ServiceReply;

const NOTHING: SubscriptionStore = { all: () => [], put: () => {}, remove: () => {} };
/** Longest time that a timer can wait. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;
/** An end this shortly before the expiry is the expiry: clocks differ. */
const EARLY_MS = 5000;
const NOT_FOR_GATEWAYS: Reply = { code: 504, text: 'the gateway supports only subscribe and terminate' };

export class PresenceGateway {
  readonly #context: GatewayContext;
  readonly #leaving: AbortSignal;
  readonly #store: SubscriptionStore;
  readonly #running = new Map<string, Running>();
  /** The same by what names them in the mesh: see {@link idOf}. */
  readonly #byTransID = new Map<string, Running>();
  /** Awaited answers of presence services, by transID. */
  readonly #awaited = new Map<number, { readonly domain: string; told(answer: Answer): void }>();
  /** Pending polls by watchers in IMXP, by watcher and target. */
  readonly #polls = new Map<string, { readonly transID: number; readonly domain: string }>();

  constructor(context: GatewayContext, leaving: AbortSignal, store: SubscriptionStore = NOTHING) {
    this.#context = context;
    this.#leaving = leaving;
    this.#store = store;
    for (const subscription of store.all()) this.#run(subscription).established = true;
  }

  // ---- a watcher in CPIM --------------------------------------------------------------------------------------------

  async fromPeer(operation: SubscribeOperation): Promise<CpimResponse> {
    const { mapping } = this.#context;
    const { watcher, target, duration, subscriptID } = operation;
    let from: string;
    let publisher: string;
    try {
      // RFC 3859 §3.4.1 step 1
      [from, publisher] = [mapping.toImxp(presentity(watcher)), mapping.toImxp(presentity(target))];
    } catch {
      return responseTo(operation, 'failure', 'watcher or target is not a pres: URI');
    }
    const running = this.#find('cpim', watcher, target);
    if (running === undefined) return await this.#subscribe(operation, from, publisher);
    // step 3
    if (duration !== 0) return responseTo(operation, 'failure', 'this subscription already exists');
    // REQ-CPIM-019: 0 with the same SubscriptID cancels, with another one fetches
    if (running.subscriptID === subscriptID) await this.#cancel(running, from, publisher);
    else if (running.last === undefined) return await this.#renew(running, operation, from, publisher);
    // A poll by a subscriber would end the subscription (D-PRES-02), so the gateway answers from its last known state.
    if (running.last !== undefined) this.#notifyLater(operation, running.last);
    return responseTo(operation, 'success', undefined, 0);
  }

  async #subscribe(operation: SubscribeOperation, from: string, publisher: string): Promise<CpimResponse> {
    const { watcher, target, duration, subscriptID } = operation;
    const transID = newTransId({
      has: (id) => this.#awaited.has(id) || this.#byTransID.has(idOf({ side: 'cpim', watcher, transID: id })),
    });
    const now = this.#context.now();
    const until = now + duration * 1000;
    const running = this.#run({ side: 'cpim', watcher, target, transID, subscriptID, until });
    const answer = await this.#ask(from, { type: 'subscribe', publisher, duration, transID });
    if (answer?.type !== 'publish') {
      this.#end(running);
      const reason = answer === undefined ? 'the presence service did not answer' : `${answer.code} ${answer.text}`;
      const code = answer === undefined ? {} : { code: answer.code };
      return { ...responseTo(operation, 'failure', reason.trim()), ...code };
    }
    if (duration === 0) this.#end(running);
    else this.#store.put(stored(running));
    running.last ??= toCpimPresence(answer.presence, this.#context.now());
    running.established = true;
    // step 4: the response first, then the notification
    this.#notifyLater(operation, running.last);
    return responseTo(operation, 'success', undefined, duration);
  }

  /**
   * The state is unknown because the subscription is older than this process: subscribes again for the remaining time.
   */
  async #renew(
    running: Running,
    operation: SubscribeOperation,
    from: string,
    publisher: string,
  ): Promise<CpimResponse> {
    const { subscriptID, until } = running;
    const duration = Math.max(1, Math.floor((until - this.#context.now()) / 1000));
    const response = await this.#subscribe({ ...operation, subscriptID, duration }, from, publisher);
    return response.status === 'success' ? { ...response, duration: 0 } : response;
  }

  async #cancel(running: Running, from: string, publisher: string): Promise<void> {
    this.#end(running);
    await this.#send(from, publisher, writePresenceOperation({ type: 'terminate', transID: running.transID }));
  }

  /** Sends a request to the service of the publisher's domain. @returns undefined when it is not answered */
  async #ask(from: string, request: Subscribe): Promise<Answer | undefined> {
    const answered = new AbortController();
    let answer: Answer | undefined;
    const told = (came: Answer): void => {
      answer = came;
      answered.abort();
    };
    this.#awaited.set(request.transID, { domain: domainOf(request.publisher), told });
    try {
      const sent = await this.#send(from, request.publisher, writePresenceOperation(request));
      if (sent) await this.#context.wait(this.#context.answerTimeoutMs, answered.signal);
      return answer;
    } finally {
      this.#awaited.delete(request.transID);
    }
  }

  /** @returns whether the service accepted it */
  async #send(from: string, publisher: string, xml: string): Promise<boolean> {
    try {
      await this.#context.port.send({ from, to: `imxp=presence@${domainOf(publisher)}`, content: { xml } });
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Handles an answer or notification of a presence service to a user on the CPIM side.
   *
   * @param service the service that sent it
   * @returns false when that is for the service of another domain to say
   * @throws RemoteProtocolError XML_INVALID, reply 501
   */
  answered(element: XmlElement, service: string): boolean {
    const answer = element.name === 'reply' ? readServiceReply(element) : readPresenceOperation(element);
    if (answer === undefined) return true;
    const { transID } = answer;
    const running = this.#byTransID.get(idOf({ side: 'cpim', watcher: '', transID }));
    const awaited = this.#awaited.get(transID);
    const asked = awaited?.domain ?? (running && domainOf(this.#context.mapping.toImxp(running.target)));
    // Nobody waits for it (any more).
    if (asked === undefined) return true;
    if (asked !== domainOf(service)) return false;
    if (answer.type === 'terminate' && running !== undefined) this.#terminated(running);
    if (answer.type !== 'publish' && answer.type !== 'reply') return true;
    if (awaited !== undefined) {
      this.#awaited.delete(transID);
      awaited.told(answer);
    } else if (answer.type === 'publish' && running !== undefined) this.#changed(running, answer);
    return true;
  }

  /** presence-01 §4.5: the duration has passed, or the permission was withdrawn. */
  #terminated(running: Running): void {
    this.#end(running);
    if (running.until - this.#context.now() < EARLY_MS) return;
    const { mapping } = this.#context;
    const destination = mapping.toCpim('im', mapping.toImxp(running.target));
    const closed = { destination, status: 'closed' as const, info: '' };
    this.#notify(running, { entityInfo: '', tuples: [closed] }, { ended: true });
  }

  #changed(running: Running, { presence }: Publish): void {
    running.last = toCpimPresence(presence, this.#context.now());
    // A change before the response is part of the first notification.
    if (running.established) this.#notify(running, running.last);
  }

  #notifyLater(to: Pick<GatewaySubscription, 'watcher' | 'target'>, presence: CpimPresence): void {
    setImmediate(() => this.#notify(to, presence));
  }

  #notify(
    { watcher, target }: Pick<GatewaySubscription, 'watcher' | 'target'>,
    presence: CpimPresence,
    ended: { readonly ended?: true } = {},
  ): void {
    if (this.#leaving.aborted) return;
    try {
      const document = writePidf(target, presence);
      this.#context.peer.notify({
        type: 'notify',
        watcher,
        target,
        transID: newCpimId(),
        presence,
        document,
        ...ended,
      });
    } catch (error) {
      // What one publishes must not end the gateway for all.
      events.fault.publish({ session: 'gateway', error });
    }
  }

  // ---- a watcher in IMXP --------------------------------------------------------------------------------------------

  /**
   * Handles a request from IMXP to the presence service of a CPIM domain. @throws RemoteProtocolError XML_INVALID,
   * reply 501
   */
  async asked(delivery: PortDelivery, service: string, element: XmlElement | undefined): Promise<void> {
    const operation = element === undefined ? undefined : readPresenceOperation(element);
    if (operation?.type !== 'subscribe' && operation?.type !== 'terminate') {
      // CPIM has no publish and no watcher information
      delivery.refuse(NOT_FOR_GATEWAYS);
      return;
    }
    delivery.accept();
    const domain = domainOf(service);
    const { originator } = delivery;
    const code =
      operation.type === 'subscribe'
        ? await this.#subscribeForImxp(operation, originator, domain)
        : await this.#terminateForImxp(operation.transID, originator);
    if (code !== undefined) await this.#reply(originator, domain, operation.transID, code);
  }

  /** @returns the code of the reply to send; undefined when presence is published instead */
  async #subscribeForImxp(operation: Subscribe, originator: string, domain: string): Promise<number | undefined> {
    const { mapping, peer, now } = this.#context;
    const { publisher, duration, transID } = operation;
    // presence-01 §4.2 step 1
    if (domainOf(publisher) !== domain) return 553;
    const watcher = mapping.toCpim('pres', originator);
    const target = mapping.toCpim('pres', publisher);
    // step 4: silently, because CPIM would refuse a second subscription
    const earlier = this.#find('imxp', watcher, target);
    if (earlier !== undefined) await this.#cancelAtPeer(earlier);
    if (this.#byTransID.has(idOf({ side: 'imxp', watcher, transID }))) return 555;
    const subscriptID = newCpimId();
    const key = keyOf('imxp', watcher, target);
    if (duration === 0) this.#polls.set(key, { transID, domain });
    const running =
      duration === 0
        ? undefined
        : this.#run({ side: 'imxp', watcher, target, transID, subscriptID, until: now() + duration * 1000 });
    const asked: SubscribeOperation = {
      type: 'subscribe',
      watcher,
      target,
      duration,
      subscriptID,
      transID: newCpimId(),
    };
    const response = await peer.subscribe(asked).catch(() => responseTo(asked, 'failure'));
    if (response.status === 'failure') {
      this.#polls.delete(key);
      if (running !== undefined) this.#end(running);
      return response.code ?? 550;
    }
    if (running !== undefined && this.#running.get(key) === running) this.#store.put(stored(running));
    return undefined;
  }

  async #terminateForImxp(transID: number, originator: string): Promise<number> {
    const watcher = this.#context.mapping.toCpim('pres', originator);
    const found = this.#byTransID.get(idOf({ side: 'imxp', watcher, transID }));
    if (found === undefined) return 550;
    await this.#cancelAtPeer(found);
    return 250;
  }

  async #cancelAtPeer(running: Running): Promise<void> {
    const { watcher, target, subscriptID } = running;
    this.#end(running);
    const cancel: SubscribeOperation = {
      type: 'subscribe',
      watcher,
      target,
      duration: 0,
      subscriptID,
      transID: newCpimId(),
    };
    await this.#context.peer.subscribe(cancel).catch(() => undefined);
  }

  /** Handles a notification from the CPIM side. */
  notified({ watcher, target, presence, ended }: NotifyOperation): void {
    const key = keyOf('imxp', watcher, target);
    const running = this.#running.get(key);
    const to = running ?? this.#polls.get(key);
    this.#polls.delete(key);
    if (ended && running !== undefined) {
      this.#end(running);
      void this.#terminate(running);
      return;
    }
    // Not awaited: a cancelled subscription gets a last notification, which may be discarded (RFC 3859 §3.4.3)
    if (to === undefined) return;
    const { mapping, now } = this.#context;
    const time = now();
    const document = fromCpimPresence(presence, target, time);
    const { publisher } = document;
    const publish: Publish = {
      type: 'publish',
      publisher,
      transID: to.transID,
      timeStamp: document.lastUpdate,
      presence: document,
    };
    // The recipient is the watcher; the draft says originator, which is the service.
    void this.#fromService(domainOf(publisher), mapping.toImxp(watcher), writePresenceOperation(publish));
  }

  async #reply(to: string, domain: string, transID: number, code: number): Promise<void> {
    await this.#fromService(domain, to, writeServiceReply({ transID, code, text: '', lang: undefined }));
  }

  async #fromService(domain: string, to: string, xml: string): Promise<void> {
    // A service neither learns nor needs to know that its answer was lost.
    await this.#context.port.send({ from: `imxp=presence@${domain}`, to, content: { xml } }).catch(() => undefined);
  }

  // ---- the table ----------------------------------------------------------------------------------------------------

  #find(side: GatewaySubscription['side'], watcher: string, target: string): Running | undefined {
    const found = this.#running.get(keyOf(side, watcher, target));
    return found === undefined || found.until > this.#context.now() ? found : undefined;
  }

  #run(subscription: GatewaySubscription): Running {
    const running: Running = { ...subscription, established: false, ended: new AbortController() };
    const key = keyOf(running.side, running.watcher, running.target);
    const earlier = this.#running.get(key);
    if (earlier !== undefined) this.#leave(earlier);
    this.#running.set(key, running);
    this.#byTransID.set(idOf(running), running);
    void this.#expire(running);
    return running;
  }

  #end(running: Running): void {
    this.#leave(running);
    this.#store.remove(stored(running));
  }

  /** Takes a subscription out of the tables; what is stored stays. */
  #leave(running: Running): void {
    running.ended.abort();
    const [key, id] = [keyOf(running.side, running.watcher, running.target), idOf(running)];
    if (this.#running.get(key) === running) this.#running.delete(key);
    if (this.#byTransID.get(id) === running) this.#byTransID.delete(id);
  }

  async #expire(running: Running): Promise<void> {
    const { now, wait } = this.#context;
    // A poll has no duration to wait for.
    if (running.until <= now() && running.side === 'cpim') return;
    const { signal } = running.ended;
    while (running.until > now() && !signal.aborted && !this.#leaving.aborted) {
      await wait(Math.min(running.until - now(), LONGEST_WAIT_MS), signal);
    }
    if (running.ended.signal.aborted || this.#leaving.aborted) return;
    this.#end(running);
    if (running.side === 'cpim') return;
    await this.#terminate(running);
  }

  /** presence-01 §4.2 step 6.3: tells the subscriber that it has ended. */
  async #terminate({ transID, target, watcher }: Running): Promise<void> {
    const { mapping } = this.#context;
    const xml = writePresenceOperation({ type: 'terminate', transID });
    await this.#fromService(domainOf(mapping.toImxp(target)), mapping.toImxp(watcher), xml);
  }
}

function stored({ side, watcher, target, transID, subscriptID, until }: Running): GatewaySubscription {
  return { side, watcher, target, transID, subscriptID, until };
}

function keyOf(side: GatewaySubscription['side'], watcher: string, target: string): string {
  return `${side} ${watcher} ${target}`;
}

/** The gateway chooses the transIDs of its own subscriptions; each watcher in the mesh chooses theirs. */
function idOf({ side, watcher, transID }: Pick<GatewaySubscription, 'side' | 'watcher' | 'transID'>): string {
  return side === 'cpim' ? `cpim ${transID}` : `imxp ${watcher} ${transID}`;
}

/** @throws Error for a URI that is not a pres: URI */
function presentity(uri: string): string {
  if (!/^pres:/i.test(uri)) throw new Error('no pres: URI');
  return uri;
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}
