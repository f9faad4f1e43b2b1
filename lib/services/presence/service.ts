/**
 * Presence service, `imxp=presence` or `apex=presence` (presence-01 §4, RFC 3343 §4): processes each operation in the
 * order of the steps and answers in the form of the request, as does everything that a subscription or watch leads to.
 * Running operations are kept in `operations.ts`, and `fan-out.ts` sends to many.
 */
import { ImxpError, type Reply } from '../../errors.js';
import { accountOf, addressOf } from '../../imxp/address.js';
import { isProof, proofAmong } from '../../imxp/subscriber-proof.js';
import {
  type Publish,
  publishAround,
  readPresenceOperation,
  type Subscribe,
  writePresence,
} from '../../imxp/vocabulary/presence.js';
import { writeServiceReply } from '../../imxp/vocabulary/reply.js';
import type { Clock } from '../../ops/clock.js';
import { REPLIES } from '../../relay/answer.js';
import type { AccessPolicy, DeliverySink, DeliveryTarget, OutboundDelivery } from '../../relay/target.js';
import type { Store } from '../../store/store.js';
import { Refusal } from '../refusal.js';
import { requestOf, type ServiceRequest } from '../request.js';
import { AttachmentPresence } from './attachment-presence.js';
import type { Counts } from './counts.js';
import { KeyedQueue } from './keyed-queue.js';
import { OperationSender, type SenderLimits, type ServiceMesh } from './operation-sender.js';
import type { Presentity } from './operation-table.js';
import { type OperationLimits, Operations } from './operations.js';
import { type Provisioning, Records } from './records.js';
import { NO_VIEWS, type Views } from './views.js';

/** Local part of the service. */
export const PRESENCE = 'imxp=presence';

export interface PresenceLimits extends OperationLimits, SenderLimits {
  /** Octets of an entry. */
  readonly entryOctets: number;
  /** Octets of the proof of one subscriber. */
  readonly proofOctets: number;
  /** Requests under way. */
  readonly requests: number;
  /** Requests of one endpoint, subaddresses included, under way. */
  readonly requestsPerEndpoint: number;
}

export interface PresenceOptions {
  readonly store: Store;
  readonly provisioning: Provisioning;
  readonly access: AccessPolicy;
  /** Views of presence; default: everybody is shown the same. */
  readonly views?: Views;
  readonly mesh: ServiceMesh;
  readonly clock: Clock;
  readonly limits: PresenceLimits;
  /** Whether the presence of an endpoint (normalized address) follows its attachment; default: never. */
  follows?(address: string): boolean;
}

/** Status for operators. */
export interface PresenceStatus {
  /** Subscriptions and watches in progress. */
  readonly operations: number;
  readonly subscriptions: number;
  readonly watches: number;
  /** Requests in progress. */
  readonly requests: number;
  /** Data operations without an answer. */
  readonly outstanding: number;
  /** Counters since the start. */
  readonly counts: Readonly<Counts>;
}

/** Octets of a publish besides the entry: its own tag, and a publisher of 1023 octets written with references. */
const ENVELOPE_OCTETS = 8192;
const NOBODY_ASKS = { settled: (): void => {} };
const OUTDATED = 'lastUpdate is not that of the present entry; ask for it with a subscribe of duration 0';

export class PresenceService implements DeliveryTarget {
  readonly #records: Records;
  readonly #access: AccessPolicy;
  readonly #views: Views;
  readonly #clock: Clock;
  readonly #limits: PresenceLimits;
  readonly #follows: (address: string) => boolean;
  readonly #requests: KeyedQueue;
  readonly #sender: OperationSender;
  readonly #operations: Operations;
  readonly #following: AttachmentPresence;
  #silence: (() => void) | undefined;
  #stopped = false;

  constructor({ store, provisioning, access, views = NO_VIEWS, mesh, clock, limits, follows }: PresenceOptions) {
    this.#records = new Records(store, provisioning);
    this.#access = access;
    this.#views = views;
    this.#clock = clock;
    this.#limits = limits;
    this.#follows = follows ?? (() => false);
    this.#requests = new KeyedQueue({ all: limits.requests, perParty: limits.requestsPerEndpoint });
    this.#sender = new OperationSender(mesh, PRESENCE, limits, () => clock.now());
    this.#operations = new Operations(this.#records, this.#sender, access, views, clock, limits);
    const { entries } = this.#operations;
    this.#following = new AttachmentPresence(this.#records, entries, clock, (error) => this.#operations.fault(error));
  }

  /**
   * Resumes the operations that are still running; must be called first.
   *
   * @throws LocalError STORE_FAILED
   */
  async load(): Promise<void> {
    await this.#operations.load();
    await this.#following.load();
  }

