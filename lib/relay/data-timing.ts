/**
 * Data operation with a time limit (RFC 3342 §2) on its way to one target: computes the time that is left and reports to
 * the originator.
 *
 * ```
 *  deliver ── alarms run ──> sent to the next relay with the time that is left, which that relay watches
 *                       └──> given to a recipient ── ok ──> 250 if returnTrip asks for it
 *                                                └── no ok within noLaterThan ──> failed, 550 if reportErrors asks for it
 *     at any point: reportAfter has passed ──> 350, once on the whole way
 * ```
 */

import { RefusedError, type Reply } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import type { Data, Option } from '../imxp/operation.js';
import { newTransId } from '../imxp/trans-id.js';
import { type DataTiming, writeTiming } from '../imxp/vocabulary/party.js';
import type { Payload } from '../mime/payload.js';
import type { Clock } from '../ops/clock.js';
import { REPLIES } from './answer.js';
import { type Asked, DATA_TIMING, exchanged } from './delivery-options.js';
import { homeOf, isReport, type StatusView } from './status.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from './target.js';

/** What a timed Data operation needs of the relay. */
export interface TimedView extends StatusView {
  readonly time: Clock;
  encode(data: Data, profile: string): Payload;
}

export interface Timing {
  readonly asked: readonly Asked<DataTiming>[];
  /** Time of complete reception, by {@link Clock.now}. */
  readonly since: number;
  /** Whether the target is another relay rather than the recipient. */
  readonly onward: boolean;
  /** Whether the copy that leaves says how much time is left; always toward a relay. */
  readonly rewrite: boolean;
}

/** Any target, for Data operations with a time limit. */
export class TimedTarget implements DeliveryTarget {
  readonly #target: DeliveryTarget;
  readonly #timing: Timing;
  readonly #view: TimedView;

  constructor(target: DeliveryTarget, timing: Timing, view: TimedView) {
    this.#target = target;
    this.#timing = timing;
    this.#view = view;
  }

  get relay(): string | undefined {
    return this.#target.relay;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    const timed = new TimedDelivery(delivery, sink, this.#timing, this.#view);
    if (timed.begin()) this.#target.deliver(timed, timed);
  }
}

class TimedDelivery implements OutboundDelivery, DeliverySink {
  readonly #delivery: OutboundDelivery;
  readonly #sink: DeliverySink;
  readonly #timing: Timing;
  readonly #view: TimedView;
  /** Options whose originators were told of the delay. */
  readonly #late = new Set<Option>();
  #alarms: (() => void)[] = [];
  #settled = false;

  constructor(delivery: OutboundDelivery, sink: DeliverySink, timing: Timing, view: TimedView) {
    this.#delivery = delivery;
    this.#sink = sink;
    this.#timing = timing;
    this.#view = view;
  }

  get data(): Data {
    return this.#delivery.data;
  }

