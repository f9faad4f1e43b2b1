/** Presence as applications see it, and the two directions between that and the documents. */
import { LocalError } from '../errors.js';
import { flawOfTuple, isOpen, type Presence, type Tuple } from '../imxp/vocabulary/presence.js';
import { formatTimestamp, parseTimestamp } from '../imxp/vocabulary/timestamp.js';

/** One way to reach somebody. */
export interface PresenceTuple {
  /** For instance `im:fred@example.com`. */
  readonly destination: string;
  /** The latest time at which messages are taken there. */
  readonly availableUntil: Date;
  /** Whether that time is not past, as of now. */
  readonly open: boolean;
  /** A URI about it, or empty. */
  readonly info: string;
  readonly capabilities: readonly { readonly baseline: string; readonly text: string }[];
}

/** The presence of somebody. */
export interface PresenceInfo {
  readonly publisher: string;
  readonly lastUpdate: Date;
  /** A URI about the publisher, or empty. */
  readonly info: string;
  readonly tuples: readonly PresenceTuple[];
  /** Whether any tuple is open now. */
  readonly open: boolean;
}

export interface PresenceTupleInit {
  readonly destination: string;
  readonly availableUntil: Date;
  readonly info?: string;
  readonly capabilities?: readonly { readonly baseline: string; readonly text: string }[];
}

/** What to publish: it replaces the whole entry. */
export interface PresenceUpdate {
  /** At least one. */
  readonly tuples: readonly PresenceTupleInit[];
  readonly info?: string;
}

/** As of now. */
export function infoOf({ publisher, lastUpdate, publisherInfo, tuples }: Presence): PresenceInfo {
  const now = Date.now();
  const described = tuples.map((tuple) => ({
    destination: tuple.destination,
    availableUntil: new Date(parseTimestamp(tuple.availableUntil) ?? 0),
    open: isOpen(tuple, now),
    info: tuple.tupleInfo,
    capabilities: tuple.capabilities,
  }));
  const open = described.some((tuple) => tuple.open);
  return { publisher, lastUpdate: new Date(lastUpdate), info: publisherInfo, tuples: described, open };
}

/** @throws LocalError ARGUMENT */
export function tupleOf({ destination, availableUntil, info = '', capabilities = [] }: PresenceTupleInit): Tuple {
  const until = availableUntil.getTime();
  if (Number.isNaN(until)) throw new LocalError('ARGUMENT', 'availableUntil is not a valid date');
  const tuple = { destination, availableUntil: formatTimestamp(until), tupleInfo: info, capabilities };
  const flaw = flawOfTuple(tuple);
  if (flaw !== undefined) throw new LocalError('ARGUMENT', flaw);
  return tuple;
}
