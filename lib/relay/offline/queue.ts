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

import { ImxpError, type Reply } from '../../errors.js';
import type { Address } from '../../imxp/address.js';
import type { Dialect } from '../../imxp/dialect/dialect.js';
import { withHeldId } from '../../imxp/held-id.js';
import type { Data } from '../../imxp/operation.js';
import { isTransientCode } from '../../imxp/reply-code.js';
import type { DataTiming } from '../../imxp/vocabulary/party.js';
import { contiguous, type Payload } from '../../mime/payload.js';
import { events } from '../../ops/events.js';
import { REPLIES } from '../answer.js';
import { TimedTarget } from '../data-timing.js';
import type { Asked } from '../delivery-options.js';
import { fault, forwarded, tracing } from '../events.js';
import { reportStatus } from '../status.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../target.js';
import { OfflineDeliveryRate } from './delivery-rate.js';
import { OfflineExpiry, type OfflineExpiryContext, type OfflineExpiryOwner } from './expiry.js';
import { OfflineList } from './list.js';
import { LiveDeliveries } from './live-deliveries.js';
import {
  dueOf,
  mayBeHeld,
  OfflineDelivery,
  OfflineMessage,
  type OfflineMessageOwner,
  readHeld,
  timingsOf,
} from './message.js';
import { senderOf } from './shares.js';
import type { SpoolEntry, SpoolRecord } from './spool.js';

/** What a queue needs of the relay. */
export interface OfflineQueueOwner extends OfflineExpiryContext {
  readonly dialects: ReadonlyMap<string, Dialect>;
  /** Number of Data operations that may wait behind the messages of a queue. */
  readonly outstanding: number;
  /** How long they may wait there, milliseconds. */
  readonly deliveryTimeoutMs: number;
  readonly draining: boolean;
  readonly counts: { stored: number; delivered: number; failed: number };
  /** Returns the number of the next message that arrives. */
  next(): number;
  /** Returns the identity by which an endpoint recognizes that it receives the same message again. */
  heldId(entry: SpoolEntry): string;
  /** Why no more may be held, or not this. */
  refusal(queue: OfflineQueue, sender: string, octets: number, asked: readonly Asked<DataTiming>[]): Reply | undefined;
  /** Why nothing is held for that endpoint, or the generation of its account. */
  known(name: Address): Promise<Reply | string>;
  /** The generation of the endpoint's account; null when it has none, undefined when that cannot be found out. */
  generation(name: Address): Promise<string | null | undefined>;
  granted(name: Address, originator: string): boolean | Promise<boolean>;
  changed(data: number, sender: string, cost: number): void;
  began(): void;
  ended(): void;
  /** The last message of a queue is gone. */
  drained(queue: OfflineQueue): void;
}

/** When a message is read again that the engine could not give. */
const READ_AGAIN_MS = 1000;

/** The sender of messages that an earlier version wrote: it is unknown. */
const UNKNOWN = '';

export class OfflineQueue implements DeliveryTarget, OfflineMessageOwner, OfflineExpiryOwner {
  readonly name: Address;
  readonly #relay: OfflineQueueOwner;
  readonly #list = new OfflineList();
  readonly #pace = new OfflineDeliveryRate();
  readonly #times: OfflineExpiry;
  #returned: OfflineMessage[] = [];
  readonly #live: LiveDeliveries;
  /** Data of each sender that are held or wait behind those. */
  readonly #senders = new Map<string, number>();
  #target: DeliveryTarget | undefined;
  #out = 0;
  #outOctets = 0;
  /** Nothing is sent while a decision is pending, a retry is due, or an earlier application owes answers. */
  #blocked = false;
  #changing = false;
  /** The next message, where it had to be waited for. */
  #ahead: { readonly message: OfflineMessage; readonly data: Data } | undefined;
  #pumping = false;
  #offRetry: (() => void) | undefined;
  /** Whether the endpoint has an account, once that was asked. */
  #known: Promise<Reply | string> | undefined;
  count = 0;
  octets = 0;

