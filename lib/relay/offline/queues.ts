/**
 * Offline queues (RFC 3342 §3): which endpoint has one, how much all may hold, and what the queues need of the relay.
 * They are the only state of the relay that outlives it.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Reply } from '../../errors.js';
import { type Address, addressOf, commonKey } from '../../imxp/address.js';
import type { Dialect } from '../../imxp/dialect/dialect.js';
import type { DataTiming } from '../../imxp/vocabulary/party.js';
import type { Clock } from '../../ops/clock.js';
import type { HeldForEndpoint, HeldStatus } from '../../ops/status.js';
import type { AccountRules } from '../accounts.js';
import { REPLIES } from '../answer.js';
import { type Attachment, type AttachmentTable, receiverOf } from '../attachments.js';
import type { TimedView } from '../data-timing.js';
import type { Asked } from '../delivery-options.js';
import { fault } from '../events.js';
import type { OptionRegistry } from '../options.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../target.js';
import { costOf } from './message.js';
import { OfflineQueue, type OfflineQueueOwner } from './queue.js';
import { OfflineShares, type ShareLimits } from './shares.js';
import type { Spool, SpoolEntry } from './spool.js';

export interface OfflineLimits extends ShareLimits {
  /** Data held for one endpoint. */
  readonly messages: number;
  /** Octets of these messages, with an overhead for each. */
  readonly octets: number;
  /** How long one is held. */
  readonly ageMs: number;
}

export interface OfflineOptions {
  readonly spool: Spool;
  readonly limits: OfflineLimits;
  /**
   * Makes the identities of held messages unpredictable. Stored with the spool, it gives the same identities after a
   * restart; default: random, for this process only.
   */
  readonly secret?: Buffer;
}

/** Interval at which expired messages are looked for. */
const SWEEP_MS = 60_000;
/** Length of an identity: 132 bits. */
const ID_LENGTH = 22;

export const NOTHING_FOR_ENDPOINT: HeldForEndpoint = Object.freeze({ data: 0, octets: 0, oldestMs: 0 });

/** State of the relay that the queues depend on. */
export interface OfflineContext {
  readonly time: Clock;
  readonly understood: OptionRegistry;
  readonly dialects: ReadonlyMap<string, Dialect>;
  readonly limits: { readonly outstanding: number; readonly deliveryTimeoutMs: number };
  readonly accounts: AccountRules | undefined;
  readonly attachments: AttachmentTable;
  readonly timedHoldsOnly: boolean;
  readonly draining: boolean;
  known(name: Address): Promise<boolean>;
  generation(name: Address): Promise<string | null | undefined>;
  grants(owner: Address, originator: string): boolean | Promise<boolean>;
  began(): void;
  ended(): void;
}

export class OfflineQueues implements OfflineQueueOwner {
  readonly spool: Spool;
  readonly view: TimedView;
  readonly counts = { stored: 0, delivered: 0, failed: 0 };
  readonly #context: OfflineContext;
  readonly #options: OfflineOptions;
  readonly #secret: Buffer;
  readonly #shares: OfflineShares;
  readonly #queues = new Map<string, OfflineQueue>();
  #seq = 0;
  #data = 0;
  #sweeping = false;

  /** @param view for the Data operations that queues send, and for their reports */
  constructor(context: OfflineContext, view: TimedView, options: OfflineOptions) {
    this.#context = context;
    this.view = view;
    this.#options = options;
    this.#secret = options.secret ?? randomBytes(32);
    this.#shares = new OfflineShares(options.limits, (domain) => this.view.local(domain));
    this.spool = options.spool;
    for (const entry of options.spool.entries()) {
      const name = addressOf(entry.address);
      if (name === undefined) continue;
      this.#seq = Math.max(this.#seq, entry.seq);
      this.queueOf(name).load(entry);
    }
  }

  // ---- calls of the relay

  /** Returns the target that holds messages for an endpoint that is not attached. */
  queueFor(name: Address): DeliveryTarget {
    return this.#queues.get(name.key) ?? new Holder(this, name);
  }

  /** Returns the queue of an endpoint that has one. */
  existing(name: Address): DeliveryTarget | undefined {
    return this.#queues.get(name.key);
  }

  queueOf(name: Address): OfflineQueue {
    let queue = this.#queues.get(name.key);
    if (queue === undefined) {
      queue = new OfflineQueue(name, this);
      this.#queues.set(name.key, queue);
    }
    return queue;
  }

