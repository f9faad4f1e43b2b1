/**
 * Message that is held for an endpoint: its state in memory, how its payload is read again, and when it has to be
 * looked at.
 */

import type { Reply } from '../../errors.js';
import type { Dialect } from '../../imxp/dialect/dialect.js';
import type { Data, Option } from '../../imxp/operation.js';
import { type DataTiming, writeTiming } from '../../imxp/vocabulary/party.js';
import type { Payload } from '../../mime/payload.js';
import { type Asked, deliveryOptionsOf, exchanged, HOLD_FOR_ENDPOINT } from '../delivery-options.js';
import type { OptionRegistry } from '../options.js';
import type { DeliverySink, OutboundDelivery } from '../target.js';
import type { SpoolEntry, SpoolRecord } from './spool.js';

/** Overhead of one entry besides its payload: its state in memory and a share of a page of the store. */
const OVERHEAD_OCTETS = 512;

/** A message in a queue; its payload is read when its turn comes. */
export class OfflineMessage {
  entry: SpoolEntry;
  state: 'writing' | 'waiting' | 'out' | 'gone' = 'writing';
  /** What is done with its data, which are being read. */
  reading: ((data: Data) => void) | undefined;
  /** Cancels the alarm for its due time. */
  off: (() => void) | undefined;
  /** Time at which it was handed to the application. */
  sentAt = 0;
  /** When it arrived, milliseconds on the monotonic clock: durations go by that while the process runs. */
  readonly since: number;

  constructor(entry: SpoolEntry, since: number) {
    this.entry = entry;
    this.since = since;
  }

  /** Octets that count against the limits. */
  get cost(): number {
    return costOf(this.entry.octets);
  }
}

export function costOf(octets: number): number {
  return octets + OVERHEAD_OCTETS;
}

/** Whether a Data operation for one recipient asks to be held. */
export function mayBeHeld({ options, recipients }: Data): boolean {
  return options.some(isHold) || recipients.some((recipient) => recipient.options.some(isHold));
}

function isHold({ internal }: Option): boolean {
  return internal === HOLD_FOR_ENDPOINT;
}

/** Returns the time limits of a message held here; none if an option is invalid. */
export function timingsOf({ options, recipients }: Data, registry: OptionRegistry): readonly Asked<DataTiming>[] {
  const deliveryOptions = [
    deliveryOptionsOf(options, 'data', true, true, registry),
    ...recipients.map((recipient) => deliveryOptionsOf(recipient.options, 'recipient', true, true, registry)),
  ];
  return deliveryOptions.flatMap((some) => some?.timing ?? []);
}

/**
 * Returns when a message has to be looked at, because it expires or its originator has to be told of the delay; 0 for
 * never.
 */
export function dueOf(asked: readonly Asked<DataTiming>[], at: number): number {
  const moments = asked.flatMap(({ content: { noLaterThan, reportAfter } }) => [noLaterThan, reportAfter]);
  const some = moments.filter((ms) => ms > 0);
  return some.length === 0 ? 0 : at + Math.min(...some);
}

/**
 * Returns the Data operation without the reports that the originators of these options have received; each is told
 * once.
 */
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

/** @returns undefined if it is no Data operation of a known dialect */
export function readHeld({ profile, payload }: SpoolRecord, dialects: ReadonlyMap<string, Dialect>): Data | undefined {
  const operation = dialects.get(profile)?.decode(payload);
  return operation?.type === 'data' ? operation : undefined;
}

/** Waits for the answer to a message that was handed out. */
export interface OfflineMessageOwner {
  encode(data: Data, profile: string): Payload;
  /** @param reply undefined for `ok` */
  answered(message: OfflineMessage, data: Data, reply: Reply | undefined): void;
}

/** A held message on its way to the application. */
export class OfflineDelivery implements OutboundDelivery, DeliverySink {
  readonly data: Data;
  readonly #message: OfflineMessage;
  readonly #owner: OfflineMessageOwner;
  #settled = false;

  constructor(message: OfflineMessage, data: Data, owner: OfflineMessageOwner) {
    this.data = data;
    this.#message = message;
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
    this.#owner.answered(this.#message, this.data, reply);
  }
}
