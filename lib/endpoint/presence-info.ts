/** Presence as applications see it, and its conversion to and from presence documents. */
import { LocalError } from '../errors.js';
import { type Extension, extensionGiven } from '../imxp/vocabulary/extension.js';
import { flawOfTuple, isOpen, type Presence, type Tuple } from '../imxp/vocabulary/presence.js';
import { formatTimestamp, parseTimestamp } from '../imxp/vocabulary/timestamp.js';
import type { Signature } from '../message/smime/signature.js';
import type { ContentSecurity } from './secure.js';
import { openedPresence } from './secure-presence.js';

/** One address at which somebody can be reached. */
export interface PresenceTuple {
  /** For instance `im:fred@example.com`. */
  readonly destination: string;
  /** Until when messages are accepted there. */
  readonly availableUntil: Date;
  /** Whether that time has not passed yet. */
  readonly open: boolean;
  /** A URI with more information, or empty. */
  readonly info: string;
  readonly capabilities: readonly { readonly baseline: string; readonly text: string }[];
  /** What else was published, in namespaces of others. */
  readonly extension?: Extension;
}

/** Presence of a publisher. */
export interface PresenceInfo extends PresenceProtected {
  readonly publisher: string;
  readonly lastUpdate: Date;
  /** A URI about the publisher, or empty. */
  readonly info: string;
  readonly tuples: readonly PresenceTuple[];
  /** Whether any tuple is open now. */
  readonly open: boolean;
  /** What else was published, in namespaces of others. */
  readonly extension?: Extension;
}

export interface PresenceTupleInit {
  readonly destination: string;
  readonly availableUntil: Date;
  readonly info?: string;
  readonly capabilities?: readonly { readonly baseline: string; readonly text: string }[];
  /** Attributes and XML elements in namespaces of others; each element declares its own. */
  readonly extension?: Extension | undefined;
}

/** How presence was protected by its publisher; see {@link PresenceSealing}. */
export interface PresenceProtected {
  /**
   * Who signed it and whether the signature is valid for this entry; undefined when it is not signed. What it does not
   * cover are capabilities and extensions.
   */
  readonly signed?: Signature;
  /** Whether it was encrypted; true without destinations where it was encrypted for others. */
  readonly encrypted?: boolean;
}

/** Presence to publish; it replaces the whole entry. */
export interface PresenceUpdate {
  /** At least one. */
  readonly tuples: readonly PresenceTupleInit[];
  readonly info?: string;
  /** Attributes and XML elements in namespaces of others; each element declares its own. */
  readonly extension?: Extension | undefined;
}

/** Converts a document; `open` is computed for the present time. */
export function infoOf(entry: Presence, by: ContentSecurity): PresenceInfo {
  const protection = openedPresence(entry, by);
  const shown = describedIn(protection?.presence ?? entry);
  if (protection === undefined) return shown;
  const { signed, encrypted } = protection;
  return { ...shown, ...(signed === undefined ? {} : { signed }), ...(encrypted ? { encrypted } : {}) };
}

function describedIn({ publisher, lastUpdate, publisherInfo, tuples, extension }: Presence): PresenceInfo {
  const now = Date.now();
  const described = tuples.map((tuple) => ({
    destination: tuple.destination,
    availableUntil: new Date(parseTimestamp(tuple.availableUntil) ?? 0),
    open: isOpen(tuple, now),
    info: tuple.tupleInfo,
    capabilities: tuple.capabilities,
    ...optional(tuple.extension),
  }));
  const open = described.some((tuple) => tuple.open);
  const said = { publisher, lastUpdate: new Date(lastUpdate), info: publisherInfo, tuples: described, open };
  return { ...said, ...optional(extension) };
}

/** @throws LocalError ARGUMENT */
export function tupleOf({
  destination,
  availableUntil,
  info = '',
  capabilities = [],
  extension,
}: PresenceTupleInit): Tuple {
  const until = availableUntil.getTime();
  if (Number.isNaN(until)) throw new LocalError('ARGUMENT', 'availableUntil is not a valid date');
  const what = { destination, availableUntil: formatTimestamp(until), tupleInfo: info, capabilities };
  const tuple = { ...what, ...extensionToPublish(extension) };
  const flaw = flawOfTuple(tuple);
  if (flaw !== undefined) throw new LocalError('ARGUMENT', flaw);
  return tuple;
}

/**
 * An extension given by the application, as it goes on the wire.
 *
 * @throws LocalError ARGUMENT
 */
export function extensionToPublish(given: Extension | undefined): { readonly extension?: Extension } {
  try {
    return optional(given && extensionGiven(given));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LocalError('ARGUMENT', `the extension cannot be published: ${why}`, { cause });
  }
}

function optional(extension: Extension | undefined): { readonly extension?: Extension } {
  return extension === undefined ? {} : { extension };
}
