/**
 * One channel to another relay among several: what is under way on it, in order, and how long its oldest Data has waited. Knows
 * nothing of the other channels, and decides nothing.
 */
import { REPLIES } from './answer.js';
import type { AnswerListener, ChannelTarget } from './channel-target.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from './target.js';

/** Whose lane it is. */
export interface ChannelLaneOwner {
  readonly relay: string | undefined;
  /** Milliseconds on a monotonic clock. */
  now(): number;
  deliverBy(lane: ChannelLane, delivery: OutboundDelivery, sink: DeliverySink): void;
  /** One more is under way. @returns false when it is one too many */
  began(lane: ChannelLane, delivery: OutboundDelivery, octets: number): boolean;
  /** It has its answer, or will have none. */
  ended(delivery: OutboundDelivery, octets: number): void;
  /** @param ms how long it was the oldest */
  answered(delivery: OutboundDelivery, ms: number): void;
}

/** One Data under way. */
interface Flight {
  readonly octets: number;
  readonly proven: boolean;
}

/** A Data that waits for a lane. */
export interface WaitingDelivery {
  readonly delivery: OutboundDelivery;
  readonly sink: DeliverySink;
}

export class ChannelLane implements DeliveryTarget, AnswerListener {
  readonly #owner: ChannelLaneOwner;
  /** In the order in which they were sent. */
  readonly #flights = new Map<OutboundDelivery, Flight>();
  /** Data on probation of each originator. */
  readonly #probation = new Map<string, number>();
  /** Sent before the channel was there. */
  #waiting: WaitingDelivery[] = [];
  /** Since when the oldest has been the oldest. */
  #since: number;
  /** Undefined while it is being opened, and when it is not going to be. */
  target: ChannelTarget | undefined;
  #over = false;
  /** The oldest Data has waited for too long. */
  stalled = false;
  /** The recipient for whom it was taken because it is slow. */
  slow: string | undefined;

  constructor(owner: ChannelLaneOwner, target: ChannelTarget | undefined, now: number) {
    this.#owner = owner;
    this.target = target;
    this.#since = now;
  }

  get relay(): string | undefined {
    return this.#owner.relay;
  }

  get opening(): boolean {
    return this.target === undefined && !this.#over;
  }

  get open(): boolean {
    return this.target?.open === true;
  }

  /** Nothing is under way, nor owed by the channel for what ran out of time. */
  get idle(): boolean {
    return this.#flights.size === 0 && this.target !== undefined && this.target.outstanding === 0;
  }

  get outstanding(): number {
    return this.#flights.size;
  }

  get onProbation(): boolean {
    return this.#probation.size > 0;
  }

  /** Whether there is anything on probation of an originator. */
  serves(originator: string): boolean {
    return this.#probation.has(originator);
  }

  /** Whether the channel still owes an answer that is not waited for any longer, which holds up all others. */
  get owing(): boolean {
    return this.target !== undefined && this.target.outstanding > this.#flights.size;
  }

  /** For how long the oldest Data has waited since it became the oldest, milliseconds; 0 when there is none. */
  waits(now: number): number {
    return this.#flights.size === 0 && (this.target?.outstanding ?? 0) === 0 ? 0 : now - this.#since;
  }

  /** The oldest Data. */
  get head(): OutboundDelivery | undefined {
    for (const delivery of this.#flights.keys()) return delivery;
    return undefined;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.#owner.deliverBy(this, delivery, sink);
  }

  /** @param proven whether its recipients are known to be prompt */
  send(delivery: OutboundDelivery, sink: DeliverySink, proven: boolean, now: number): void {
    const octets = delivery.data.source?.payload.length ?? 0;
    if (!this.#owner.began(this, delivery, octets)) {
      sink.failed(REPLIES.busy);
      return;
    }
    if (this.#flights.size === 0) this.#since = now;
    this.#flights.set(delivery, { octets, proven });
    if (!proven) {
      const { originator } = delivery.data;
      this.#probation.set(originator, (this.#probation.get(originator) ?? 0) + 1);
    }
    if (this.target === undefined) this.#waiting.push({ delivery, sink });
    else this.target.send(delivery, sink, this);
  }

  opened(target: ChannelTarget, now: number): void {
    this.target = target;
    this.#since = now;
    for (const { delivery, sink } of this.#taken()) target.send(delivery, sink, this);
  }

  /** It is not going to be opened, or no longer used. @returns what waited for it, in order */
  giveUp(): readonly WaitingDelivery[] {
    this.#over = true;
    const waiting = this.#taken();
    for (const { delivery } of waiting) this.#end(delivery);
    return waiting;
  }

  answered(delivery: OutboundDelivery, ok: boolean): void {
    const now = this.#owner.now();
    if (ok) this.#owner.answered(delivery, now - this.#since);
    this.#since = now;
    this.stalled = false;
    this.#end(delivery);
  }

  #end(delivery: OutboundDelivery): void {
    const flight = this.#flights.get(delivery);
    if (flight === undefined) return;
    this.#flights.delete(delivery);
    if (!flight.proven) {
      const { originator } = delivery.data;
      const left = (this.#probation.get(originator) ?? 1) - 1;
      if (left === 0) this.#probation.delete(originator);
      else this.#probation.set(originator, left);
    }
    if (this.#flights.size === 0) this.slow = undefined;
    this.#owner.ended(delivery, flight.octets);
  }

  #taken(): WaitingDelivery[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }
}
