/**
 * What is held for one endpoint (RFC 3342 §3), in the order of arrival: written down before it is acknowledged, given to the
 * application when one attaches, forgotten when that has answered. Owns order, window and retries; refuses to know where it
 * is written and who is attached.
 *
 * ```
 *  writing ──durable──> waiting ──its turn──> out ──ok, or refused for good──> gone
 *                          ^                   │
 *                          └── refused for now, or no answer: all that are out come back, in order
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
  /** Data that may wait behind those of a queue. */
  readonly outstanding: number;
  readonly draining: boolean;
  readonly counts: { stored: number; delivered: number; failed: number };
  /** The number of the next that arrives. */
  next(): number;
  /** The identity under which an endpoint recognises that it gets the same Data again. */
  heldId(entry: SpoolEntry): string;
  /** Why no more may be held, or not this. */
  refusal(queue: OfflineQueue, octets: number, asked: readonly Asked<DataTiming>[]): Reply | undefined;
  /** Why nothing is held for that endpoint. */
  known(name: Address): Promise<Reply | undefined>;
  /** Since when the endpoint has had its account, milliseconds since 1970. */
  since(name: Address): Promise<number>;
  granted(name: Address, originator: string): boolean | Promise<boolean>;
  changed(data: number, cost: number): void;
  began(): void;
  ended(): void;
  /** Nothing is left in a queue. */
  drained(queue: OfflineQueue): void;
}

/** A Data that is not to be held, and must not overtake what is. */
interface Behind {
  readonly delivery: OutboundDelivery;
  readonly sink: DeliverySink;
  /** What has to leave first. */
  readonly after: number;
}

export class OfflineQueue implements DeliveryTarget, OfflineMessageOwner, OfflineExpiryOwner {
  readonly name: Address;
  readonly #keeper: OfflineQueueOwner;
  readonly #list = new OfflineList();
  readonly #pace = new OfflineDeliveryRate();
  readonly #times: OfflineExpiry;
  #returned: OfflineMessage[] = [];
  #behind: Behind[] = [];
  #target: DeliveryTarget | undefined;
  #out = 0;
  #outOctets = 0;
  /** Nothing is sent: somebody is asked, a retry is due, or what another application got is not answered. */
  #blocked = false;
  #changing = false;
  #pumping = false;
  #offRetry: (() => void) | undefined;
  /** Whether the endpoint has an account, once that was asked. */
  #known: Promise<Reply | undefined> | undefined;
  count = 0;
  octets = 0;

  constructor(name: Address, keeper: OfflineQueueOwner) {
    this.name = name;
    this.#keeper = keeper;
    this.#times = new OfflineExpiry(keeper, this);
  }

  /** When the oldest arrived, milliseconds since 1970; undefined when nothing is held. */
  get oldest(): number | undefined {
    return this.#list.oldest;
  }

  get empty(): boolean {
    return this.count === 0 && this.#behind.length === 0;
  }

  /** An entry found at the start. */
  load(entry: SpoolEntry): void {
    // One string for all of them: each was read with its own.
    const held = new OfflineMessage({ ...entry, address: this.name.key });
    this.#add(held);
    this.#times.watch(held);
  }

  // ---- what arrives

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    if (mayBeHeld(delivery.data)) this.#hold(delivery, sink);
    else if (this.#behind.length >= this.#keeper.outstanding) sink.failed(REPLIES.busy);
    else {
      this.#behind.push({ delivery, sink, after: this.#list.last });
      this.#pump();
    }
  }

  #hold(delivery: OutboundDelivery, sink: DeliverySink): void {
    const keeper = this.#keeper;
    const { data } = delivery;
    const profile = data.source?.profile ?? keeper.profile;
    try {
      const payload = joined(delivery.payload(profile));
      const at = keeper.time.wall();
      const asked = timingsOf(data, keeper.understood);
      const refusal = keeper.refusal(this, payload.length, asked);
      if (refusal !== undefined) {
        this.#refuse(sink, refusal);
        return;
      }
      const entry = { address: this.name.key, seq: keeper.next(), octets: payload.length, at, due: dueOf(asked, at) };
      const held = new OfflineMessage(entry);
      this.#add(held);
      this.#known ??= keeper.known(this.name);
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
    const keeper = this.#keeper;
    keeper.spool.put(held.entry, record, (error) => {
      if (error !== undefined) {
        fault('hold', error);
        this.#forget(held);
        this.#refuse(sink, REPLIES.heldFailed);
        return;
      }
      keeper.counts.stored += 1;
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
    this.#keeper.changed(1, held.cost);
  }

  /** It counts no more; whether it is still written somewhere is another matter. */
  #forget(held: OfflineMessage): void {
    if (held.state === 'gone') return;
    held.state = 'gone';
    held.off?.();
    held.off = undefined;
    this.count -= 1;
    this.octets -= held.entry.octets;
    this.#keeper.changed(-1, -held.cost);
  }

  // ---- who attaches

  /** An application attached; what is held goes to it from now on. */
  attach(target: DeliveryTarget): void {
    this.#target = target;
    this.#pace.reset();
    this.#offRetry?.();
    // What an earlier application got and has not answered may still be answered.
    this.#changing = this.#out > 0;
    this.#blocked = true;
    void this.#keeper.since(this.name).then((since) => {
      // The account may be another one of the same name.
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

  // ---- what leaves

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#step());
    } finally {
      this.#pumping = false;
    }
    if (this.empty && this.#out === 0) this.#keeper.drained(this);
  }

  /** @returns whether to look again */
  #step(): boolean {
    const target = this.#target;
    if (target === undefined || this.#blocked || this.#changing || this.#returned.length > 0 || this.#keeper.draining) {
      return false;
    }
    const held = this.#list.next;
    const [behind] = this.#behind;
    if (behind !== undefined && (held === undefined || held.entry.seq > behind.after)) {
      this.#behind.shift();
      target.deliver(behind.delivery, behind.sink);
      return true;
    }
    // What comes after one that is not written yet would overtake it.
    if (held === undefined || held.state !== 'waiting') return false;
    return this.#pace.allows(this.#out, this.#outOctets, held.entry.octets) && this.#send(held, target);
  }

