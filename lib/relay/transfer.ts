/**
 * Transfer of Data operations: hands them to the targets of the plan, and combines the answers of the targets into one.
 * Counts and times them on the way.
 */

import type { Reply } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import type { Data } from '../imxp/operation.js';
import type { DataHopping } from '../imxp/vocabulary/party.js';
import type { Payload } from '../mime/payload.js';
import type { Traffic } from '../ops/traffic.js';
import { combine, type Failure, REPLIES } from './answer.js';
import { reportOn, TimedTarget, type TimedView } from './data-timing.js';
import type { Asked } from './delivery-options.js';
import { forwarded, tracing } from './events.js';
import { type AccessDecision, type AccessDecisions, type Leg, nextHopTo, plan } from './route.js';
import { reportStatus, statusRequested } from './status.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from './target.js';
import { decide } from './view.js';

/** Source of a Data operation, which receives its answer. */
export interface DataOrigin {
  /** The channel it came on, for the log. */
  readonly id: string;
  /** Counter of the answers, if any. */
  readonly traffic?: Traffic | undefined;
  /** Whether it came from another node of this domain, which counts and publishes it where it came in. */
  readonly clusterPeer?: boolean;
  /** Whether the sender was told `ok` in advance. */
  readonly repliesImmediately?: boolean;
  /**
   * The Data operation has its answer; called exactly once.
   *
   * @param reply undefined for `ok`
   * @param later the result shows later, and is reported from here
   */
  settled(msgno: number, octets: number, data: Data, reply: Reply | undefined, later?: boolean): void;
  /** Returns the payload of a Data operation that is not forwarded as received. */
  encode(data: Data, profile: string): Payload;
}

/** A Data operation, received or made here, with what its answer needs. */
export interface Received {
  readonly origin: DataOrigin;
  readonly msgno: number;
  readonly octets: number;
  readonly data: Data;
}

/**
 * Sends a Data operation on.
 *
 * @returns the access decisions to wait for, by recipient; nothing was sent then. Otherwise undefined, and the origin
 *   has been or will be told.
 * @param since time of complete reception, by the view's clock; default: now
 * @param decided access decisions that were waited for
 */
export function carry(
  origin: DataOrigin,
  msgno: number,
  octets: number,
  data: Data,
  view: TimedView,
  since?: number,
  decided?: AccessDecisions,
): ReadonlyMap<string, Promise<boolean>> | undefined {
  const recipient = data.recipients[0];
  const plain = data.recipients.length === 1 && data.options.length === 0 && recipient?.options.length === 0;
  const name = plain && data.originatorOptions === undefined ? addressOf(recipient.identity) : undefined;
  if (name === undefined || (view.hopLimit > 0 && !view.local(name.domain))) {
    return carryPlanned(origin, msgno, octets, data, view, since ?? view.time.now(), decided);
  }
  const way = nextHopTo(name, data.originator, view, false, decided);
  if (way instanceof Promise) return new Map([[name.key, way]]);
  const transfer = new Transfer(origin, msgno, octets, data, false, way.relay);
  way.deliver(transfer, transfer);
  return undefined;
}

/**
 * Sends on a Data operation for which {@link carry} needs access decisions, once they are made.
 *
 * @param abandoned whether the originator has gone in the meantime; the operation is then dropped, and settled for the
 *   count
 * @returns resolves when it was sent, never rejects
 */
export async function carryDecided(
  origin: DataOrigin,
  msgno: number,
  octets: number,
  data: Data,
  view: TimedView,
  first: ReadonlyMap<string, Promise<boolean>>,
  abandoned: () => boolean,
  since = view.time.now(),
): Promise<void> {
  const decided = new Map<string, AccessDecision>();
  let pending: ReadonlyMap<string, Promise<boolean>> | undefined = first;
  while (pending !== undefined) {
    await decide(pending, decided);
    if (abandoned()) return origin.settled(msgno, octets, data, REPLIES.internal);
    // Another recipient may have attached in the meantime and need a decision of its own.
    pending = carry(origin, msgno, octets, data, view, since, decided);
  }
}

