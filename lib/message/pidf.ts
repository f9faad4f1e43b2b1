/**
 * PIDF (RFC 3863): reads and writes presence of CPIM as application/pidf+xml documents, with a tuple's note, its priority
 * and the availability that XMPP has. What else CPIM cannot express (times, extensions of others) is not read.
 */

import type { HeaderField } from '../mime/headers.js';
import type { XmlElement } from '../xml/parse.js';
import { elementsOf, parseXml, textOf } from '../xml/parse.js';
import { escapeAttribute, escapeText } from '../xml/write.js';
import { invalidMessage, notUnderstood, shown } from './fault.js';
import { Scope } from './namespace.js';
import { addressOfUri, parseInstantUri } from './uri.js';

export const PIDF_TYPE = 'application/pidf+xml';

const PIDF = 'urn:ietf:params:xml:ns:pidf';
/** What PIDF has no element for: until when a tuple holds, as presence entries say it (D-PRES-18). */
const ENTRY = 'urn:x-imxp:presence';
/** RFC 4479: a person within a document; RFC 4482: a URI about the person or a tuple. */
const PERSON = 'urn:ietf:params:xml:ns:pidf:data-model';
const CONTACT = 'urn:ietf:params:xml:ns:pidf:cipid';
/** Namespace of an availability in a status: that of the element in XMPP. */
const XMPP = 'jabber:client';
const DECLARED = `xmlns='${PIDF}' xmlns:d='${PERSON}' xmlns:c='${CONTACT}'`;

/** An absolute URI, as the schema's anyURI is used here. */
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/;

/** Presence information, as CPIM and PIDF have it. */
export interface CpimPresence {
  /** A URI about the presentity, or empty. */
  readonly entityInfo: string;
  readonly tuples: readonly CpimTuple[];
}

export interface CpimTuple {
  /** URI at which it can be reached. */
  readonly destination: string;
  readonly status: 'open' | 'closed';
  /** A URI about the tuple, or empty. */
  readonly info: string;
  /** A TIMESTAMP until which it is open; undefined where nobody said. */
  readonly until?: string;
  /** How available it is, in the words of XMPP (RFC 6121 §4.7.2.1); undefined for plainly so. */
  readonly show?: Availability;
  /** Text for people: what they say of themselves. */
  readonly note?: string;
  /** Whole number from -128 to 127; undefined where nobody said. */
  readonly priority?: number;
}

/** Words of XMPP (RFC 6121 §4.7.2.1). */
export const AVAILABILITIES = ['away', 'chat', 'dnd', 'xa'] as const;
export type Availability = (typeof AVAILABILITIES)[number];

/** @returns undefined for what is none of {@link AVAILABILITIES} */
export function availabilityOf(text: string | undefined): Availability | undefined {
  return AVAILABILITIES.find((word) => word === text?.trim());
}

/** A document as a MIME entity. */
export interface PidfEntity {
  readonly type: string;
  readonly headers: readonly HeaderField[];
  readonly body: Buffer;
}

export interface PidfDocument {
  /** The `pres:` URI of the presentity. */
  readonly entity: string;
  readonly presence: CpimPresence;
}

/**
 * Writes a document.
 *
 * @param entity the `pres:` URI of the presentity
 * @throws RemoteProtocolError ADDRESS_INVALID for another URI; LocalError ARGUMENT for characters that XML cannot carry
 */
export function writePidf(entity: string, { entityInfo, tuples }: CpimPresence): PidfEntity {
  checkEntity(entity);
  const person = entityInfo === '' ? '' : `  <d:person id='p1'>${homepage(entityInfo)}</d:person>\r\n`;
  const all = tuples.map((tuple, index) => writeTuple(tuple, index + 1)).join('');
  // RFC 3863 §4.2: with an XML declaration, which states the encoding
  const text = `<?xml version='1.0' encoding='UTF-8'?>\r\n<presence ${DECLARED} entity='${escapeAttribute(entity)}'>\r\n${all}${person}</presence>\r\n`;
  return { type: `${PIDF_TYPE}; charset=UTF-8`, headers: [], body: Buffer.from(text) };
}

function writeTuple(tuple: CpimTuple, number: number): string {
  const { destination, status, info, until, show, note, priority } = tuple;
  const end = until === undefined ? '' : `<e:until xmlns:e='${ENTRY}'>${escapeText(until)}</e:until>`;
  const how = show === undefined ? '' : `<x:show xmlns:x='${XMPP}'>${show}</x:show>`;
  const rank = priority === undefined ? '' : ` priority='${fractionOf(priority)}'`;
  const said = note === undefined ? '' : `<note>${escapeText(note)}</note>`;
  const inner = `<status><basic>${status}</basic>${how}</status>${homepage(info)}${end}<contact${rank}>${escapeText(destination)}</contact>${said}`;
  return `  <tuple id='t${number}'>${inner}</tuple>\r\n`;
}

