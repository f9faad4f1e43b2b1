/**
 * Queue of the messages held for one endpoint (RFC 3342 §3), in the order of arrival. A message is stored before it is
 * acknowledged, handed to the application that attaches, and dropped when the application has answered.
 *
 * ```
 *  writing ──durable──> waiting ──its turn──> out ──ok or permanent refusal──> gone
 *                          ^                   │
 *                          └── transient refusal, or no answer: all that are out come back, in order
 * ```
 */

import type { Payload } from '../../beep/payload.js';
import { ImxpError, type Reply } from '../../errors.js';
import type { Address } from '../../imxp/address.js';
import type { Dialect } from '../../imxp/dialect/dialect.js';
import { withHeldId } from '../../imxp/held-id.js';
import type { Data } from '../../imxp/operation.js';
import { isTransientCode } from '../../imxp/reply-code.js';
import type { DataTiming } from '../../imxp/vocabulary/party.js';
import { REPLIES } from '../answer.js';
import { TimedTarget } from '../data-timing.js';
import type { Asked } from '../delivery-options.js';
import { fault, forwarded, tracing } from '../events.js';
import { reportStatus } from '../status.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../target.js';
import { OfflineDeliveryRate } from './delivery-rate.js';
import { OfflineExpiry, type OfflineExpiryContext, type OfflineExpiryOwner } from './expiry.js';
import { OfflineList } from './list.js';
import {
  dueOf,
  joined,
  mayBeHeld,
  OfflineDelivery,
  OfflineMessage,
  type OfflineMessageOwner,
  readHeld,
  timingsOf,
} from './message.js';
import type { SpoolEntry } from './spool.js';

/** What a queue needs of the relay. */
export interface OfflineQueueOwner extends OfflineExpiryContext {
  readonly dialects: ReadonlyMap<string, Dialect>;
  /** Number of Data operations that may wait behind the messages of a queue. */
  readonly outstanding: number;
  readonly draining: boolean;
  readonly counts: { stored: number; delivered: number; failed: number };
  /** Returns the number of the next message that arrives. */
  next(): number;
  /** Returns the identity by which an endpoint recognizes that it receives the same message again. */
  heldId(entry: SpoolEntry): string;
  /** Returns the reason why no more may be held, or not this message. */
  refusal(queue: OfflineQueue, octets: number, asked: readonly Asked<DataTiming>[]): Reply | undefined;
  /** Returns the reason why nothing is held for that endpoint. */
  known(name: Address): Promise<Reply | undefined>;
  /** Returns the time at which the endpoint was given its account, milliseconds since 1970. */
  since(name: Address): Promise<number>;
  granted(name: Address, originator: string): boolean | Promise<boolean>;
  changed(data: number, cost: number): void;
  began(): void;
  ended(): void;
  /** The last message of a queue is gone. */
  drained(queue: OfflineQueue): void;
}

/** A Data operation that is not to be held and must not overtake the messages that are. */
interface Behind {
  readonly delivery: OutboundDelivery;
  readonly sink: DeliverySink;
  /** Number of the last message that has to leave first. */
  readonly after: number;
}

export class OfflineQueue implements DeliveryTarget, OfflineMessageOwner, OfflineExpiryOwner {
  readonly name: Address;
  readonly #relay: OfflineQueueOwner;
  readonly #list = new OfflineList();
  readonly #pace = new OfflineDeliveryRate();
  readonly #times: OfflineExpiry;
  #returned: OfflineMessage[] = [];
  #behind: Behind[] = [];
  #target: DeliveryTarget | undefined;
  #out = 0;
  #outOctets = 0;
  /** Nothing is sent while a decision is pending, a retry is due, or an earlier application owes answers. */
  #blocked = false;
  #changing = false;
  #pumping = false;
  #offRetry: (() => void) | undefined;
  /** Whether the endpoint has an account, once that was looked up. */
  #known: Promise<Reply | undefined> | undefined;
  count = 0;
  octets = 0;

  constructor(name: Address, relay: OfflineQueueOwner) {
    this.name = name;
    this.#relay = relay;
    this.#times = new OfflineExpiry(relay, this);
  }

  /** Arrival time of the oldest message, milliseconds since 1970; undefined if nothing is held. */
  get oldest(): number | undefined {
    return this.#list.oldest;
  }

  get empty(): boolean {
    return this.count === 0 && this.#behind.length === 0;
  }

  /** Adds an entry that an earlier process stored. */
  load(entry: SpoolEntry): void {
    // One shared string for all of them: each entry was read with its own.
    const held = new OfflineMessage({ ...entry, address: this.name.key });
    this.#add(held);
    this.#times.watch(held);
  }

