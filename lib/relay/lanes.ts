/**
 * Several channels to the same relay used as one target (D-CORE-35). BEEP answers in order within a channel (RFC 3080 §2.6.1), so
 * a recipient who is slow to answer holds up what was sent behind: which Data share a channel decides who waits for whom. Owns
 * that choice; refuses to know where the channels come from (bindings and links alike).
 *
 * - A Data takes the lane of an earlier one of the same originator to the same recipient while this has no answer: nothing
 *   overtakes.
 * - Recipients known to be prompt share lanes. A Data for one that is not known yet, or was slow recently, or of an
 *   originator whose recipients were slow recently, is on probation: it takes a lane of its own, or shares one with
 *   other such Data.
 * - No account has more lanes on probation than are left, and some lanes are never used for probation; so whoever writes to
 *   recipients that do not answer waits for them, and others do not.
 * - When all lanes wait, further ones are opened, up to a limit.
 */
import type { Reply } from '../errors.js';
import { accountOf, addressOf } from '../imxp/address.js';
import type { Recipient } from '../imxp/operation.js';
import { type Clock, TIMERLESS_CLOCK } from '../ops/clock.js';
import { REPLIES } from './answer.js';
import { ChannelLane, type ChannelLaneOwner, Flight, type FlightPlan, type WaitingDelivery } from './channel-lane.js';
import type { ChannelTarget } from './channel-target.js';
import { FairShares } from './fair-shares.js';
import { Pins } from './pins.js';
import { Promptness } from './promptness.js';
import { type DeliverySink, type DeliveryTarget, type OutboundDelivery, receivedOctets } from './target.js';

/** Told of a Data for which no channel is open; settles the sink, or gives the Data to the lanes again later. */
export type NoLaneHandler = (delivery: OutboundDelivery, sink: DeliverySink) => void;

export interface LaneGroupOptions {
  /** Refuses with 450 unless given. */
  readonly noLane?: NoLaneHandler;
  /** What all lanes together may have unanswered; each account that originates of it a fair share. */
  readonly shares: { readonly outstanding: number; readonly outstandingOctets: number };
  readonly clock?: Clock;
  /** Opens further lanes; without it there are those that are added. */
  readonly opener?: LaneOpener;
}

export interface LaneOpener {
  /** Lanes in total, including those to be opened. */
  readonly most: number;
  /** Asks for one more: {@link LaneGroup.add} or {@link LaneGroup.notOpened} follows. */
  open(): void;
}

/**
 * Number of lanes whose limit of unanswered Data operations all lanes together may use: as many as links began with.
 */
const SHARED = 4;
/** An answer that takes longer is slow. */
const SLOW_MS = 1000;
/** Pairs of originator and recipient that are remembered with nothing under way. */
const KEPT_PINS = 4096;
/** Data that have waited for so long at the head of a lane may be slow: others take another lane if there is one. */
const DOUBTFUL_MS = 50;
/** For how long a neighbour that refused a further channel is not asked for another one. */
export const REFUSED_MS = 60_000;
/** Lanes that are never used for probation, if there are enough. */
const RESERVED = 4;

export class LaneGroup implements DeliveryTarget, ChannelLaneOwner {
  /** The domain of the relay they lead to, where known. */
  relay: string | undefined;
  readonly #options: LaneGroupOptions;
  readonly #clock: Clock;
  readonly #shares: FairShares;
  readonly #promptness = new Promptness();
  #lanes: ChannelLane[] = [];
  readonly #pins = new Pins();
  #outstanding = 0;
  /** The opener has said no: it is not asked again before. */
  #refusedUntil = 0;
  #unwatch: (() => void) | undefined;

  constructor(options: LaneGroupOptions) {
    const { outstanding, outstandingOctets } = options.shares;
    this.#options = options;
    this.#clock = options.clock ?? TIMERLESS_CLOCK;
    this.#shares = new FairShares({ count: outstanding * SHARED, octets: outstandingOctets * SHARED });
  }

