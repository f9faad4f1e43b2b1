/** Conditions for the delivery of a message: turns what the application asks for into the options of RFC 3342. */
import { LocalError } from '../errors.js';
import { HOPS_MAX, MILLISECONDS_MAX, writeHopping, writeTiming } from '../imxp/vocabulary/party.js';
import { checkKeys, type KnownKeys } from './keys.js';
import type { OptionInit } from './option.js';
import type { RelayReport } from './report.js';

/** Time limits of a delivery. Each is optional and in whole milliseconds, 1 to 2147483647. */
export interface TimingInit {
  /** Deliver within this time or not at all; past it the message fails with 550. */
  readonly noLaterThanMs?: number;
  /** The last relay confirms the delivery with a report (250), which may itself take this long. */
  readonly returnTripMs?: number;
  /** A relay reports (350) when delivery takes longer than this, and continues to deliver. */
  readonly reportAfterMs?: number;
  /** The relay at which `noLaterThanMs` passed reports that (550). */
  readonly reportErrors?: boolean;
  /** Receives the reports; without it they arrive as deliveries that carry the option's transID. */
  readonly reported?: (report: RelayReport) => void;
  /** 1 to 2147483647; random by default, and always when `reported` is given. */
  readonly transID?: number;
}

/** How many relays a message may pass through. */
export interface HopsInit {
  /** Number of relays it may be sent to, plus one: 2 allows one hop from relay to relay. 0 to 255; 0 means no limit. */
  readonly noMoreThan: number;
  /** The relay that stops it reports that (550). */
  readonly reportErrors?: boolean;
}

export interface Conditions {
  /**
   * Hold the message for a recipient that is not attached. It counts as accepted once the recipient's relay has stored
   * it.
   */
  readonly hold?: boolean;
  readonly timing?: TimingInit;
  readonly hops?: HopsInit;
}

const TIMING_KEYS: KnownKeys<TimingInit> = {
  noLaterThanMs: true,
  returnTripMs: true,
  reportAfterMs: true,
  reportErrors: true,
  reported: true,
  transID: true,
};
const HOPS_KEYS: KnownKeys<HopsInit> = { noMoreThan: true, reportErrors: true };

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
    throw new LocalError('ARGUMENT', `send: hops: noMoreThan must be an integer from 0 to ${HOPS_MAX}`);
  }
  return { internal: 'dataHopping', ...EVERYWHERE, xml: writeHopping({ noMoreThan, reportErrors }) };
}

function milliseconds(name: string, value: number | undefined): number {
  if (value === undefined) return 0;
  if (Number.isInteger(value) && value >= 1 && value <= MILLISECONDS_MAX) return value;
  throw new LocalError(
    'ARGUMENT',
    `send: timing: ${name} must be a whole number of milliseconds from 1 to ${MILLISECONDS_MAX}`,
  );
}