  /** @returns false if the time was over before the delivery began; the sink has been told then */
  begin(): boolean {
    for (const asked of this.#timing.asked) {
      const { noLaterThan, reportAfter } = asked.content;
      if (noLaterThan > 0) this.#alarm(noLaterThan, () => this.#expire());
      // RFC 3342 §2: noLaterThan bounds reportAfter from above.
      const reports = reportAfter > 0 && (noLaterThan === 0 || reportAfter < noLaterThan);
      if (reports && !this.#settled) this.#alarm(reportAfter, () => this.#delayed(asked));
    }
    return !this.#settled;
  }

  /** Called when the payload is about to be sent, after connecting and binding. */
  payload(profile: string): Payload {
    const { onward, rewrite } = this.#timing;
    if (this.#settled) throw new RefusedError('REFUSED', REPLIES.expired);
    if (!rewrite) return this.#delivery.payload(profile);
    const data = this.#remaining();
    // The next relay watches the remaining time from the arrival on.
    if (onward) this.#silence();
    return this.#view.encode(data, profile);
  }

  delivered(later?: boolean): void {
    if (!this.#settle()) return;
    this.#sink.delivered(later);
    if (this.#timing.onward || later === true) return;
    for (const asked of this.#timing.asked) {
      const { returnTrip } = asked.content;
      if (returnTrip > 0) this.#report(asked, undefined, [inTime(returnTrip)]);
    }
  }

  failed(reply: Reply): void {
    if (this.#settle()) this.#sink.failed(reply);
  }

  /** @throws RefusedError if no time is left; the sink has been told then */
  #remaining(): Data {
    const { data } = this;
    const t = this.#elapsed;
    const left = new Map<Option, Option>();
    for (const { option, content } of this.#timing.asked) {
      const { noLaterThan, reportAfter } = content;
      const least = Math.floor(noLaterThan - t);
      // RFC 3342 §2: exactly 0 has expired too; on the wire it would mean that there is no limit.
      if (noLaterThan > 0 && least <= 0) {
        this.#expire();
        throw new RefusedError('REFUSED', REPLIES.expired);
      }
      const inner = writeTiming({
        ...content,
        noLaterThan: noLaterThan > 0 ? least : 0,
        reportAfter: this.#late.has(option) || reportAfter === 0 ? 0 : Math.max(0, Math.floor(reportAfter - t)),
      });
      left.set(option, { ...option, inner });
    }
    const options = exchanged(data.options, left);
    const recipients = data.recipients.map((recipient) => {
      const own = exchanged(recipient.options, left);
      return own === recipient.options ? recipient : { ...recipient, options: own };
    });
    return { ...data, options, recipients };
  }

  get #elapsed(): number {
    return this.#view.time.now() - this.#timing.since;
  }

  #alarm(limit: number, ring: () => void): void {
    const left = limit - this.#elapsed;
    if (left <= 0) ring();
    else this.#alarms.push(this.#view.time.after(left, ring));
  }

  #silence(): void {
    for (const off of this.#alarms) off();
    this.#alarms = [];
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#silence();
    return true;
  }

  #expire(): void {
    if (!this.#settle()) return;
    this.#sink.failed(REPLIES.expired);
    for (const asked of this.#timing.asked) {
      if (asked.content.reportErrors) this.#report(asked, REPLIES.expired);
    }
  }

  #delayed(asked: Asked<DataTiming>): void {
    this.#late.add(asked.option);
    this.#report(asked, REPLIES.delayed);
  }

  #report({ option }: Asked<DataTiming>, reply: Reply | undefined, options?: readonly Option[]): void {
    reportOn(this.data, option, reply, this.#view, options);
  }
}

/**
 * Reports to the originator of an option what became of the recipients of a Data operation; never for a Data operation
 * that is a report itself.
 */
export function reportOn(
  data: Data,
  { transID, localize }: Option,
  reply: Reply | undefined,
  view: StatusView,
  options?: readonly Option[],
): void {
  if (view.reporter === undefined || isReport(data)) return;
  const served = data.recipients
    .map(({ identity }) => addressOf(identity)?.domain ?? '')
    .find((own) => view.local(own));
  view.reporter.report({
    domain: served ?? homeOf(data.originator, view),
    to: data.originator,
    transID,
    localize,
    destinations: data.recipients.map(({ identity, written }) => ({ identity: written ?? identity, reply })),
    ...(options === undefined ? {} : { options }),
  });
}

/**
 * Returns the options of a confirmation (RFC 3342 §2): the time limit that the originator gave it, and nothing else.
 */
function inTime(returnTrip: number): Option {
  return {
    internal: DATA_TIMING,
    external: undefined,
    targetHop: 'all',
    seeNoEvil: false,
    transID: newTransId(),
    localize: 'i-default',
    inner: writeTiming({ noLaterThan: returnTrip, returnTrip: 0, reportAfter: 0, reportErrors: false }),
  };
}
