/**
 * Reads and writes the DER of X.509: elements, their children, object identifiers and times. Never reads past the end.
 * Supports only what RFC 5280 uses: definite lengths, tag numbers below 31.
 */
import { RemoteProtocolError } from '../../errors.js';

export const DER = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OID: 0x06,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
} as const;

/** One element: its identifier octet, its contents, and all of it as received. Views, never copies. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  readonly raw: Buffer;
}

/** The fault of a certificate or revocation list that is not DER. Nothing about it goes on the wire. */
export function malformedDer(what: string): RemoteProtocolError {
  return new RemoteProtocolError('TLS_FAILED', `the certificate data is malformed: ${what}`);
}

/**
 * Reads the element at `offset`.
 * @throws RemoteProtocolError TLS_FAILED when there is no complete element there.
 */
export function derElement(octets: Buffer, offset = 0): DerElement {
  const tag = octets[offset];
  const first = octets[offset + 1];
  if (tag === undefined || first === undefined) throw malformedDer('an element is cut short');
  if ((tag & 0x1f) === 0x1f) throw malformedDer('a tag number above 30');
  let begin = offset + 2;
  let length = first;
  if (first > 0x7f) {
    const count = first & 0x7f;
    if (count === 0 || count > 4 || begin + count > octets.length) throw malformedDer('a length that is not DER');
    length = octets.readUIntBE(begin, count);
    begin += count;
  }
  const end = begin + length;
  if (end > octets.length) throw malformedDer('an element is cut short');
  return { tag, content: octets.subarray(begin, end), raw: octets.subarray(offset, end) };
}

/** The elements inside a constructed element's contents, one after the other. */
export function derChildren(content: Buffer): DerElement[] {
  const children: DerElement[] = [];
  for (let offset = 0; offset < content.length; ) {
    const child = derElement(content, offset);
    children.push(child);
    offset += child.raw.length;
  }
  return children;
}

/** Writes an element whose contents are the parts, one after the other. */
export function derWritten(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length <= 0x7f) return Buffer.concat([Buffer.of(tag, content.length), content]);
  const octets: number[] = [];
  for (let rest = content.length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Buffer.concat([Buffer.of(tag, 0x80 | octets.length, ...octets), content]);
}

/** Children of an element that must have this tag. */
export function derInside(element: DerElement | undefined, tag: number = DER.SEQUENCE): DerElement[] {
  return derChildren(derExpect(element, tag).content);
}

export function derExpect(element: DerElement | undefined, tag: number): DerElement {
  if (element === undefined) throw malformedDer('an element is missing');
  if (element.tag !== tag) throw malformedDer(`tag ${element.tag} instead of ${tag}`);
  return element;
}

/** An object identifier in dotted form. */
export function derOid(element: DerElement | undefined): string {
  const { content } = derExpect(element, DER.OID);
  const arcs: number[] = [];
  let value = 0;
  for (const octet of content) {
    value = value * 128 + (octet & 0x7f);
    if (octet & 0x80) continue;
    if (arcs.length > 0) arcs.push(value);
    else arcs.push(Math.min(Math.floor(value / 40), 2), value < 80 ? value % 40 : value - 80);
    value = 0;
  }
  return arcs.join('.');
}

/** A time as milliseconds since 1970 (RFC 5280 §4.1.2.5: Zulu, with seconds). */
export function derTime(element: DerElement | undefined): number {
  const text = element?.content.toString('latin1') ?? '';
  const long = element?.tag === DER.GENERALIZED_TIME;
  if (!long && element?.tag !== DER.UTC_TIME) throw malformedDer('a time is missing');
  const match = (long ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
    text,
  );
  if (match === null) throw malformedDer('a time that is not UTC with seconds');
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(1).map(Number);
  // RFC 5280 §4.1.2.5.1: two digits from 50 on are of the twentieth century.
  const century = long ? 0 : year < 50 ? 2000 : 1900;
  return Date.UTC(century + year, month - 1, day, hours, minutes, seconds);
}

/** An INTEGER as hexadecimal without leading zeros, as serial numbers are compared. */
export function derInteger(element: DerElement | undefined): string {
  return derExpect(element, DER.INTEGER)
    .content.toString('hex')
    .replace(/^0+(?=.)/, '');
}
