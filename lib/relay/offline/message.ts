/**
 * One Data that is held for an endpoint: what is known of it in memory, how it is read again, and when it has to be looked
 * at. Refuses to know queues.
 */

import type { Payload } from '../../beep/payload.js';
import type { Reply } from '../../errors.js';
import type { Dialect } from '../../imxp/dialect/dialect.js';
import type { Data, Option } from '../../imxp/operation.js';
import { type DataTiming, writeTiming } from '../../imxp/vocabulary/party.js';
import { type Asked, deliveryOptionsOf, exchanged, HOLD_FOR_ENDPOINT } from '../delivery-options.js';
import type { OptionRegistry } from '../options.js';
import type { DeliverySink, OutboundDelivery } from '../target.js';
import type { SpoolEntry, SpoolRecord } from './spool.js';

/** What one entry costs besides its payload: memory for what is known of it, and a part of a page of the store. */
const OVERHEAD_OCTETS = 512;

/** A Data in a queue; its payload is read when its turn comes. */
export class OfflineMessage {
  entry: SpoolEntry;
  state: 'writing' | 'waiting' | 'out' | 'gone' = 'writing';
  /** Calls off the alarm for its due time. */
  off: (() => void) | undefined;
  /** When it was given to the application. */
  sentAt = 0;

  constructor(entry: SpoolEntry) {
    this.entry = entry;
  }

  /** What counts against the limits. */
  get cost(): number {
    return costOf(this.entry.octets);
  }
}

export function costOf(octets: number): number {
  return octets + OVERHEAD_OCTETS;
}

/** Whether a Data for one recipient says that it may be held. */
export function mayBeHeld({ options, recipients }: Data): boolean {
  return options.some(isHold) || recipients.some((recipient) => recipient.options.some(isHold));
}

function isHold({ internal }: Option): boolean {
  return internal === HOLD_FOR_ENDPOINT;
}

/** The time limits of a Data that is held here; none where an option is not what it should be. */
export function timingsOf({ options, recipients }: Data, registry: OptionRegistry): readonly Asked<DataTiming>[] {
  const terms = [
    deliveryOptionsOf(options, 'data', true, true, registry),
    ...recipients.map((recipient) => deliveryOptionsOf(recipient.options, 'recipient', true, true, registry)),
  ];
  return terms.flatMap((some) => some?.timing ?? []);
}

/** When a held Data has to be looked at, 0 for never: because it expires, or somebody has to be told that it takes long. */
export function dueOf(asked: readonly Asked<DataTiming>[], at: number): number {
  const moments = asked.flatMap(({ content: { noLaterThan, reportAfter } }) => [noLaterThan, reportAfter]);
  const some = moments.filter((ms) => ms > 0);
  return some.length === 0 ? 0 : at + Math.min(...some);
}

/** The Data once the originators of these options were told that it takes long: they are told once. */
export function withoutReportAfter(data: Data, told: readonly Asked<DataTiming>[]): Data {
  const left = new Map<Option, Option>();
  for (const { option, content } of told) {
    left.set(option, { ...option, inner: writeTiming({ ...content, reportAfter: 0 }) });
  }
  const recipients = data.recipients.map((recipient) => ({
    ...recipient,
    options: exchanged(recipient.options, left),
  }));
  return { ...data, options: exchanged(data.options, left), recipients };
}

/** @returns undefined when it is no Data of a dialect that is known here */
export function readHeld({ profile, payload }: SpoolRecord, dialects: ReadonlyMap<string, Dialect>): Data | undefined {
  const operation = dialects.get(profile)?.decode(payload);
  return operation?.type === 'data' ? operation : undefined;
}

/** Octets in one piece, as they are written down. */
export function joined(payload: Payload): Buffer {
  return Buffer.isBuffer(payload) ? payload : Buffer.concat(payload);
}

/** Whoever waits for the answer to a held Data. */
export interface OfflineMessageOwner {
  encode(data: Data, profile: string): Payload;
  /** @param reply undefined for ok */
  answered(held: OfflineMessage, data: Data, reply: Reply | undefined): void;
}

/** A held Data on its way to the application. */
export class OfflineDelivery implements OutboundDelivery, DeliverySink {
  readonly data: Data;
  readonly #held: OfflineMessage;
  readonly #owner: OfflineMessageOwner;
  #settled = false;

  constructor(held: OfflineMessage, data: Data, owner: OfflineMessageOwner) {
    this.data = data;
    this.#held = held;
    this.#owner = owner;
  }

  payload(profile: string): Payload {
    return this.#owner.encode(this.data, profile);
  }

  delivered(): void {
    this.#settle(undefined);
  }

  failed(reply: Reply): void {
    this.#settle(reply);
  }

  #settle(reply: Reply | undefined): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#owner.answered(this.#held, this.data, reply);
  }
}