  #send(held: OfflineMessage, target: DeliveryTarget): boolean {
    const data = this.read(held);
    if (data === undefined) return true;
    const granted = this.#keeper.granted(this.name, data.originator);
    if (granted instanceof Promise) {
      this.#blocked = true;
      granted.then(
        () => this.#unblock(),
        () => this.#retry(),
      );
      return false;
    }
    // D-OPT-10: access is checked before queueing, and again
    if (!granted) {
      this.conclude(held, data, REPLIES.accessDenied);
      return true;
    }
    this.#list.give();
    held.state = 'out';
    held.sentAt = this.#keeper.time.now();
    this.#out += 1;
    this.#outOctets += held.entry.octets;
    this.#keeper.began();
    const delivery = new OfflineDelivery(held, withHeldId(data, this.#keeper.heldId(held.entry)), this);
    this.#timed(held, delivery.data, target).deliver(delivery, delivery);
    return true;
  }

  /** RFC 3342 §2: the time in the queue counts, and the copy that is delivered says what is left. */
  #timed({ entry }: OfflineMessage, data: Data, target: DeliveryTarget): DeliveryTarget {
    const { view, time, understood } = this.#keeper;
    const asked = timingsOf(data, understood);
    if (asked.length === 0) return target;
    const since = time.now() - (time.wall() - entry.at);
    return new TimedTarget(target, { asked, since, onward: false, rewrite: true }, view);
  }

  read(held: OfflineMessage): Data | undefined {
    try {
      const record = this.#keeper.spool.read(held.entry);
      const data = record === undefined ? undefined : readHeld(record, this.#keeper.dialects);
      if (data === undefined) this.#remove(held);
      return data;
    } catch (error) {
      // What cannot be read today will not be readable tomorrow: it must not keep the others.
      fault('hold', error);
      this.#remove(held);
      return undefined;
    }
  }

  // ---- HeldOwner, TimesOwner

  looked(): void {
    this.#pump();
  }

  encode(data: Data, profile: string): Payload {
    return this.#keeper.view.encode(data, profile);
  }

  answered(held: OfflineMessage, data: Data, reply: Reply | undefined): void {
    this.#keeper.ended();
    this.#out -= 1;
    this.#outOctets -= held.entry.octets;
    if (reply !== undefined && isTransientCode(reply.code)) this.#back(held);
    else {
      this.#pace.answered(this.#keeper.time.now() - held.sentAt);
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

  /** What was refused for now takes its old place. */
  #again(): void {
    const returned = this.#returned;
    this.#list.putBack(returned);
    this.#returned = [];
    for (const held of returned) if (held.entry.due > 0) this.#times.watch(held);
    if (this.#target !== undefined) this.#retry();
  }

  #retry(): void {
    this.#blocked = true;
    this.#offRetry = this.#keeper.time.after(this.#pace.retryMs(), () => this.#unblock());
  }

  #unblock(): void {
    this.#offRetry = undefined;
    this.#blocked = false;
    this.#pump();
  }

  // ---- what ends

  /** The application has answered for good, or it will never get it. */
  conclude(held: OfflineMessage, data: Data, reply: Reply | undefined): void {
    const { counts, time, view } = this.#keeper;
    if (reply === undefined) counts.delivered += 1;
    else counts.failed += 1;
    this.#delete(held);
    if (tracing()) {
      forwarded('held', held.entry.octets, data, reply, held.sentAt > 0 ? time.now() - held.sentAt : 0);
    }
    reportStatus(data, () => reply, reply, view);
  }

  /** The account was removed: what came before is for nobody any more. @param before milliseconds since 1970 */
  forgetBefore(before: number): void {
    this.#known = undefined;
    for (const held of this.#list.waiting) if (held.entry.at <= before) this.#remove(held);
    this.#pump();
  }

  #remove(held: OfflineMessage): void {
    this.#keeper.counts.failed += 1;
    this.#delete(held);
  }

  #delete(held: OfflineMessage): void {
    if (held.state === 'gone') return;
    this.#forget(held);
    this.#keeper.spool.remove(held.entry, (error) => {
      if (error !== undefined) fault('hold', error);
    });
  }

  /** Forgets what has been held for too long, and who has an account. */
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