  constructor(name: Address, relay: OfflineQueueOwner) {
    this.name = name;
    this.#relay = relay;
    this.#times = new OfflineExpiry(relay, this);
    this.#live = new LiveDeliveries({
      time: relay.time,
      outstanding: relay.outstanding,
      deliveryTimeoutMs: relay.deliveryTimeoutMs,
      count: (sender, more) => this.#count(sender, more),
      refused: () => this.#pump(),
    });
  }

  /** When the oldest arrived, milliseconds on the monotonic clock; undefined when nothing is held. */
  get oldest(): number | undefined {
    return this.#list.oldest;
  }

  get empty(): boolean {
    return this.count === 0 && this.#live.length === 0;
  }

  /** Adds an entry that an earlier process stored. */
  load(entry: SpoolEntry): void {
    const { time } = this.#relay;
    const since = time.now() - Math.max(0, time.wall() - entry.at);
    // One string for all of them: each was read with its own.
    const message = new OfflineMessage({ ...entry, address: this.name.key }, since);
    this.#add(message);
    this.#times.watch(message);
  }

  // ---- arrival

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    const sender = senderOf(delivery.data.originator);
    // Only Data of one originator keep their order: others do not wait for what is held.
    if (this.#target !== undefined && !this.#senders.has(sender) && !this.#senders.has(UNKNOWN)) {
      this.#target.deliver(delivery, sink);
    } else if (mayBeHeld(delivery.data)) this.#hold(delivery, sender, sink);
    else {
      this.#live.add({ delivery, sink, sender, after: this.#list.last });
      this.#pump();
    }
  }

  #hold(delivery: OutboundDelivery, sender: string, sink: DeliverySink): void {
    const relay = this.#relay;
    const { data } = delivery;
    const profile = data.source?.profile ?? relay.profile;
    try {
      const payload = contiguous(delivery.payload(profile));
      const at = relay.time.wall();
      const asked = timingsOf(data, relay.understood);
      const refusal = relay.refusal(this, sender, payload.length, asked);
      if (refusal !== undefined) {
        this.#refuse(sink, refusal);
        return;
      }
      const [address, seq, octets, due] = [this.name.key, relay.next(), payload.length, dueOf(asked, at)];
      const entry = { address, seq, octets, at, due, sender, generation: '' };
      const message = new OfflineMessage(entry, relay.time.now());
      this.#add(message);
      this.#known ??= relay.known(this.name);
      void this.#known.then((known) => {
        if (typeof known === 'string') {
          message.entry = { ...entry, generation: known };
          this.#write(message, { profile, payload }, sink);
        } else {
          this.#known = undefined;
          this.#forget(message);
          this.#refuse(sink, known);
        }
      });
    } catch (error) {
      if (!(error instanceof ImxpError) || error.reply === undefined) throw error;
      this.#refuse(sink, error.reply);
    }
  }

  #write(message: OfflineMessage, record: { profile: string; payload: Buffer }, sink: DeliverySink): void {
    const relay = this.#relay;
    relay.spool.put(message.entry, record, (error) => {
      if (error !== undefined) {
        fault('offline', error);
        this.#forget(message);
        this.#refuse(sink, certainlyNot(error) ? REPLIES.heldNotWritten : REPLIES.heldFailed);
        return;
      }
      relay.counts.stored += 1;
      sink.delivered(true);
      this.#times.watch(message);
      this.#pump();
    });
  }

  #refuse(sink: DeliverySink, reply: Reply): void {
    sink.failed(reply);
    this.#pump();
  }

  #add(message: OfflineMessage): void {
    this.#list.push(message);
    this.count += 1;
    this.octets += message.entry.octets;
    this.#count(message.entry.sender, 1);
    this.#relay.changed(1, message.entry.sender, message.cost);
  }

  #count(sender: string, more: 1 | -1): void {
    const sum = (this.#senders.get(sender) ?? 0) + more;
    if (sum > 0) this.#senders.set(sender, sum);
    else this.#senders.delete(sender);
  }

  /** Removes a message from the counts; it may still be in the store. */
  #forget(message: OfflineMessage): void {
    if (message.state === 'gone') return;
    message.state = 'gone';
    message.off?.();
    message.off = undefined;
    this.count -= 1;
    this.octets -= message.entry.octets;
    this.#count(message.entry.sender, -1);
    this.#relay.changed(-1, message.entry.sender, -message.cost);
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
    void this.#relay.generation(this.name).then((generation) => {
      this.#keepOnly(generation, Number.NEGATIVE_INFINITY);
      this.#blocked = false;
      this.#pump();
    });
  }

  /** The application has detached. */
  detach(target: DeliveryTarget): void {
    if (this.#target !== target) return;
    this.#target = undefined;
    this.#offRetry?.();
    this.#offRetry = undefined;
    this.#blocked = false;
    this.#live.refuseAll();
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
    const message = this.#list.next;
    if (this.#live.sendNext(message?.entry.seq, target)) return true;
    // A later message would overtake one that is not stored yet.
    if (message === undefined || message.state !== 'waiting') return false;
    return this.#pace.allows(this.#out, this.#outOctets, message.entry.octets) && this.#send(message, target);
  }

  #send(message: OfflineMessage, target: DeliveryTarget): boolean {
    const data = this.#dataOf(message);
    if (data === undefined) return message.state === 'gone';
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
      this.drop(message, data, REPLIES.accessDenied);
      return true;
    }
    this.#ahead = undefined;
    this.#list.give();
    message.state = 'out';
    message.sentAt = this.#relay.time.now();
    this.#out += 1;
    this.#outOctets += message.entry.octets;
    this.#relay.began();
    const delivery = new OfflineDelivery(message, withHeldId(data, this.#relay.heldId(message.entry)), this);
    this.#timed(message, delivery.data, target).deliver(delivery, delivery);
    return true;
  }

  /** RFC 3342 §2: the time in the queue counts, and the copy that is delivered says what is left. */
  #timed({ since }: OfflineMessage, data: Data, target: DeliveryTarget): DeliveryTarget {
    const { view, understood } = this.#relay;
    const asked = timingsOf(data, understood);
    if (asked.length === 0) return target;
    return new TimedTarget(target, { asked, since, onward: false, rewrite: true }, view);
  }

  /** @returns undefined when it cannot be read and is gone, and while it is read */
  #dataOf(message: OfflineMessage): Data | undefined {
    if (this.#ahead?.message === message) return this.#ahead.data;
    let found: Data | undefined;
    let later = false;
    this.read(message, (data) => {
      found = data;
      if (!later) return;
      this.#ahead = { message, data };
      this.#pump();
    });
    later = true;
    return found;
  }

  read(message: OfflineMessage, use: (data: Data) => void): void {
    if (message.reading !== undefined) {
      message.reading = use;
      return;
    }
    try {
      const record = this.#relay.spool.read(message.entry);
      if (record instanceof Promise) {
        message.reading = use;
        this.#readLater(message, record);
      } else this.#decoded(message, record, use);
    } catch (error) {
      // A message that cannot be read today cannot be read tomorrow; it must not block the others.
      fault('offline', error);
      this.#remove(message);
    }
  }

  #decoded(message: OfflineMessage, record: SpoolRecord | undefined, use: (data: Data) => void): void {
    const data = record === undefined ? undefined : readHeld(record, this.#relay.dialects);
    if (data === undefined) this.#remove(message);
    else use(data);
  }

  /** Nothing overtakes it meanwhile, and whoever wants to read it as well decides what becomes of it. */
  #readLater(message: OfflineMessage, reading: Promise<SpoolRecord | undefined>): void {
    message.state = 'writing';
    reading.then(
      (record) => {
        const { reading: use } = message;
        message.reading = undefined;
        if (use === undefined || message.state === 'gone') return;
        this.#times.watch(message);
        try {
          this.#decoded(message, record, use);
        } catch (error) {
          fault('offline', error);
          this.#remove(message);
        }
        this.#pump();
      },
      (error: unknown) => {
        fault('offline', error);
        // The engine does not answer now; what is stored there is not lost.
        this.#relay.time.after(READ_AGAIN_MS, () => {
          if (message.state !== 'gone')
            this.#readLater(message, Promise.resolve(this.#relay.spool.read(message.entry)));
        });
      },
    );
  }

  // ---- OfflineMessageOwner, OfflineExpiryOwner

  looked(): void {
    this.#pump();
  }

  encode(data: Data, profile: string): Payload {
    return this.#relay.view.encode(data, profile);
  }

  answered(message: OfflineMessage, data: Data, reply: Reply | undefined): void {
    this.#relay.ended();
    this.#out -= 1;
    this.#outOctets -= message.entry.octets;
    if (reply !== undefined && isTransientCode(reply.code)) this.#back(message);
    else {
      this.#pace.answered(this.#relay.time.now() - message.sentAt);
      this.#conclude(message, data, reply);
    }
    if (this.#out === 0) {
      this.#changing = false;
      if (this.#returned.length > 0) this.#again();
    }
    this.#pump();
  }

  #back(message: OfflineMessage): void {
    message.state = 'waiting';
    this.#returned.push(message);
    this.#pace.refused();
  }

  /** Puts a message that was refused for now back to its position. */
  #again(): void {
    const returned = this.#returned;
    this.#list.putBack(returned);
    this.#returned = [];
    for (const message of returned) if (message.entry.due > 0) this.#times.watch(message);
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

  /** It was acknowledged and will not be delivered: that is logged, and reported to whom asked for it. */
  drop(message: OfflineMessage, data: Data, reply: Reply): void {
    const { code, text: reason } = reply;
    const heldMs = Math.round(this.#relay.time.now() - message.since);
    events.dropped.publish({ endpoint: this.name.key, originator: data.originator, code, reason, heldMs });
    this.#conclude(message, data, reply);
  }

  /** The application has given its final answer, or will never receive the message. */
  #conclude(message: OfflineMessage, data: Data, reply: Reply | undefined): void {
    const { counts, time, view } = this.#relay;
    if (reply === undefined) counts.delivered += 1;
    else counts.failed += 1;
    this.#delete(message);
    if (tracing()) {
      forwarded('held', message.entry.octets, data, reply, message.sentAt > 0 ? time.now() - message.sentAt : 0);
    }
    reportStatus(data, () => reply, reply, view);
  }

  /**
   * The account was removed: the messages held for it no longer have a recipient.
   *
   * @param before when, milliseconds since 1970: for what a version wrote that named no account
   */
  async forgetBefore(before: number): Promise<void> {
    this.#known = undefined;
    const generation = await this.#relay.generation(this.name);
    this.#keepOnly(generation, before);
    this.#pump();
  }

  /** Drops what was held for other accounts of this name. @param before as for {@link forgetBefore} */
  #keepOnly(generation: string | null | undefined, before: number): void {
    if (generation === undefined) return;
    for (const message of this.#list.waiting) {
      const { entry } = message;
      const own = entry.generation === '' ? entry.at > before : entry.generation === generation;
      if (own) continue;
      this.read(message, (data) => this.drop(message, data, REPLIES.accountGone));
    }
  }

  /** It cannot be read, so only the operator can be told. */
  #remove(message: OfflineMessage): void {
    this.#relay.counts.failed += 1;
    const { address: endpoint, sender: originator } = message.entry;
    const heldMs = Math.round(this.#relay.time.now() - message.since);
    events.dropped.publish({ endpoint, originator, code: 451, reason: 'it cannot be read from the store', heldMs });
    this.#delete(message);
  }

  #delete(message: OfflineMessage): void {
    if (message.state === 'gone') return;
    this.#forget(message);
    this.#relay.spool.remove(message.entry, (error) => {
      if (error !== undefined) fault('offline', error);
    });
  }

  /** Drops what arrived before a time of the monotonic clock; whether the account exists is asked again from now on. */
  sweep(before: number): void {
    for (const message of this.#list.waiting) {
      if (message.since >= before) continue;
      this.read(message, (data) => this.drop(message, data, REPLIES.heldTooLong));
    }
    this.#known = undefined;
    this.#pump();
  }
}

/** Whether a message that could not be stored will not be delivered later all the same. */
function certainlyNot(error: Error): boolean {
  return error instanceof ImxpError && error.fields['unknown'] === false;
}
