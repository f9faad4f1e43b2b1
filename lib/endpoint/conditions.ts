/**
 * What an application may ask of the delivery of a message (RFC 3342), turned into options. Knows nothing of what relays do
 * about them.
 */
import { LocalError } from '../errors.js';
import { HOPS_MAX, MILLISECONDS_MAX, writeHopping, writeTiming } from '../imxp/vocabulary/party.js';
import { checkKeys, type Keys } from './keys.js';
import type { OptionInit } from './option.js';
import type { RelayReport } from './report.js';

/** How long a message may take; each is optional, in whole milliseconds from 1 to 2147483647. */
export interface TimingInit {
  /** Deliver it within that time or not at all; it fails with 550 then. */
  readonly noLaterThanMs?: number;
  /** The last relay confirms the delivery, with a report (250) that has itself that much time. */
  readonly returnTripMs?: number;
  /** A relay reports (350) when it takes longer than that, and goes on. */
  readonly reportAfterMs?: number;
  /** The relay where `noLaterThanMs` passed reports that (550). */
  readonly reportErrors?: boolean;
  /** Takes the reports; without it they come as deliveries, with the option's transID. */
  readonly reported?: (report: RelayReport) => void;
  /** 1 to 2147483647; random unless given, and with `reported`. */
  readonly transID?: number;
}

/** How far a message may go. */
export interface HopsInit {
  /** Relays it may be sent to, and one: 2 allows one step from relay to relay. 0 to 255; 0 is any number. */
  readonly noMoreThan: number;
  /** The relay that does not send it on reports that (550). */
  readonly reportErrors?: boolean;
}

export interface Conditions {
  /** Wait for a recipient that is not attached: the message is accepted when its relay has written it down. */
  readonly hold?: boolean;
  readonly timing?: TimingInit;
  readonly hops?: HopsInit;
}

const TIMING_KEYS: Keys<TimingInit> = {
  noLaterThanMs: true,
  returnTripMs: true,
  reportAfterMs: true,
  reportErrors: true,
  reported: true,
  transID: true,
};
const HOPS_KEYS: Keys<HopsInit> = { noMoreThan: true, reportErrors: true };

/** RFC 3342 §2, §4: every relay on the way must understand it (REQ-IMXP-059). */
const EVERYWHERE = { targetHop: 'all', seeNoEvil: false } as const;

/** @throws LocalError ARGUMENT */
export function conditionsOf({ hold = false, timing, hops }: Conditions): readonly OptionInit[] {
  const options: OptionInit[] = [];
  if (timing !== undefined) options.push(timingOf(timing));
  if (hops !== undefined) options.push(hopsOf(hops));
  if (hold) options.push({ internal: 'hold4Endpoint' });
  return options;
}

function timingOf(timing: TimingInit): OptionInit {
  checkKeys(timing, TIMING_KEYS, 'send: timing');
  const { noLaterThanMs, returnTripMs, reportAfterMs, reportErrors = false, transID } = timing;
  const content = {
    noLaterThan: milliseconds('noLaterThanMs', noLaterThanMs),
    returnTrip: milliseconds('returnTripMs', returnTripMs),
    reportAfter: milliseconds('reportAfterMs', reportAfterMs),
    reportErrors,
  };
  const id = transID === undefined ? {} : { transID };
  return { internal: 'dataTiming', ...EVERYWHERE, ...id, xml: writeTiming(content) };
}

function hopsOf(hops: HopsInit): OptionInit {
  checkKeys(hops, HOPS_KEYS, 'send: hops');
  const { noMoreThan, reportErrors = false } = hops;
  if (!Number.isInteger(noMoreThan) || noMoreThan < 0 || noMoreThan > HOPS_MAX) {
    throw new LocalError('ARGUMENT', `send: hops: noMoreThan is 0 to ${HOPS_MAX}`);
  }
  return { internal: 'dataHopping', ...EVERYWHERE, xml: writeHopping({ noMoreThan, reportErrors }) };
}

function milliseconds(name: string, value: number | undefined): number {
  if (value === undefined) return 0;
  if (Number.isInteger(value) && value >= 1 && value <= MILLISECONDS_MAX) return value;
  throw new LocalError('ARGUMENT', `send: timing: ${name} is a number of milliseconds from 1 to ${MILLISECONDS_MAX}`);
}