  // ---- arrival

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    if (mayBeHeld(delivery.data)) this.#hold(delivery, sink);
    else if (this.#behind.length >= this.#relay.outstanding) sink.failed(REPLIES.busy);
    else {
      this.#behind.push({ delivery, sink, after: this.#list.last });
      this.#pump();
    }
  }

  #hold(delivery: OutboundDelivery, sink: DeliverySink): void {
    const relay = this.#relay;
    const { data } = delivery;
    const profile = data.source?.profile ?? relay.profile;
    try {
      const payload = joined(delivery.payload(profile));
      const at = relay.time.wall();
      const asked = timingsOf(data, relay.understood);
      const refusal = relay.refusal(this, payload.length, asked);
      if (refusal !== undefined) {
        this.#refuse(sink, refusal);
        return;
      }
      const entry = { address: this.name.key, seq: relay.next(), octets: payload.length, at, due: dueOf(asked, at) };
      const held = new OfflineMessage(entry);
      this.#add(held);
      this.#known ??= relay.known(this.name);
      void this.#known.then((reply) => {
        if (reply === undefined) this.#write(held, { profile, payload }, sink);
        else {
          this.#known = undefined;
          this.#forget(held);
          this.#refuse(sink, reply);
        }
      });
    } catch (error) {
      if (!(error instanceof ImxpError) || error.reply === undefined) throw error;
      this.#refuse(sink, error.reply);
    }
  }

  #write(held: OfflineMessage, record: { profile: string; payload: Buffer }, sink: DeliverySink): void {
    const relay = this.#relay;
    relay.spool.put(held.entry, record, (error) => {
      if (error !== undefined) {
        fault('offline', error);
        this.#forget(held);
        this.#refuse(sink, REPLIES.heldFailed);
        return;
      }
      relay.counts.stored += 1;
      sink.delivered(true);
      this.#times.watch(held);
      this.#pump();
    });
  }

  #refuse(sink: DeliverySink, reply: Reply): void {
    sink.failed(reply);
    this.#pump();
  }

  #add(held: OfflineMessage): void {
    this.#list.push(held);
    this.count += 1;
    this.octets += held.entry.octets;
    this.#relay.changed(1, held.cost);
  }

  /** Removes a message from the counts; it may still be in the store. */
  #forget(held: OfflineMessage): void {
    if (held.state === 'gone') return;
    held.state = 'gone';
    held.off?.();
    held.off = undefined;
    this.count -= 1;
    this.octets -= held.entry.octets;
    this.#relay.changed(-1, -held.cost);
  }

  // ---- attachment

  /** An application attached and receives the held messages from now on. */
  attach(target: DeliveryTarget): void {
    this.#target = target;
    this.#pace.reset();
    this.#offRetry?.();
    // Messages that an earlier application has not answered may still be answered.
    this.#changing = this.#out > 0;
    this.#blocked = true;
    void this.#relay.since(this.name).then((since) => {
      // The endpoint may have a new account with the same name.
      for (const held of this.#list.waiting) if (held.entry.at < since) this.#remove(held);
      this.#blocked = false;
      this.#pump();
    });
  }

  /** The application is gone. */
  detach(target: DeliveryTarget): void {
    if (this.#target !== target) return;
    this.#target = undefined;
    this.#offRetry?.();
    this.#offRetry = undefined;
    this.#blocked = false;
    const behind = this.#behind;
    this.#behind = [];
    for (const { sink } of behind) sink.failed(REPLIES.endpointUnsent);
    this.#pump();
  }

  // ---- delivery

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#step());
    } finally {
      this.#pumping = false;
    }
    if (this.empty && this.#out === 0) this.#relay.drained(this);
  }

  /** @returns whether to look again */
  #step(): boolean {
    const target = this.#target;
    if (target === undefined || this.#blocked || this.#changing || this.#returned.length > 0 || this.#relay.draining) {
      return false;
    }
    const held = this.#list.next;
    const [behind] = this.#behind;
    if (behind !== undefined && (held === undefined || held.entry.seq > behind.after)) {
      this.#behind.shift();
      target.deliver(behind.delivery, behind.sink);
      return true;
    }
    // A later message would overtake one that is not stored yet.
    if (held === undefined || held.state !== 'waiting') return false;
    return this.#pace.allows(this.#out, this.#outOctets, held.entry.octets) && this.#send(held, target);
  }

  #send(held: OfflineMessage, target: DeliveryTarget): boolean {
    const data = this.read(held);
    if (data === undefined) return true;
    const granted = this.#relay.granted(this.name, data.originator);
    if (granted instanceof Promise) {
      this.#blocked = true;
      granted.then(
        () => this.#unblock(),
        () => this.#retry(),
      );
      return false;
    }
    // D-OPT-10: access is checked before queueing, and again.
    if (!granted) {
      this.conclude(held, data, REPLIES.accessDenied);
      return true;
    }
    this.#list.give();
    held.state = 'out';
    held.sentAt = this.#relay.time.now();
    this.#out += 1;
    this.#outOctets += held.entry.octets;
    this.#relay.began();
    const delivery = new OfflineDelivery(held, withHeldId(data, this.#relay.heldId(held.entry)), this);
    this.#timed(held, delivery.data, target).deliver(delivery, delivery);
    return true;
  }

  /** RFC 3342 §2: the time in the queue counts, and the copy that is delivered says how much is left. */
  #timed({ entry }: OfflineMessage, data: Data, target: DeliveryTarget): DeliveryTarget {
    const { view, time, understood } = this.#relay;
    const asked = timingsOf(data, understood);
    if (asked.length === 0) return target;
    const since = time.now() - (time.wall() - entry.at);
    return new TimedTarget(target, { asked, since, onward: false, rewrite: true }, view);
  }

  read(held: OfflineMessage): Data | undefined {
    try {
      const record = this.#relay.spool.read(held.entry);
      const data = record === undefined ? undefined : readHeld(record, this.#relay.dialects);
      if (data === undefined) this.#remove(held);
      return data;
    } catch (error) {
      // A message that cannot be read today cannot be read tomorrow; it must not block the others.
      fault('offline', error);
      this.#remove(held);
      return undefined;
    }
  }

  // ---- OfflineMessageOwner, OfflineExpiryOwner

  looked(): void {
    this.#pump();
  }

  encode(data: Data, profile: string): Payload {
    return this.#relay.view.encode(data, profile);
  }

  answered(held: OfflineMessage, data: Data, reply: Reply | undefined): void {
    this.#relay.ended();
    this.#out -= 1;
    this.#outOctets -= held.entry.octets;
    if (reply !== undefined && isTransientCode(reply.code)) this.#back(held);
    else {
      this.#pace.answered(this.#relay.time.now() - held.sentAt);
      this.conclude(held, data, reply);
    }
    if (this.#out === 0) {
      this.#changing = false;
      if (this.#returned.length > 0) this.#again();
    }
    this.#pump();
  }

  #back(held: OfflineMessage): void {
    held.state = 'waiting';
    this.#returned.push(held);
    this.#pace.slower();
  }

  /** Puts a message that was refused for now back to its position. */
  #again(): void {
    const returned = this.#returned;
    this.#list.putBack(returned);
    this.#returned = [];
    for (const held of returned) if (held.entry.due > 0) this.#times.watch(held);
    if (this.#target !== undefined) this.#retry();
  }

  #retry(): void {
    this.#blocked = true;
    this.#offRetry = this.#relay.time.after(this.#pace.retryMs(), () => this.#unblock());
  }

  #unblock(): void {
    this.#offRetry = undefined;
    this.#blocked = false;
    this.#pump();
  }

  // ---- conclusion

  /** Drops a message that has its final answer, or will never be delivered. */
  conclude(held: OfflineMessage, data: Data, reply: Reply | undefined): void {
    const { counts, time, view } = this.#relay;
    if (reply === undefined) counts.delivered += 1;
    else counts.failed += 1;
    this.#delete(held);
    if (tracing()) {
      forwarded('held', held.entry.octets, data, reply, held.sentAt > 0 ? time.now() - held.sentAt : 0);
    }
    reportStatus(data, () => reply, reply, view);
  }

  /**
   * The account was removed: drops the messages that came before.
   *
   * @param before milliseconds since 1970
   */
  forgetBefore(before: number): void {
    this.#known = undefined;
    for (const held of this.#list.waiting) if (held.entry.at <= before) this.#remove(held);
    this.#pump();
  }

  #remove(held: OfflineMessage): void {
    this.#relay.counts.failed += 1;
    this.#delete(held);
  }

  #delete(held: OfflineMessage): void {
    if (held.state === 'gone') return;
    this.#forget(held);
    this.#relay.spool.remove(held.entry, (error) => {
      if (error !== undefined) fault('offline', error);
    });
  }

  /** Drops the messages that are too old, and forgets whether there is an account. */
  sweep(before: number): void {
    for (const held of this.#list.waiting) {
      if (held.entry.at >= before) break;
      const data = this.read(held);
      if (data !== undefined) this.conclude(held, data, REPLIES.heldTooLong);
    }
    this.#known = undefined;
    this.#pump();
  }
}