function carryPlanned(
  origin: DataOrigin,
  msgno: number,
  octets: number,
  data: Data,
  view: TimedView,
  since: number,
  decided: AccessDecisions | undefined,
): ReadonlyMap<string, Promise<boolean>> | undefined {
  const planned = plan(data, view, decided);
  if (planned.type === 'pending') return planned.decisions;
  const watched = statusRequested(data, view);
  if (planned.type === 'refused') {
    origin.settled(msgno, octets, data, planned.reply);
    if (watched) reportStatus(data, () => planned.reply, toldBy(origin, planned.reply), view);
    return undefined;
  }
  const [first] = planned.legs;
  if (planned.legs.length === 1 && first !== undefined && !watched) {
    const transfer = new Transfer(origin, msgno, octets, first.data, first.data !== data, first.target.relay);
    targetOf(first, view, since).deliver(transfer, transfer);
    return undefined;
  }
  const received = { origin, msgno, octets, data };
  const gathering = new Gathering(received, planned.legs.length, watched ? view : undefined);
  for (const leg of planned.legs) {
    const part = new Part(gathering, leg);
    targetOf(leg, view, since).deliver(part, part);
  }
  return undefined;
}

/** Returns the target of a leg, behind the delivery options of RFC 3342. */
function targetOf({ target, deliveryOptions }: Leg, view: TimedView, since: number): DeliveryTarget {
  if (deliveryOptions === undefined) return target;
  const { onward, timings, usedUp } = deliveryOptions;
  if (usedUp.length > 0) return new UsedUp(usedUp, view);
  return new TimedTarget(target, { asked: timings, since, onward, rewrite: onward }, view);
}

/** RFC 3342 §4: the hop limit forbids sending it to another relay. */
class UsedUp implements DeliveryTarget {
  readonly #asked: readonly Asked<DataHopping>[];
  readonly #view: TimedView;

  constructor(asked: readonly Asked<DataHopping>[], view: TimedView) {
    this.#asked = asked;
    this.#view = view;
  }

  deliver({ data }: OutboundDelivery, sink: DeliverySink): void {
    sink.failed(REPLIES.hopsUsedUp);
    for (const { option, content } of this.#asked) {
      if (content.reportErrors) reportOn(data, option, REPLIES.hopsUsedUp, this.#view);
    }
  }
}

/** Returns what the sender of a Data operation was answered. */
function toldBy(origin: DataOrigin, answer: Reply | undefined): Reply | undefined {
  return origin.repliesImmediately === true ? undefined : answer;
}

/** A Data operation with one leg; delivery and sink in one object, because every operation needs one. */
class Transfer implements OutboundDelivery, DeliverySink {
  readonly data: Data;
  readonly #origin: DataOrigin;
  readonly #msgno: number;
  readonly #octets: number;
  readonly #changed: boolean;
  readonly #hop: string | undefined;
  readonly #sentAt: number;
  #settled = false;

  constructor(
    origin: DataOrigin,
    msgno: number,
    octets: number,
    data: Data,
    changed: boolean,
    hop: string | undefined,
  ) {
    this.data = data;
    this.#origin = origin;
    this.#msgno = msgno;
    this.#octets = octets;
    this.#changed = changed;
    this.#hop = hop;
    this.#sentAt = begun(origin);
  }

