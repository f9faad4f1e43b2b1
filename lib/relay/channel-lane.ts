/**
 * One channel to another relay among several: what is under way on it, in order, and how long its oldest Data has waited. Knows
 * nothing of the other channels, and decides nothing.
 */
import type { ChannelTarget } from './channel-target.js';
import type { FairShare } from './fair-shares.js';
import type { AnswerListener, DeliverySink, DeliveryTarget, OutboundDelivery } from './target.js';

/** Whose lane it is. */
export interface ChannelLaneOwner {
  readonly relay: string | undefined;
  /** Milliseconds on a monotonic clock. */
  now(): number;
  deliverBy(lane: ChannelLane, delivery: OutboundDelivery, sink: DeliverySink): void;
  /** It has its answer, or will have none. */
  ended(flight: Flight): void;
  /** It was accepted. @param ms how long it was the oldest */
  accepted(flight: Flight, ms: number): void;
}

/** Where Data of one originator to one recipient go while there are some without an answer. */
export interface Pin {
  lane: ChannelLane;
  /** How many there are. */
  count: number;
}

/** What is known of a Data that is to be sent. */
export interface FlightPlan {
  /** The account of the originator. */
  readonly account: string;
  /** Normalised; undefined when there are several. */
  readonly recipient: string | undefined;
  /** Whether its recipients are known to be prompt. */
  readonly proven: boolean;
}

/** One Data under way; told of its answer by the channel. */
export class Flight implements AnswerListener {
  readonly plan: FlightPlan;
  readonly octets: number;
  /** What its octets are counted against. */
  readonly share: FairShare;
  /** One for each recipient. */
  readonly pins: readonly Pin[];
  readonly lane: ChannelLane;
  /** Sent before and after it on its lane, of those under way. */
  before: Flight | undefined;
  after: Flight | undefined;

  constructor(lane: ChannelLane, plan: FlightPlan, octets: number, share: FairShare, pins: readonly Pin[]) {
    this.lane = lane;
    this.plan = plan;
    this.octets = octets;
    this.share = share;
    this.pins = pins;
  }

  answered(ok: boolean): void {
    this.lane.answered(this, ok);
  }
}

/** A Data that waits for a lane. */
export interface WaitingDelivery {
  readonly delivery: OutboundDelivery;
  readonly sink: DeliverySink;
}

interface WaitingFlight extends WaitingDelivery {
  readonly flight: Flight;
}

export class ChannelLane implements DeliveryTarget {
  readonly #owner: ChannelLaneOwner;
  /** The oldest and the newest under way. */
  #first: Flight | undefined;
  #last: Flight | undefined;
  #outstanding = 0;
  /** Data on probation of each account. */
  readonly #probation = new Map<string, number>();
  /** Sent before the channel was there. */
  #waiting: WaitingFlight[] = [];
  /** Since when the oldest has been the oldest. */
  #since: number;
  #over = false;
  /** Undefined while it is being opened, and when it is not going to be. */
  target: ChannelTarget | undefined;
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
    return this.#outstanding === 0 && this.target !== undefined && this.target.outstanding === 0;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  get onProbation(): boolean {
    return this.#probation.size > 0;
  }

  /** Whether there is anything on probation of an account. */
  serves(account: string): boolean {
    return this.#probation.has(account);
  }

  /** Whether the channel still owes an answer that is not waited for any longer, which holds up all others. */
  get owing(): boolean {
    return this.target !== undefined && this.target.outstanding > this.#outstanding;
  }

  /** For how long the oldest Data has waited since it became the oldest, milliseconds; 0 when there is none. */
  waits(now: number): number {
    return this.#outstanding === 0 && (this.target?.outstanding ?? 0) === 0 ? 0 : now - this.#since;
  }

  /** The oldest Data. */
  get head(): Flight | undefined {
    return this.#first;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.#owner.deliverBy(this, delivery, sink);
  }

  send(delivery: OutboundDelivery, sink: DeliverySink, flight: Flight, now: number): void {
    this.#push(flight, now);
    const { account, proven } = flight.plan;
    if (!proven) this.#probation.set(account, (this.#probation.get(account) ?? 0) + 1);
    if (this.target === undefined) this.#waiting.push({ delivery, sink, flight });
    else this.target.send(delivery, sink, flight);
  }

  opened(target: ChannelTarget, now: number): void {
    this.target = target;
    this.#since = now;
    for (const { delivery, sink, flight } of this.#taken()) target.send(delivery, sink, flight);
  }

  /** It is not going to be opened, or no longer used. @returns what waited for it, in order */
  giveUp(): readonly WaitingDelivery[] {
    this.#over = true;
    const waiting = this.#taken();
    for (const { flight } of waiting) this.#end(flight);
    return waiting;
  }

  answered(flight: Flight, ok: boolean): void {
    const now = this.#owner.now();
    const ms = now - this.#since;
    this.#end(flight);
    if (ok) this.#owner.accepted(flight, ms);
    this.#since = now;
    this.stalled = this.owing;
  }

  #push(flight: Flight, now: number): void {
    flight.before = this.#last;
    if (this.#last === undefined) {
      this.#first = flight;
      this.#since = now;
    } else {
      this.#last.after = flight;
    }
    this.#last = flight;
    this.#outstanding += 1;
  }

  #end(flight: Flight): void {
    const { before, after, plan } = flight;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    // A Flight that is over and has grown old would keep all later ones in memory until V8 marks the whole heap.
    flight.before = undefined;
    flight.after = undefined;
    this.#outstanding -= 1;
    if (!plan.proven) {
      const left = (this.#probation.get(plan.account) ?? 1) - 1;
      if (left === 0) this.#probation.delete(plan.account);
      else this.#probation.set(plan.account, left);
    }
    if (this.#outstanding === 0) this.slow = undefined;
    this.#owner.ended(flight);
  }

  #taken(): WaitingFlight[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }
}
