/**
 * Documents of the presence service (presence-01 §6, RFC 3343 §6): reads them against their DTD and writes them in
 * either form. The forms differ in the notation of times, names and baselines, and in what notify tells. What only the
 * other form has is read as well, since a document goes through relays of both dialects unchanged.
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
  oneOf,
  required,
  transIdOf,
} from '../dialect/document.js';
import {
  type Extension,
  extensionOf,
  isForeign,
  isQualified,
  type NamespaceScope,
  NO_SCOPE,
  scopeIn,
  writeAttributes,
  writeElements,
} from './extension.js';
import { type Form, nameFrom, nameIn } from './form.js';
import { formatTimestamp, parseTimestamp, timestampIn, timestampOf } from './timestamp.js';

/** Largest value of SECONDS. */
export const SECONDS_MAX = 2_147_483_647;

/** A capability of a destination, in the notation that `baseline` names. */
export interface Capability {
  /** A name token such as `rfc2533`, or an absolute URI such as `urn:ietf:rfc:rfc2533` (RFC 3343 §3). */
  readonly baseline: string;
  readonly text: string;
}

/** One way to reach the publisher. */
export interface Tuple {
  /** An absolute URI: `im:fred@example.com`, `mailto:…`. */
  readonly destination: string;
  /** A TIMESTAMP as the publisher wrote it; after that time the destination is closed. */
  readonly availableUntil: string;
  /** An absolute URI, or empty. */
  readonly tupleInfo: string;
  readonly capabilities: readonly Capability[];
  /** What the publisher said beyond that, in other namespaces. */
  readonly extension?: Extension;
}