/** RFC 3863 §4.1.5: from 0 to 1, with three decimals; enough to keep each of the 256 priorities of XMPP apart. */
function fractionOf(priority: number): string {
  return ((priority + 128) / 255).toFixed(3);
}

function priorityOf(fraction: string | undefined): number | undefined {
  if (fraction === undefined || !/^(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$/.test(fraction)) return undefined;
  return Math.round(Number(fraction) * 255) - 128;
}

function homepage(uri: string): string {
  return URI.test(uri) ? `<c:homepage>${escapeText(uri)}</c:homepage>` : '';
}

/**
 * Reads a document.
 *
 * @throws RemoteProtocolError XML_NOT_WELL_FORMED (reply 500); XML_INVALID | XML_LIMIT | MESSAGE_INVALID (501);
 *   ADDRESS_INVALID (553); MESSAGE_NOT_UNDERSTOOD (504) for a mandatory element that is not understood
 */
export function readPidf(octets: Buffer): PidfDocument {
  const root = new Node(parseXml(octets), Scope.TOP);
  if (!root.is(PIDF, 'presence')) throw invalidMessage('PIDF: the root element is not presence');
  // RFC 3863 §4.1.1
  const entity = root.attribute('entity');
  if (entity === undefined) throw invalidMessage('PIDF: element presence has no entity');
  checkEntity(entity);
  const children = root.children();
  const unknown = children.find((child) => child.mustBeUnderstood && !isKnown(child));
  if (unknown !== undefined) throw notUnderstood(`PIDF: element ${shown(unknown.name)} must be understood and is not`);
  const tuples = children.filter((child) => child.is(PIDF, 'tuple')).flatMap((tuple) => readTuple(tuple, entity));
  const person = children.find((child) => child.is(PERSON, 'person'));
  return { entity, presence: { entityInfo: person === undefined ? '' : infoIn(person), tuples } };
}

function checkEntity(entity: string): void {
  if (parseInstantUri(entity).scheme !== 'pres') throw invalidMessage('PIDF: the entity is not a pres: URI');
  addressOfUri(entity);
}

/**
 * RFC 3863 §4.1.2; returns nothing for a tuple that is neither open nor closed, or has a mandatory element that is not
 * understood.
 */
function readTuple(tuple: Node, entity: string): CpimTuple[] {
  const children = tuple.children();
  const status = children.find((child) => child.is(PIDF, 'status'))?.children() ?? [];
  if ([...children, ...status].some((child) => child.mustBeUnderstood && !isKnown(child))) return [];
  const basic = status.find((child) => child.is(PIDF, 'basic'))?.text();
  if (basic !== 'open' && basic !== 'closed') return [];
  // A tuple without a contact is about the presentity as a whole.
  const contact = children.find((child) => child.is(PIDF, 'contact'));
  const destination = contact?.text() ?? entity;
  const until = children.find((child) => child.is(ENTRY, 'until'))?.text();
  const show = availabilityOf(status.find((child) => child.is(XMPP, 'show'))?.text());
  const note = children.find((child) => child.is(PIDF, 'note'))?.text();
  const priority = priorityOf(contact?.attribute('priority'));
  const more = {
    ...(until === undefined ? {} : { until }),
    ...(show === undefined ? {} : { show }),
    ...(note === undefined || note === '' ? {} : { note }),
    ...(priority === undefined ? {} : { priority }),
  };
  return [{ destination, status: basic, info: infoIn(tuple), ...more }];
}

function infoIn(node: Node): string {
  const found = node.children().find((child) => child.is(CONTACT, 'homepage'));
  const text = found?.text() ?? '';
  return URI.test(text) ? text : '';
}

function isKnown({ namespace }: Node): boolean {
  return namespace === PIDF || namespace === CONTACT || namespace === PERSON || namespace === XMPP;
}

/** An element with the namespaces in scope. */
class Node {
  readonly namespace: string;
  readonly name: string;
  readonly #element: XmlElement;
  readonly #scope: Scope;

  constructor(element: XmlElement, outer: Scope) {
    this.#element = element;
    this.#scope = outer.within(element);
    const { namespace, local } = this.#scope.resolve(element.name);
    this.namespace = namespace;
    this.name = local;
  }

  is(namespace: string, name: string): boolean {
    return this.namespace === namespace && this.name === name;
  }

  attribute(name: string): string | undefined {
    return this.#element.attributes.get(name);
  }

  /** RFC 3863 §4.3.3: an attribute in PIDF's namespace; attributes need a prefix for that. */
  get mustBeUnderstood(): boolean {
    for (const [name, value] of this.#element.attributes) {
      if (!name.endsWith(':mustUnderstand') || !/^(?:1|true)$/.test(value)) continue;
      if (this.#scope.resolve(name).namespace === PIDF) return true;
    }
    return false;
  }

  children(): Node[] {
    return elementsOf(this.#element).map((child) => new Node(child, this.#scope));
  }

  text(): string {
    return textOf(this.#element).trim();
  }
}
