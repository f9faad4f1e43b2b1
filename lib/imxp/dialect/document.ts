/**
 * Reads elements against a DTD: attributes, children, values. Shared by all dialects; each function names the element
 * and attribute that is wrong.
 */
import { RemoteProtocolError } from '../../errors.js';
import { isNmtoken, isSpace, short } from '../../xml/lexis.js';
import type { XmlElement } from '../../xml/parse.js';
import { TRANS_ID_MAX } from '../trans-id.js';

// Every element may have its language and treatment of white space (XML 1.0 §2.10, §2.12).
const UNIVERSAL = new Set(['xml:lang', 'xml:space']);

/** @returns an error to throw: the document is not valid, reply 501 */
export function invalid(what: string): RemoteProtocolError {
  return new RemoteProtocolError('XML_INVALID', what, { reply: { code: 501, text: what } });
}

export function tooMany(what: string, limit: number): RemoteProtocolError {
  const text = `more than ${limit} ${what}`;
  return new RemoteProtocolError('XML_LIMIT', text, { reply: { code: 501, text }, fields: { limit } });
}

/** Refuses attributes that are not in the list. */
export function checkAttributes(element: XmlElement, allowed: readonly string[]): void {
  for (const name of element.attributes.keys()) {
    if (!allowed.includes(name) && !UNIVERSAL.has(name)) {
      throw invalid(`element ${element.name}: attribute ${short(name)} is not allowed`);
    }
  }
}

/** Returns the value of a required attribute. */
export function required(element: XmlElement, name: string): string {
  const value = element.attributes.get(name);
  if (value === undefined) {
    throw invalid(`element ${element.name}: attribute ${name} is missing`);
  }
  return value;
}

/** Returns one of the listed values; the first one if the attribute is absent. */
export function oneOf<T extends string>(element: XmlElement, name: string, values: readonly [T, ...T[]]): T {
  const value = element.attributes.get(name);
  if (value === undefined) {
    return values[0];
  }
  const found = values.find((one) => one === value);
  if (found === undefined) {
    throw invalid(`element ${element.name}: attribute ${name} must be one of ${values.join(', ')}`);
  }
  return found;
}

/** UNIQID: 1 to 2147483647. */
export function transIdOf(element: XmlElement): number {
  const value = required(element, 'transID');
  const transID = /^[0-9]{1,10}$/.test(value) ? Number(value) : 0;
  if (transID < 1 || transID > TRANS_ID_MAX) {
    throw invalid(`element ${element.name}: attribute transID must be a number from 1 to ${TRANS_ID_MAX}`);
  }
  return transID;
}

/** NMTOKEN. */
export function nmtokenOf(element: XmlElement, name: string, value: string): string {
  if (!isNmtoken(value)) {
    throw invalid(`element ${element.name}: attribute ${name} must be a name token`);
  }
  return value;
}

/** Returns the children of an element that contains only elements. */
export function childrenOf(element: XmlElement): XmlElement[] {
  const children: XmlElement[] = [];
  for (const child of element.children) {
    if (typeof child !== 'string') {
      children.push(child);
    } else if (!isSpace(child)) {
      throw invalid(`element ${element.name}: text is not allowed in it`);
    }
  }
  return children;
}

export function checkEmpty(element: XmlElement): void {
  if (element.children.length > 0) {
    throw invalid(`element ${element.name}: it must be empty`);
  }
}

/** An absolute URI, with or without a fragment (RFC 2396). */
export function isAbsoluteUri(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*:[!$-;=?-Z_a-z~]+(?:#[!$-;=?-Z_a-z~]*)?$/.test(text);
}