  /** Whether any channel may be used. */
  get live(): boolean {
    return this.#lanes.some(({ open }) => open);
  }

  /** Data sent through these lanes and not yet answered, those that wait for a lane to be opened included. */
  get outstanding(): number {
    return this.#outstanding;
  }

  get size(): number {
    return this.#lanes.length;
  }

  add(channel: ChannelTarget): void {
    const opening = this.#lanes.find(({ opening: yes }) => yes);
    // The same channel may be bound for a domain twice, under two transIDs: it counts once for each.
    if (opening === undefined) this.#lanes.push(new ChannelLane(this, channel, this.#clock.now()));
    else opening.opened(channel, this.#clock.now());
  }

  /** A lane that was asked for is not there: what waited for it goes by another one. */
  notOpened(): void {
    this.#refusedUntil = this.now() + REFUSED_MS;
    const lane = this.#lanes.find(({ opening }) => opening);
    if (lane === undefined) return;
    this.#lanes = this.#lanes.filter((other) => other !== lane);
    this.deliverAll(lane.giveUp());
  }

  remove(channel: ChannelTarget): void {
    const at = this.#lanes.findIndex(({ target }) => target === channel);
    if (at >= 0) this.#lanes.splice(at, 1);
  }

  /** All lanes have ended; Data that waited for a lane to be opened were certainly not delivered. */
  clear(obstacle: Reply): void {
    const lanes = this.#lanes;
    this.#lanes = [];
    this.#refusedUntil = 0;
    for (const lane of lanes) for (const { sink } of lane.giveUp()) sink.failed(obstacle);
  }

  has(lane: ChannelLane): boolean {
    return this.#lanes.includes(lane);
  }

  /** Those that share no unanswered Data with the originator share a Data: its answer is one anyway. */
  lane(recipient: string, originator: string): DeliveryTarget {
    if (this.#outstanding === 0) return this;
    return this.#pins.lane(originator, recipient) ?? this;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.#deliver(delivery, sink);
  }

  /** @returns the lane it took */
  #deliver(delivery: OutboundDelivery, sink: DeliverySink): ChannelLane | undefined {
    const { originator, recipients } = delivery.data;
    const [first] = recipients;
    const recipient = first === undefined ? '' : recipientKey(first.identity);
    const pinned = this.#pins.lane(originator, recipient);
    const now = this.#clock.now();
    const account = accountOf(originator);
    const proven = this.#isProven(account, recipient, recipients, now);
    const only = recipients.length === 1 ? recipient : undefined;
    const lane = pinned ?? this.#choose(account, only, proven, now);
    if (lane === undefined) {
      (this.#options.noLane ?? refuse)(delivery, sink);
      return undefined;
    }
    // A channel that is no longer bound, or is closing, still owes answers: nothing may overtake them.
    if (pinned !== undefined && !this.has(lane)) {
      refuse(delivery, sink);
      return lane;
    }
    this.#send(lane, delivery, sink, { account, recipient: only, proven }, recipient, now);
    return lane;
  }

  #send(
    lane: ChannelLane,
    delivery: OutboundDelivery,
    sink: DeliverySink,
    plan: FlightPlan,
    first: string,
    now: number,
  ): void {
    const { originator, recipients } = delivery.data;
    const octets = receivedOctets(delivery);
    const share = this.#shares.take(plan.account, octets);
    if (share === undefined) {
      sink.failed(REPLIES.busy);
      return;
    }
    const pins =
      recipients.length === 1
        ? [this.#pins.take(originator, first, lane)]
        : recipients.map(({ identity }) => this.#pins.take(originator, recipientKey(identity), lane));
    this.#outstanding += 1;
    this.#unwatch ??= this.#clock.ticking(() => this.#tick());
    lane.send(delivery, sink, new Flight(lane, plan, octets, share, pins), now);
  }

  /**
   * Delivers what has waited together, in order. Recipients that share a Data of one originator there go by one lane: an
   * earlier Data to either of them must not be overtaken.
   */
  deliverAll(waiting: readonly WaitingDelivery[]): void {
    const together = new Groups();
    const keysOf = ({ data }: OutboundDelivery): string[] =>
      data.recipients.map(({ identity }) => keyOf(data.originator, recipientKey(identity)));
    for (const { delivery } of waiting) together.join(keysOf(delivery));
    const lanes = new Map<string, ChannelLane>();
    for (const { delivery, sink } of waiting) {
      const group = together.of(keysOf(delivery)[0] ?? '');
      const lane = lanes.get(group);
      if (lane !== undefined) this.deliverBy(lane, delivery, sink);
      else {
        const chosen = this.#deliver(delivery, sink);
        if (chosen !== undefined) lanes.set(group, chosen);
      }
    }
  }

  now(): number {
    return this.#clock.now();
  }

  /** Behind an earlier Data of the same originator. */
  deliverBy(lane: ChannelLane, delivery: OutboundDelivery, sink: DeliverySink): void {
    if (!this.has(lane)) {
      refuse(delivery, sink);
      return;
    }
    const { originator, recipients } = delivery.data;
    const [first] = recipients;
    const recipient = first === undefined ? '' : recipientKey(first.identity);
    const now = this.#clock.now();
    const account = accountOf(originator);
    const proven = this.#isProven(account, recipient, recipients, now);
    const only = recipients.length === 1 ? recipient : undefined;
    this.#send(lane, delivery, sink, { account, recipient: only, proven }, recipient, now);
  }

  // ---- what lanes tell

  ended({ share, octets, pins }: Flight): void {
    this.#shares.give(share, octets);
    // Those without Data are kept for a while, because a sender often writes again.
    for (const pin of pins) pin.count -= 1;
    this.#outstanding -= 1;
  }

  accepted({ plan: { recipient, proven } }: Flight, ms: number): void {
    if (!proven && recipient !== undefined && ms < SLOW_MS) this.#promptness.answered(recipient);
  }

  // ---- which one

  /** @param first the normalised address of the first of the recipients */
  #isProven(account: string, first: string, recipients: readonly Recipient[], now: number): boolean {
    const known = this.#promptness;
    if (!known.isPrompt(first) || known.isSlow(account, now)) return false;
    return recipients.length === 1 || recipients.every(({ identity }) => known.isPrompt(recipientKey(identity)));
  }

  /** @param recipient the only one; undefined when there are several */
  #choose(account: string, recipient: string | undefined, proven: boolean, now: number): ChannelLane | undefined {
    const look = new Look(this.#lanes, account, now);
    const most = this.#most;
    if (proven) {
      if (look.idle !== undefined && look.steady < Math.max(1, most >> 1)) return look.idle;
      if (look.shared !== undefined && look.shared.waits(now) < DOUBTFUL_MS) return look.shared;
      return this.#open(now) ?? look.shared ?? look.idle ?? look.probation;
    }
    // A recipient that is slow has a lane of its own, for all senders.
    if (recipient !== undefined && this.#promptness.isSlow(recipient, now)) {
      const own = this.#lanes.find(({ open, opening, slow }) => (open || opening) && slow === recipient);
      if (own !== undefined) return own;
    }
    const room = Math.max(1, most - Math.min(RESERVED, most >> 1)) - look.probations;
    const chosen = room > 0 && look.ownProbations < Math.max(1, room) ? (look.idle ?? this.#open(now)) : undefined;
    const lane = chosen ?? look.own ?? look.probation ?? look.idle ?? look.shared;
    if (chosen !== undefined && recipient !== undefined && this.#promptness.isSlow(recipient, now)) {
      chosen.slow = recipient;
    }
    return lane;
  }

  get #most(): number {
    const { opener } = this.#options;
    return opener === undefined || this.#refusedUntil > this.now()
      ? this.#lanes.length
      : Math.max(this.#lanes.length, opener.most);
  }

  #open(now: number): ChannelLane | undefined {
    const { opener } = this.#options;
    // Nothing to open one beside: the link is not there.
    if (opener === undefined || this.#lanes.length >= this.#most || !this.live) return undefined;
    const lane = new ChannelLane(this, undefined, now);
    this.#lanes.push(lane);
    opener.open();
    return lane;
  }

  /** A recipient that has been waited for too long is slow. */
  #tick(): void {
    if (this.#pins.size > KEPT_PINS && this.#pins.size > 2 * this.#outstanding) {
      this.#pins.prune();
    }
    if (this.#outstanding === 0) {
      this.#unwatch?.();
      this.#unwatch = undefined;
      return;
    }
    const now = this.#clock.now();
    for (const lane of this.#lanes) {
      if (lane.opening || lane.stalled || lane.waits(now) < SLOW_MS) continue;
      lane.stalled = true;
      // What keeps it is not waited for any longer: it was found slow before.
      if (lane.owing) continue;
      const { recipient, account = '' } = lane.head?.plan ?? {};
      if (recipient !== undefined) this.#promptness.late(recipient, account, now);
    }
  }
}

/** The lanes as a Data finds them that has to choose. */
class Look {
  /** Nothing is under way there. */
  idle: ChannelLane | undefined;
  /** The best of those with Data for prompt recipients only. */
  shared: ChannelLane | undefined;
  /** The best of those on probation. */
  probation: ChannelLane | undefined;
  /** The best of those on probation with Data of the same account. */
  own: ChannelLane | undefined;
  /** Number of lanes for prompt recipients that are not stalled. */
  steady = 0;
  probations = 0;
  ownProbations = 0;

  constructor(lanes: readonly ChannelLane[], account: string, now: number) {
    for (const lane of lanes) {
      if (lane.opening || lane.open) this.#see(lane, account, now);
    }
  }

  #see(lane: ChannelLane, account: string, now: number): void {
    if (lane.idle) {
      this.idle ??= lane;
    } else if (!lane.onProbation) {
      if (!lane.stalled) this.steady += 1;
      this.shared = better(this.shared, lane, now);
    } else {
      this.probations += 1;
      this.probation = better(this.probation, lane, now);
      if (!lane.serves(account)) return;
      this.ownProbations += 1;
      this.own = better(this.own, lane, now);
    }
  }
}

/** Prefers a lane that is not stalled, then the one that has waited for the shortest time, then the emptier one. */
function better(one: ChannelLane | undefined, other: ChannelLane, now: number): ChannelLane {
  if (one === undefined) return other;
  if (one.stalled !== other.stalled) return one.stalled ? other : one;
  const [doubtful, otherDoubtful] = [one.waits(now) >= DOUBTFUL_MS, other.waits(now) >= DOUBTFUL_MS];
  if (doubtful !== otherDoubtful) return doubtful ? other : one;
  return other.outstanding < one.outstanding ? other : one;
}

function refuse(_delivery: OutboundDelivery, sink: DeliverySink): void {
  sink.failed(REPLIES.relayUnavailable);
}

function recipientKey(identity: string): string {
  return addressOf(identity)?.key ?? identity;
}

function keyOf(originator: string, recipient: string): string {
  return `${originator}\n${recipient}`;
}

/** Names that belong together: those joined, and all that were joined with any of them. */
class Groups {
  readonly #parents = new Map<string, string>();

  /** The name that stands for a group. */
  of(name: string): string {
    let root = name;
    for (let parent = this.#parents.get(root); parent !== undefined; parent = this.#parents.get(root)) root = parent;
    // All on the way lead there at once from now on: the next look-up does not walk it again.
    for (let at = name; at !== root; ) {
      const next = this.#parents.get(at) ?? root;
      this.#parents.set(at, root);
      at = next;
    }
    return root;
  }

  join(names: readonly string[]): void {
    const [first, ...others] = names;
    if (first === undefined) return;
    for (const other of others) {
      const [root, another] = [this.of(first), this.of(other)];
      if (root !== another) this.#parents.set(another, root);
    }
  }
}