  /** An application attached: the held messages go first, and new ones behind them. */
  attached(attachment: Attachment): void {
    for (const queue of this.#concerned(attachment)) {
      if (this.#context.attachments.receiving(queue.name) !== attachment) continue;
      if (queue.name.key === attachment.key && attachment.whole === undefined) attachment.target = queue;
      queue.attach(receiverOf(attachment));
    }
  }

  /** An application detached. What is held goes on to the application of the whole domain, if there is one. */
  detached(attachment: Attachment): void {
    for (const queue of this.#concerned(attachment)) {
      queue.detach(receiverOf(attachment));
      const next = this.#context.attachments.receiving(queue.name);
      // One that takes over as the same endpoint attaches next.
      if (next !== undefined && next.key !== attachment.key) queue.attach(receiverOf(next));
    }
  }

  /** Returns the queues of the endpoints that an attachment may stand for. */
  #concerned({ key, whole }: Attachment): readonly OfflineQueue[] {
    const own = this.#queues.get(key);
    const service = addressOf(key)?.service === true;
    // A service has a queue for each of its two names at most, and a domain one for each endpoint.
    if (whole === undefined && !service) {
      const base = addressOf(key)?.base ?? key;
      const account = base === key ? undefined : this.#queues.get(base);
      return [own, account].filter((queue) => queue !== undefined);
    }
    return [...this.#queues.values()].filter(({ name }) => name.domain === whole?.domain || commonKey(name) === key);
  }

  /**
   * Drops the messages that were held for an account that was removed.
   *
   * @param before time of the removal, milliseconds since 1970
   */
  forget(account: string, before: number): void {
    for (const queue of [...this.#queues.values()]) if (queue.name.base === account) void queue.forgetBefore(before);
  }

  get status(): HeldStatus {
    const now = this.time.now();
    let [octets, oldest] = [0, now];
    for (const queue of this.#queues.values()) {
      octets += queue.octets;
      oldest = Math.min(oldest, queue.oldest ?? oldest);
    }
    const oldestMs = now - oldest;
    return { data: this.#data, octets, endpoints: this.#queues.size, oldestMs, ...this.counts };
  }

  /** What is held for one endpoint. */
  statusOf({ key }: Address): HeldForEndpoint {
    const queue = this.#queues.get(key);
    if (queue === undefined) return NOTHING_FOR_ENDPOINT;
    const now = this.time.now();
    return { data: queue.count, octets: queue.octets, oldestMs: now - (queue.oldest ?? now) };
  }

  // ---- OfflineQueueOwner

  get time(): Clock {
    return this.#context.time;
  }

  get understood(): OptionRegistry {
    return this.#context.understood;
  }

  get dialects(): ReadonlyMap<string, Dialect> {
    return this.#context.dialects;
  }

  get profile(): string {
    const [first = ''] = this.#context.dialects.keys();
    return first;
  }

  get outstanding(): number {
    return this.#context.limits.outstanding;
  }

  get deliveryTimeoutMs(): number {
    return this.#context.limits.deliveryTimeoutMs;
  }

  get draining(): boolean {
    return this.#context.draining;
  }

  next(): number {
    this.#seq += 1;
    return this.#seq;
  }

  heldId({ address, seq, octets, at }: SpoolEntry): string {
    // Numbers start again if nothing was held over a restart, so a number alone is no identity.
    const text = `${seq} ${at} ${octets} ${address}`;
    return createHmac('sha256', this.#secret).update(text).digest('base64url').slice(0, ID_LENGTH);
  }

  refusal(queue: OfflineQueue, sender: string, octets: number, asked: readonly Asked<DataTiming>[]): Reply | undefined {
    const { limits } = this.#options;
    const { timedHoldsOnly } = this.#context;
    const cost = costOf(octets);
    if (timedHoldsOnly && !asked.some(({ content }) => isWithin(content, limits.ageMs))) return REPLIES.heldUntimed;
    const own = this.#context.accounts?.heldQuota(queue.name.base);
    const { heldData = limits.messages, heldOctets = limits.octets } = own ?? {};
    if (cost > Math.min(heldOctets, limits.totalOctets)) return REPLIES.heldTooLarge;
    const used = queue.octets + queue.count * costOf(0);
    if (queue.count >= heldData || used + cost > heldOctets) return REPLIES.heldEnough;
    const obstacle = this.#shares.obstacle(sender, cost);
    if (obstacle === undefined) return undefined;
    return obstacle === 'full' ? REPLIES.heldAll : REPLIES.heldShare;
  }

  async known(name: Address): Promise<Reply | string> {
    try {
      if (!(await this.#context.known(name))) return REPLIES.unknownEndpoint;
      return (await this.#context.generation(name)) ?? '';
    } catch (error) {
      fault('directory', error);
      return REPLIES.lookupFailed;
    }
  }

  async generation(name: Address): Promise<string | null | undefined> {
    try {
      return await this.#context.generation(name);
    } catch (error) {
      fault('directory', error);
      return undefined;
    }
  }

  granted(name: Address, originator: string): boolean | Promise<boolean> {
    return this.#context.grants(name, originator);
  }

  changed(data: number, sender: string, cost: number): void {
    this.#data += data;
    this.#shares.change(sender, cost);
    if (this.#data > 0) this.#sweepLater();
  }

  began(): void {
    this.#context.began();
  }

  ended(): void {
    this.#context.ended();
  }

  drained(queue: OfflineQueue): void {
    const { key } = queue.name;
    if (this.#queues.get(key) !== queue) return;
    this.#queues.delete(key);
    const attachment = this.#context.attachments.of(key);
    if (attachment?.target !== queue) return;
    attachment.target = attachment.application;
    this.#context.attachments.settled(attachment);
  }

  #sweepLater(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.time.after(SWEEP_MS, () => {
      this.#sweeping = false;
      const before = this.time.now() - this.#options.limits.ageMs;
      for (const queue of [...this.#queues.values()]) queue.sweep(before);
      if (this.#data > 0) this.#sweepLater();
    });
  }
}

/** RFC 3342 §7: administrators may demand a short time limit. */
function isWithin({ noLaterThan }: DataTiming, most: number): boolean {
  return noLaterThan > 0 && noLaterThan <= most;
}

/** Target for an endpoint without messages; it makes a queue for the first one. */
class Holder implements DeliveryTarget {
  readonly #holds: OfflineQueues;
  readonly #name: Address;

  constructor(holds: OfflineQueues, name: Address) {
    this.#holds = holds;
    this.#name = name;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.#holds.queueOf(this.#name).deliver(delivery, sink);
  }
}