  payload(profile: string): Payload {
    return payloadOf(this.data, this.#changed, profile, this.#origin);
  }

  delivered(later?: boolean): void {
    this.#settle(undefined, later);
  }

  failed(reply: Reply): void {
    this.#settle(reply);
  }

  #settle(reply: Reply | undefined, later?: boolean): void {
    if (this.#settled) return;
    this.#settled = true;
    answered(this.#origin, this.#hop, this.#octets, this.data, reply, this.#sentAt);
    this.#origin.settled(this.#msgno, this.#octets, this.data, reply, later);
  }
}

/** Collects the answers of several legs until there is one. */
class Gathering {
  readonly received: Received;
  /** Set if a report about each recipient was requested. */
  readonly #watched: TimedView | undefined;
  readonly #failures = new Map<string, Reply>();
  /** Recipients whose target reports later what became of them. */
  #later: Set<string> | undefined;
  #open: number;
  #succeeded = false;

  constructor(received: Received, legs: number, watched: TimedView | undefined) {
    this.received = received;
    this.#open = legs;
    this.#watched = watched;
  }

  settled(data: Data, reply: Reply | undefined, later = false): void {
    this.#open -= 1;
    if (later) this.#taken(data);
    if (reply === undefined) this.#succeeded = true;
    else for (const { identity } of data.recipients) this.#failures.set(identity, reply);
    if (this.#open > 0) return;
    const { origin, msgno, octets, data: whole } = this.received;
    // core-01 §4.4.4.1 step 4: error if no recipient succeeded, otherwise ok.
    const answer = this.#succeeded ? undefined : combine(this.#inOrder(whole));
    origin.settled(msgno, octets, whole, answer, this.#later !== undefined);
    if (this.#watched === undefined) return;
    const outcome = (identity: string) => (this.#later?.has(identity) ? 'later' : this.#failures.get(identity));
    reportStatus(whole, outcome, toldBy(origin, answer), this.#watched);
  }

  #taken({ recipients }: Data): void {
    this.#later ??= new Set();
    for (const { identity } of recipients) this.#later.add(identity);
  }

  /** Returns the failures in the order of the recipients, independent of the order of the answers. */
  #inOrder(data: Data): Failure[] {
    const failures: Failure[] = [];
    const listed = new Set<string>();
    for (const { identity } of data.recipients) {
      const reply = this.#failures.get(identity);
      if (reply === undefined || listed.has(identity)) continue;
      failures.push({ identity, reply });
      listed.add(identity); // named twice, listed once
    }
    return failures;
  }
}

/** One leg of a Data operation with several. */
class Part implements OutboundDelivery, DeliverySink {
  readonly data: Data;
  readonly #gathering: Gathering;
  readonly #hop: string | undefined;
  readonly #sentAt: number;
  #settled = false;

  constructor(gathering: Gathering, leg: Leg) {
    this.data = leg.data;
    this.#gathering = gathering;
    this.#hop = leg.target.relay;
    this.#sentAt = begun(gathering.received.origin);
  }

  payload(profile: string): Payload {
    const { data, origin } = this.#gathering.received;
    return payloadOf(this.data, this.data !== data, profile, origin);
  }

  delivered(later?: boolean): void {
    this.#settle(undefined, later);
  }

  failed(reply: Reply): void {
    this.#settle(reply);
  }

  #settle(reply: Reply | undefined, later?: boolean): void {
    if (this.#settled) return;
    this.#settled = true;
    const { origin, octets } = this.#gathering.received;
    answered(origin, this.#hop, octets, this.data, reply, this.#sentAt);
    this.#gathering.settled(this.data, reply, later);
  }
}

/** D-CORE-22: an operation is forwarded as received, unless it changed or the next channel uses another dialect. */
function payloadOf(data: Data, changed: boolean, profile: string, origin: DataOrigin): Payload {
  const { source } = data;
  if (!changed && source !== undefined && source.profile === profile) return source.payload;
  return origin.encode(data, profile);
}

/** Returns the start time if there is a subscriber to it; else 0. */
function begun({ traffic, clusterPeer }: DataOrigin): number {
  if (clusterPeer !== true && tracing()) return performance.now();
  return traffic === undefined ? 0 : traffic.begin();
}

/** @param hop domain of the relay it went to; undefined if it stayed here */
function answered(
  origin: DataOrigin,
  hop: string | undefined,
  octets: number,
  data: Data,
  reply: Reply | undefined,
  sentAt: number,
): void {
  if (origin.traffic !== undefined) origin.traffic.answered(hop, octets, reply?.code, sentAt);
  // A listener that was added in between is told no time.
  if (origin.clusterPeer !== true && tracing())
    forwarded(origin.id, octets, data, reply, sentAt === 0 ? 0 : performance.now() - sentAt);
}
