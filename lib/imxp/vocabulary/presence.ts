/**
 * The documents of the presence service (IMXP presence §2) as values, read against their DTD and written. Knows nothing of
 * who may say what when.
 */
import { isNmtoken } from '../../xml/lexis.js';
import { textOf, type XmlElement } from '../../xml/parse.js';
import { escapeAttribute, escapeText } from '../../xml/write.js';
import {
  checkAttributes,
  checkEmpty,
  childrenOf,
  invalid,
  isAbsoluteUri,
  nmtokenOf,
  required,
  transIdOf,
} from '../dialect/document.js';
import { formatTimestamp, parseTimestamp, timestampOf } from './timestamp.js';

/** SECONDS end here. */
export const SECONDS_MAX = 2_147_483_647;

/** What a destination can do, in the notation that `baseline` names, such as `rfc2533`. */
export interface Capability {
  readonly baseline: string;
  readonly text: string;
}

/** One way to reach the publisher. */
export interface Tuple {
  /** An absolute URI: `im:fred@example.com`, `mailto:…`. */
  readonly destination: string;
  /** A TIMESTAMP as the publisher wrote it; once it is past, the destination is closed. */
  readonly availableUntil: string;
  /** An absolute URI, or empty. */
  readonly tupleInfo: string;
  readonly capabilities: readonly Capability[];
}

export interface Presence {
  readonly publisher: string;
  /** Milliseconds since 1970, at whole seconds. */
  readonly lastUpdate: number;
  /** An absolute URI, or empty. */
  readonly publisherInfo: string;
  /** At least one. */
  readonly tuples: readonly Tuple[];
}

export interface Subscribe {
  readonly type: 'subscribe' | 'watch';
  readonly publisher: string;
  readonly transID: number;
  /** Seconds; 0 asks once. */
  readonly duration: number;
}

export interface Publish {
  readonly type: 'publish';
  readonly publisher: string;
  readonly transID: number;
  /** Milliseconds since 1970. */
  readonly timeStamp: number;
  readonly presence: Presence;
}

export interface Notify {
  readonly type: 'notify';
  readonly subscriber: string;
  readonly transID: number;
}

export interface EndOfOperation {
  readonly type: 'terminate';
  readonly transID: number;
}

export type PresenceOperation = Subscribe | Publish | Notify | EndOfOperation;

/**
 * Reads an operation.
 *
 * @returns undefined for an element that is none of them
 * @throws RemoteProtocolError XML_INVALID, reply 501
 */
export function readPresenceOperation(element: XmlElement): PresenceOperation | undefined {
  switch (element.name) {
    case 'subscribe':
    case 'watch':
      return readSubscribe(element, element.name);
    case 'publish':
      return readPublish(element);
    case 'notify':
      checkAttributes(element, ['subscriber', 'transID']);
      checkEmpty(element);
      return { type: 'notify', subscriber: required(element, 'subscriber'), transID: transIdOf(element) };
    case 'terminate':
      checkAttributes(element, ['transID']);
      checkEmpty(element);
      return { type: 'terminate', transID: transIdOf(element) };
    default:
      return undefined;
  }
}

/** The `presence` element. @throws RemoteProtocolError XML_INVALID, reply 501 */
export function readPresence(element: XmlElement): Presence {
  if (element.name !== 'presence') throw invalid('element presence is expected');
  checkAttributes(element, ['publisher', 'lastUpdate', 'publisherInfo']);
  const tuples = childrenOf(element).map(readTuple);
  if (tuples.length === 0) throw invalid('element presence: at least one tuple is needed');
  return {
    publisher: required(element, 'publisher'),
    lastUpdate: timestampOf(element, 'lastUpdate'),
    publisherInfo: uriOf(element, 'publisherInfo'),
    tuples,
  };
}

function readSubscribe(element: XmlElement, type: Subscribe['type']): Subscribe {
  checkAttributes(element, ['publisher', 'transID', 'duration']);
  checkEmpty(element);
  const publisher = required(element, 'publisher');
  return { type, publisher, transID: transIdOf(element), duration: secondsOf(element, 'duration') };
}

function readPublish(element: XmlElement): Publish {
  checkAttributes(element, ['publisher', 'transID', 'timeStamp']);
  const [presence, ...more] = childrenOf(element);
  if (presence === undefined || more.length > 0) throw invalid('element publish: one presence is needed in it');
  return {
    type: 'publish',
    publisher: required(element, 'publisher'),
    transID: transIdOf(element),
    timeStamp: timestampOf(element, 'timeStamp'),
    presence: readPresence(presence),
  };
}