  /** The mesh accepts Data operations from now on: notifies all that may have missed something. */
  start(): void {
    this.#silence = this.#clock.ticking(() => {
      this.#sender.tick();
      this.#operations.tick();
      this.#following.tick();
    });
  }

  /**
   * Takes no more requests and sends no more changes.
   *
   * @returns resolves when the work in progress is on the disk
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#silence?.();
    this.#operations.stop();
    await this.#following.stop();
    await this.#requests.idle();
  }

  get status(): PresenceStatus {
    const { registry, counts } = this.#operations;
    return {
      operations: registry.size,
      subscriptions: registry.size - registry.watches,
      watches: registry.watches,
      requests: this.#requests.size,
      outstanding: this.#sender.outstanding,
      counts,
    };
  }

  /** Permissions may have changed: what is no longer permitted ends now. @see Operations.recheck */
  permissionsChanged(owner?: string): void {
    if (!this.#stopped) this.#operations.recheck(owner);
  }

  /** An application is attached as an endpoint (normalised address). */
  attached(address: string): void {
    if (this.#stopped) return;
    this.#operations.returned(address);
    if (this.#follows(address)) this.#following.attached(address);
  }

  /** An application is no longer attached. */
  detached(address: string): void {
    this.#following.detached(address);
  }

  /**
   * Removes everything of a removed account: its presence, its operations, and the operations about it.
   *
   * @param removal version that the store gave to the removal: what has a later one belongs to another account of that name
   * @throws LocalError STORE_FAILED
   */
  forget(account: string, removal: number): Promise<void> {
    return this.#operations.forget(account, removal);
  }

  /**
   * Takes a request. The Data operation is answered when the request is done, which slows down senders that are too
   * fast.
   */
  deliver({ data }: OutboundDelivery, sink: DeliverySink): void {
    if (this.#stopped) {
      sink.failed(REPLIES.shuttingDown);
      return;
    }
    let request: ServiceRequest;
    try {
      request = requestOf(data, this.#limits.entryOctets + ENVELOPE_OCTETS);
    } catch (error) {
      // There is no document, so no transID and no `reply`: the answer to the Data operation carries the result.
      sink.failed(replyOf(error) ?? REPLIES.internal);
      return;
    }
    const task = async (): Promise<void> => {
      // An endpoint that does not answer delays only itself.
      while (!this.#sender.admits(request.originator.key)) {
        await new Promise<void>((resolve) => this.#sender.later(request.originator.key, resolve));
      }
      const refusal = await this.#serve(request);
      if (refusal === undefined) sink.delivered();
      else sink.failed(refusal);
    };
    if (!this.#requests.run(accountOf(request.originator.key), task)) sink.failed(REPLIES.busy);
  }

  /** @returns the reply for the Data operation if no answer can be sent */
  async #serve(request: ServiceRequest): Promise<Reply | undefined> {
    const { transID } = request;
    try {
      await this.#operate(request);
      return undefined;
    } catch (error) {
      const reply = replyOf(error);
      if (reply === undefined) this.#operations.fault(error);
      if (transID === undefined) return reply ?? REPLIES.internal;
      this.#reply(request, transID, reply ?? REPLIES.internal);
      return undefined;
    }
  }

  async #operate(request: ServiceRequest): Promise<void> {
    const { element, originator } = request;
    // Two services could answer each other's answers for ever.
    if (element.name === 'reply' || element.name === 'notify') return;
    const operation = readPresenceOperation(element, request.form);
    switch (operation?.type) {
      case 'subscribe':
        return this.#subscribe(request, operation);
      case 'watch':
        return this.#watch(request, operation);
      case 'publish':
        return this.#publish(request, operation);
      case 'terminate':
        return this.#terminate(request, operation.transID);
      default:
        if (!originator.service) throw new Refusal(504, 'the presence service does not support this operation');
    }
  }

  /** presence-01 §4.2. */
  async #subscribe(request: ServiceRequest, operation: Subscribe): Promise<void> {
    const { fanOut, entries } = this.#operations;
    const { domain, form } = request;
    const proof = this.#proofIn(request);
    await this.#withSubject(request, operation, async (subject) => {
      const subscriber = request.originator.key;
      await fanOut.room(subject);
      const shown = await entries.shown(subject, subscriber);
      if (operation.duration > 0) {
        const running = await this.#operations.begin(subscriber, subject, operation, form, proof);
        // A change before the record is on the disk is part of the entry that is sent then.
        fanOut.publish(running, await entries.shown(subject, subscriber));
      } else {
        // Duration 0 is step 6 without 6.3.
        this.#operations.counts.publish += 1;
        const { head, tail } = publishAround(shown.entry, this.#clock.wall(), form);
        this.#sender.send(domain, subscriber, `${head}${operation.transID}${tail}`, form, NOBODY_ASKS);
      }
      fanOut.subscribed(subject, subscriber, operation.duration, proof);
    });
  }

  /**
   * Returns the proof of a subscriber, which watchers get as it came (D-PRES-21).
   *
   * @throws Refusal 501, 554
   */
  #proofIn({ options }: ServiceRequest): string | undefined {
    const proof = proofAmong(options);
    if (proof === undefined) return undefined;
    const { proofOctets } = this.#limits;
    if (proof.length > proofOctets) throw new Refusal(554, `the proof of a subscriber may have ${proofOctets} octets`);
    if (!isProof(proof)) throw new Refusal(501, 'the proof of a subscriber must be in base64');
    return proof;
  }

  /** presence-01 §4.3. */
  async #watch(request: ServiceRequest, operation: Subscribe): Promise<void> {
    const { fanOut } = this.#operations;
    await this.#withSubject(request, operation, async (subject) => {
      const watcher = request.originator.key;
      await fanOut.room(subject);
      const watch =
        operation.duration > 0
          ? await this.#operations.begin(watcher, subject, operation, request.form)
          : this.#operations.once(watcher, subject, operation, request.form);
      this.#accept(request, operation.transID);
      // Before the next request of the same originator, so that they are told in this order.
      await fanOut.watching(watch);
    });
  }

  /** Processes presence-01 §4.2 and §4.3 steps 1 to 5, then calls `proceed`. */
  async #withSubject(
    request: ServiceRequest,
    { type, publisher, transID }: Subscribe,
    proceed: (subject: Presentity) => Promise<void>,
  ): Promise<void> {
    const { registry } = this.#operations;
    const originator = request.originator.key;
    const key = await this.#permitted(request, publisher, type);
    const subject = registry.pin(key, request.domain);
    try {
      // Step 4: an earlier operation ends silently, whatever becomes of this one (D-PRES-02).
      const earlier = subject.of(type).get(originator);
      if (earlier !== undefined) await this.#operations.end(earlier);
      // Step 5.
      if (registry.find(originator, transID) !== undefined) {
        throw new Refusal(555, 'this transID is in use by another subscription or watch of yours');
      }
      await proceed(subject);
    } finally {
      registry.unpin(subject);
    }
  }

  /**
   * Makes the checks that subscribe, watch and publish begin with.
   *
   * @returns the normalized address of the subject
   * @throws Refusal 553, 550, 537
   */
  async #permitted({ originator, domain }: ServiceRequest, publisher: string, action: string): Promise<string> {
    const name = addressOf(publisher);
    if (name?.domain !== domain) throw new Refusal(553, `the publisher is not an endpoint of ${domain}`);
    if (name.service || (await this.#records.created(name.key)) === undefined) {
      throw new Refusal(550, 'unknown endpoint');
    }
    if (await this.#access.allowed(name.key, originator.key, `presence:${action}`)) return name.key;
    if (action === 'subscribe' && this.#views.viewOf(name.key, originator.key) !== undefined) return name.key;
    throw new Refusal(537, `the publisher does not grant you presence:${action}`);
  }

  /** presence-01 §4.4. */
  async #publish(request: ServiceRequest, { publisher, transID, presence }: Publish): Promise<void> {
    const { fanOut, entries, registry } = this.#operations;
    if (normalised(publisher) !== normalised(presence.publisher)) {
      throw new Refusal(503, 'the publishers of publish and presence differ');
    }
    const key = await this.#permitted(request, publisher, 'publish');
    const { entryOctets } = this.#limits;
    if (Buffer.byteLength(writePresence(presence)) > entryOctets) {
      throw new Refusal(554, `an entry may have ${entryOctets} octets`);
    }
    await fanOut.room(registry.subject(key));
    const record = await entries.record(key);
    // Step 5; the same moment in another spelling counts as the same.
    if (record.presence.lastUpdate !== presence.lastUpdate) throw new Refusal(555, OUTDATED);
    const tell = await entries.replace(key, record, { ...presence, publisher: key }, record.attached);
    if (tell === undefined) throw new Refusal(555, OUTDATED);
    this.#accept(request, transID);
    tell();
  }

  /** presence-01 §4.5. */
  async #terminate(request: ServiceRequest, transID: number): Promise<void> {
    const running = this.#operations.registry.find(request.originator.key, transID);
    // D-PRES-03: as `reply`, because the Data operation itself was accepted.
    if (running === undefined) throw new Refusal(550, 'no subscription or watch of yours has this transID');
    await this.#operations.end(running);
    this.#accept(request, transID);
    this.#operations.fanOut.ended(running);
  }

  #accept(request: ServiceRequest, transID: number): void {
    this.#reply(request, transID, { code: 250, text: '' });
  }

  #reply({ domain, originator, form }: ServiceRequest, transID: number, { code, text }: Reply): void {
    const document = writeServiceReply({ transID, code, text, lang: undefined });
    this.#sender.send(domain, originator.key, document, form, NOBODY_ASKS);
  }
}

function normalised(address: string): string {
  return addressOf(address)?.key ?? address;
}

/** Returns what an error may say to the peer; undefined for an internal error. */
function replyOf(error: unknown): Reply | undefined {
  return error instanceof Refusal || error instanceof ImxpError ? error.reply : undefined;
}