export interface Presence {
  readonly publisher: string;
  /** Milliseconds since 1970, at whole seconds. */
  readonly lastUpdate: number;
  /** An absolute URI, or empty. */
  readonly publisherInfo: string;
  /** At least one. */
  readonly tuples: readonly Tuple[];
  /** What the publisher said beyond that, in other namespaces. */
  readonly extension?: Extension;
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

/** What happened to a subscription. */
export type NotifyAction = 'subscribe' | 'terminate';

export interface Notify {
  readonly type: 'notify';
  readonly subscriber: string;
  readonly transID: number;
  /** The seconds that were asked for; 0 if unknown, because IMXP does not say (RFC 3343 §4.6). */
  readonly duration: number;
  /** In IMXP always `subscribe`. */
  readonly action: NotifyAction;
}

export interface EndOfOperation {
  readonly type: 'terminate';
  readonly transID: number;
}

export type PresenceOperation = Subscribe | Publish | Notify | EndOfOperation;

/**
 * Reads an operation.
 *
 * @param form of the names
 * @returns undefined for an element that is none of them
 * @throws RemoteProtocolError XML_INVALID, reply 501
 */
export function readPresenceOperation(element: XmlElement, form: Form = 'imxp'): PresenceOperation | undefined {
  switch (element.name) {
    case 'subscribe':
    case 'watch':
      return readSubscribe(element, element.name, form);
    case 'publish':
      return readPublish(element, form);
    case 'notify':
      return readNotify(element, form);
    case 'terminate':
      return readTerminate(element);
    default:
      return undefined;
  }
}

/**
 * Reads the `presence` element; what is in other namespaces is kept (RFC 2779 §3.1.3).
 *
 * @param around the namespaces declared around it
 * @throws RemoteProtocolError XML_INVALID, reply 501
 */
export function readPresence(element: XmlElement, form: Form = 'imxp', around: NamespaceScope = NO_SCOPE): Presence {
  if (element.name !== 'presence') throw invalid('element presence is expected');
  checkOwnAttributes(element, ['publisher', 'lastUpdate', 'publisherInfo']);
  const scope = scopeIn(element, around);
  const { own, extension } = divided(element, around);
  const tuples = own.map((tuple) => readTuple(tuple, scope));
  if (tuples.length === 0) throw invalid('element presence: at least one tuple is needed');
  return {
    publisher: nameOf(element, 'publisher', form),
    lastUpdate: timestampOf(element, 'lastUpdate'),
    publisherInfo: uriOf(element, 'publisherInfo'),
    tuples,
    ...extension,
  };
}

/** Those of other namespaces are not for the DTD to judge. */
function checkOwnAttributes(element: XmlElement, allowed: readonly string[]): void {
  // Without a prefix an element of a declared default namespace would be none of ours.
  if (element.attributes.has('xmlns')) throw invalid(`element ${element.name}: it has no namespace`);
  checkAttributes(element, [...allowed, ...[...element.attributes.keys()].filter(isQualified)]);
}

function divided(
  element: XmlElement,
  around: NamespaceScope,
): { readonly own: readonly XmlElement[]; readonly extension: { readonly extension?: Extension } } {
  const scope = scopeIn(element, around);
  const [own, others]: [XmlElement[], XmlElement[]] = [[], []];
  for (const child of childrenOf(element)) (isForeign(child, scope) ? others : own).push(child);
  const extension = extensionOf(element, others, around);
  return { own, extension: extension === undefined ? {} : { extension } };
}

function readSubscribe(element: XmlElement, type: Subscribe['type'], form: Form): Subscribe {
  checkAttributes(element, ['publisher', 'transID', 'duration']);
  checkEmpty(element);
  const publisher = nameOf(element, 'publisher', form);
  return { type, publisher, transID: transIdOf(element), duration: secondsOf(element, 'duration') };
}

function readNotify(element: XmlElement, form: Form): Notify {
  checkAttributes(element, ['subscriber', 'transID', 'duration', 'action']);
  checkEmpty(element);
  return {
    type: 'notify',
    subscriber: nameOf(element, 'subscriber', form),
    transID: transIdOf(element),
    duration: element.attributes.has('duration') ? secondsOf(element, 'duration') : 0,
    action: oneOf(element, 'action', ['subscribe', 'terminate']),
  };
}

/** RFC 3340 §9.1: in APEX it may give a reason to people; here only the transID counts. */
function readTerminate(element: XmlElement): EndOfOperation {
  checkAttributes(element, ['transID', 'code']);
  if (element.children.some((child) => typeof child !== 'string')) {
    throw invalid('element terminate: only text is allowed in it');
  }
  return { type: 'terminate', transID: transIdOf(element) };
}

function readPublish(element: XmlElement, form: Form): Publish {
  checkOwnAttributes(element, ['publisher', 'transID', 'timeStamp']);
  // Only of the entry inside is anything kept.
  if (extensionOf(element, [], NO_SCOPE) !== undefined) {
    throw invalid('element publish: attributes of other namespaces belong in presence');
  }
  const [presence, ...more] = childrenOf(element);
  if (presence === undefined || more.length > 0) throw invalid('element publish: one presence is needed in it');
  return {
    type: 'publish',
    publisher: nameOf(element, 'publisher', form),
    transID: transIdOf(element),
    timeStamp: timestampOf(element, 'timeStamp'),
    presence: readPresence(presence, form, scopeIn(element)),
  };
}

function readTuple(element: XmlElement, around: NamespaceScope): Tuple {
  if (element.name !== 'tuple') throw invalid('element presence: only tuple is allowed in it');
  const { own, extension } = divided(element, around);
  checkOwnAttributes(element, ['destination', 'availableUntil', 'tupleInfo']);
  const destination = required(element, 'destination');
  if (!isAbsoluteUri(destination)) throw invalid('element tuple: attribute destination must be an absolute URI');
  timestampOf(element, 'availableUntil');
  return {
    destination,
    availableUntil: required(element, 'availableUntil'),
    tupleInfo: uriOf(element, 'tupleInfo'),
    capabilities: own.map(readCapability),
    ...extension,
  };
}

function readCapability(element: XmlElement): Capability {
  if (element.name !== 'capability') throw invalid('element tuple: only capability is allowed in it');
  checkAttributes(element, ['baseline']);
  if (element.children.some((child) => typeof child !== 'string')) {
    throw invalid('element capability: only text is allowed in it');
  }
  const baseline = required(element, 'baseline');
  if (isBaseline(baseline)) return { baseline, text: textOf(element) };
  throw invalid('element capability: attribute baseline must be a name token or an absolute URI');
}

function isBaseline(text: string): boolean {
  return isNmtoken(text) || isAbsoluteUri(text);
}

function nameOf(element: XmlElement, attribute: string, form: Form): string {
  return nameFrom(required(element, attribute), form);
}

/** Returns an optional URI; empty if absent. */
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

/** @throws LocalError ARGUMENT for characters that XML cannot represent */
export function writePresenceOperation(operation: PresenceOperation, form: Form = 'imxp'): string {
  const { type, transID } = operation;
  switch (type) {
    case 'subscribe':
    case 'watch': {
      const { publisher, duration } = operation;
      return `<${type} publisher='${said(publisher, form)}' duration='${duration}' transID='${transID}' />`;
    }
    case 'publish': {
      const { head, tail } = publishAround(operation.presence, operation.timeStamp, form);
      return `${head}${transID}${tail}`;
    }
    case 'notify': {
      const { subscriber, duration, action } = operation;
      const more = form === 'apex' ? ` duration='${duration}' action='${action}'` : '';
      return `<notify subscriber='${said(subscriber, form)}' transID='${transID}'${more} />`;
    }
    default:
      return `<terminate transID='${transID}' />`;
  }
}

/**
 * Writes a `publish` except for its transID, which goes between the two texts: many subscribers receive the same with
 * their own.
 */
export function publishAround(presence: Presence, timeStamp: number, form: Form = 'imxp'): PublishAround {
  const head = `<publish publisher='${said(presence.publisher, form)}' transID='`;
  const tail = `' timeStamp='${formatTimestamp(timeStamp, form)}'>${writePresence(presence, form)}</publish>`;
  return { head, tail };
}

export interface PublishAround {
  readonly head: string;
  readonly tail: string;
}

/** @throws LocalError ARGUMENT for characters that XML cannot represent */
export function writePresence(presence: Presence, form: Form = 'imxp'): string {
  const { publisher, lastUpdate, publisherInfo, tuples, extension } = presence;
  const info = optional('publisherInfo', publisherInfo) + writeAttributes(extension);
  const tag = `<presence publisher='${said(publisher, form)}' lastUpdate='${formatTimestamp(lastUpdate, form)}'${info}>`;
  return `${tag}${tuples.map((tuple) => writeTuple(tuple, form)).join('')}${writeElements(extension)}</presence>`;
}

function writeTuple({ destination, availableUntil, tupleInfo, capabilities, extension }: Tuple, form: Form): string {
  const until = `availableUntil='${escapeAttribute(timestampIn(availableUntil, form))}'`;
  const info = optional('tupleInfo', tupleInfo) + writeAttributes(extension);
  const tag = `<tuple destination='${escapeAttribute(destination)}' ${until}${info}`;
  const inner = capabilities.map((capability) => writeCapability(capability, form)).join('') + writeElements(extension);
  return inner === '' ? `${tag} />` : `${tag}>${inner}</tuple>`;
}

const TOKEN_OF_RFC = /^rfc[0-9]+$/i;
const URN_OF_RFC = /^urn:ietf:rfc:(?=rfc[0-9]+$)/i;

/** Returns nothing for a capability whose baseline the form cannot name. */
function writeCapability({ baseline, text }: Capability, form: Form): string {
  // RFC 3343 §3 names by URI what presence-01 §3 names by token.
  const named = form === 'imxp' ? baseline.replace(URN_OF_RFC, '') : baseline.replace(TOKEN_OF_RFC, 'urn:ietf:rfc:$&');
  if (form === 'imxp' && !isNmtoken(named)) return '';
  return `<capability baseline='${escapeAttribute(named)}'>${escapeText(text)}</capability>`;
}

function said(name: string, form: Form): string {
  return escapeAttribute(nameIn(name, form));
}

function optional(name: string, value: string): string {
  return value === '' ? '' : ` ${name}='${escapeAttribute(value)}'`;
}

/** Whether a destination is open at that time (milliseconds since 1970). */
export function isOpen({ availableUntil }: Pick<Tuple, 'availableUntil'>, now: number): boolean {
  return now < (parseTimestamp(availableUntil) ?? 0);
}

/** Returns what is wrong with a tuple made here, or undefined; received tuples are checked while reading. */
export function flawOfTuple({ destination, availableUntil, tupleInfo, capabilities }: Tuple): string | undefined {
  if (!isAbsoluteUri(destination)) return `the destination ${JSON.stringify(destination)} is not an absolute URI`;
  if (parseTimestamp(availableUntil) === undefined) return `${JSON.stringify(availableUntil)} is no date and time`;
  if (tupleInfo !== '' && !isAbsoluteUri(tupleInfo)) return `${JSON.stringify(tupleInfo)} is not an absolute URI`;
  const wrong = capabilities.find(({ baseline }) => !isBaseline(baseline));
  return wrong && `the baseline ${JSON.stringify(wrong.baseline)} is neither a name token nor an absolute URI`;
}