function readTuple(element: XmlElement): Tuple {
  if (element.name !== 'tuple') throw invalid('element presence: only tuple is allowed in it');
  checkAttributes(element, ['destination', 'availableUntil', 'tupleInfo']);
  const destination = required(element, 'destination');
  if (!isAbsoluteUri(destination)) throw invalid('element tuple: attribute destination must be an absolute URI');
  timestampOf(element, 'availableUntil');
  return {
    destination,
    availableUntil: required(element, 'availableUntil'),
    tupleInfo: uriOf(element, 'tupleInfo'),
    capabilities: childrenOf(element).map(readCapability),
  };
}

function readCapability(element: XmlElement): Capability {
  if (element.name !== 'capability') throw invalid('element tuple: only capability is allowed in it');
  checkAttributes(element, ['baseline']);
  if (element.children.some((child) => typeof child !== 'string')) {
    throw invalid('element capability: only text is allowed in it');
  }
  return { baseline: nmtokenOf(element, 'baseline', required(element, 'baseline')), text: textOf(element) };
}

/** An optional URI; empty when absent. */
function uriOf(element: XmlElement, name: string): string {
  const value = element.attributes.get(name) ?? '';
  if (value === '' || isAbsoluteUri(value)) return value;
  throw invalid(`element ${element.name}: attribute ${name} must be an absolute URI`);
}

function secondsOf(element: XmlElement, name: string): number {
  const value = required(element, name);
  const seconds = /^[0-9]{1,10}$/.test(value) ? Number(value) : SECONDS_MAX + 1;
  if (seconds <= SECONDS_MAX) return seconds;
  throw invalid(`element ${element.name}: attribute ${name} must be a number of seconds from 0 to ${SECONDS_MAX}`);
}

/** @throws LocalError ARGUMENT for characters that XML cannot carry. */
export function writePresenceOperation(operation: PresenceOperation): string {
  const { type, transID } = operation;
  switch (type) {
    case 'subscribe':
    case 'watch': {
      const { publisher, duration } = operation;
      return `<${type} publisher='${escapeAttribute(publisher)}' duration='${duration}' transID='${transID}' />`;
    }
    case 'publish': {
      const { head, tail } = publishAround(operation.presence, operation.timeStamp);
      return `${head}${transID}${tail}`;
    }
    case 'notify':
      return `<notify subscriber='${escapeAttribute(operation.subscriber)}' transID='${transID}' />`;
    default:
      return `<terminate transID='${transID}' />`;
  }
}

/** A `publish` but for its transID, which goes between the two: many subscribers get the same with their own. */
export function publishAround(presence: Presence, timeStamp: number): { readonly head: string; readonly tail: string } {
  const head = `<publish publisher='${escapeAttribute(presence.publisher)}' transID='`;
  return { head, tail: `' timeStamp='${formatTimestamp(timeStamp)}'>${writePresence(presence)}</publish>` };
}

/** @throws LocalError ARGUMENT for characters that XML cannot carry. */
export function writePresence({ publisher, lastUpdate, publisherInfo, tuples }: Presence): string {
  const info = optional('publisherInfo', publisherInfo);
  const tag = `<presence publisher='${escapeAttribute(publisher)}' lastUpdate='${formatTimestamp(lastUpdate)}'${info}>`;
  return `${tag}${tuples.map(writeTuple).join('')}</presence>`;
}

function writeTuple({ destination, availableUntil, tupleInfo, capabilities }: Tuple): string {
  const until = `availableUntil='${escapeAttribute(availableUntil)}'`;
  const tag = `<tuple destination='${escapeAttribute(destination)}' ${until}${optional('tupleInfo', tupleInfo)}`;
  if (capabilities.length === 0) return `${tag} />`;
  const inner = capabilities.map(
    ({ baseline, text }) => `<capability baseline='${escapeAttribute(baseline)}'>${escapeText(text)}</capability>`,
  );
  return `${tag}>${inner.join('')}</tuple>`;
}

function optional(name: string, value: string): string {
  return value === '' ? '' : ` ${name}='${escapeAttribute(value)}'`;
}

/** Whether a destination is open at that time (milliseconds since 1970). */
export function isOpen({ availableUntil }: Pick<Tuple, 'availableUntil'>, now: number): boolean {
  return now < (parseTimestamp(availableUntil) ?? 0);
}

/** What is wrong with a tuple made here, or undefined; what is read is checked while reading. */
export function flawOfTuple({ destination, availableUntil, tupleInfo, capabilities }: Tuple): string | undefined {
  if (!isAbsoluteUri(destination)) return `the destination ${JSON.stringify(destination)} is not an absolute URI`;
  if (parseTimestamp(availableUntil) === undefined) return `${JSON.stringify(availableUntil)} is no date and time`;
  if (tupleInfo !== '' && !isAbsoluteUri(tupleInfo)) return `${JSON.stringify(tupleInfo)} is not an absolute URI`;
  const wrong = capabilities.find(({ baseline }) => !isNmtoken(baseline));
  return wrong === undefined ? undefined : `the baseline ${JSON.stringify(wrong.baseline)} is not a name token`;
}
