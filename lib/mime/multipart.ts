/**
 * multipart/related (RFC 2387): finds the parts as views into one buffer, whatever their size, and builds multiparts.
 * Knows nothing of the meaning of parts.
 */
import type { Entity } from './entity.js';
import { parseEntity } from './entity.js';
import type { MimeLimits } from './fault.js';
import { MIME_LIMITS, malformedEntity, unacceptableEntity } from './fault.js';
import { formatHeaders, type HeaderField, unbracket } from './headers.js';
import { type MediaType, quotedString } from './media-type.js';
import { newToken } from './token.js';

const SPACE = 0x20;
const TAB = 0x09;
const CR = 0x0d;
const LF = 0x0a;
const HYPHEN = 0x2d;

/** A part, with its position in the buffer given to {@link parseMultipart}. */
export interface Part extends Entity {
  /** Its Content-ID without brackets. */
  readonly id: string | undefined;
  /** Of the first octet of its headers. */
  readonly start: number;
  /** After the last octet of its body. */
  readonly end: number;
}

export interface Multipart {
  readonly parts: readonly Part[];
  /** The part named by the `start` parameter; the first one by default. */
  readonly root: Part;
  /** The part with this Content-ID (without brackets). */
  part(id: string): Part | undefined;
}

/**
 * Finds the parts of a multipart.
 *
 * @param octets the whole entity; offsets in the result count from its beginning.
 * @param from offset of the body.
 * @throws RemoteProtocolError MIME_INVALID: reply 500 when malformed, 501 when parameters do not fit or a limit is
 * exceeded.
 */
export function parseMultipart(
  octets: Buffer,
  from: number,
  type: MediaType,
  limits: MimeLimits = MIME_LIMITS,
): Multipart {
  const boundary = type.parameters.get('boundary');
  // RFC 2046 §5.1.1: 1 to 70 characters, the last of which is not a space
  if (boundary === undefined || !/^[ -~]{0,69}[!-~]$/.test(boundary)) {
    throw unacceptableEntity('a multipart without a valid boundary parameter');
  }
  const parts: Part[] = [];
  const byId = new Map<string, Part>();
  for (const [start, end] of sections(octets, from, boundary, limits.parts)) {
    const part = partOf(octets, start, end, limits);
    if (part.id !== undefined) {
      if (byId.has(part.id)) {
        throw unacceptableEntity('two parts with the same Content-ID');
      }
      byId.set(part.id, part);
    }
    parts.push(part);
  }
  return {
    parts,
    root: rootOf(parts, byId, type.parameters.get('start')),
    part: (id) => byId.get(id),
  };
}

function partOf(octets: Buffer, start: number, end: number, limits: MimeLimits): Part {
  const { headers, body, bodyStart } = parseEntity(octets.subarray(start, end), limits, true);
  return {
    headers,
    body,
    bodyStart: start + bodyStart,
    id: headers.contentId(),
    start,
    end,
  };
}

function rootOf(parts: readonly Part[], byId: ReadonlyMap<string, Part>, start: string | undefined): Part {
  const root = start === undefined ? parts[0] : byId.get(unbracket(start) ?? start);
  if (root === undefined) {
    throw unacceptableEntity(
      start === undefined ? 'a multipart without parts' : 'no part has the Content-ID start names',
    );
  }
  return root;
}

/** The octet ranges between the delimiter lines; what is before the first and after the last one does not count. */
function sections(octets: Buffer, from: number, boundary: string, limit: number): [number, number][] {
  const found: [number, number][] = [];
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  let begun = -1;
  // the first delimiter needs no line end before it; the one of the header block stands for it
  let at = startsAt(octets, from, delimiter.subarray(2)) ? from - 2 : octets.indexOf(delimiter, from);
  for (; at !== -1; at = octets.indexOf(delimiter, at + 2)) {
    const after = at + delimiter.length;
    const last = octets[after] === HYPHEN && octets[after + 1] === HYPHEN;
    const lineEnd = paddingEnd(octets, last ? after + 2 : after);
    const closed = last && lineEnd === octets.length;
    // a line that merely begins like a delimiter belongs to the part
    if (!closed && !(octets[lineEnd] === CR && octets[lineEnd + 1] === LF)) {
      continue;
    }
    if (begun >= 0) {
      if (found.length >= limit) {
        throw unacceptableEntity(`more than ${limit} parts`);
      }
      // an empty part may share its line end with the delimiter after it
      found.push([begun, Math.max(begun, at)]);
    }
    if (last) {
      return found;
    }
    begun = lineEnd + 2;
    at = lineEnd - 2;
  }
  throw malformedEntity('the last delimiter of the multipart is missing');
}

function startsAt(octets: Buffer, at: number, wanted: Buffer): boolean {
  return octets.length >= at + wanted.length && octets.compare(wanted, 0, wanted.length, at, at + wanted.length) === 0;
}

/** RFC 2046 §5.1.1: white space may pad a delimiter line. */
function paddingEnd(octets: Buffer, from: number): number {
  let at = from;
  while (octets[at] === SPACE || octets[at] === TAB) {
    at += 1;
  }
  return at;
}

/** A part to be written: its headers, its Content-ID (without brackets) and its body. */
export interface PartSource {
  readonly id: string;
  readonly type: string;
  readonly headers?: readonly HeaderField[];
  readonly body: Buffer;
}

/** Up to here, looking for a boundary that does not occur costs less than a long one, which is written four times. */
const SEARCHED_OCTETS = 4096;
const DIGITS = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/**
 * A boundary that does not occur in the pieces (RFC 2046 §5.1.1): a digit that nothing in them has after two hyphens; for
 * large ones, which are not looked at, 96 random bits.
 */
function boundaryFor(pieces: readonly (string | Buffer)[]): string {
  let octets = 0;
  for (const { length } of pieces) octets += length;
  if (octets > SEARCHED_OCTETS) return newToken();
  return DIGITS.find((digit) => !pieces.some((piece) => piece.includes(`--${digit}`))) ?? newToken();
}

/**
 * Builds a multipart/related whose root is the first part. Bodies go in as they are, as `binary`.
 *
 * @param type the media type of the root, for the `type` parameter.
 * @returns the whole entity in pieces; the bodies are the buffers given.
 */
export function buildMultipart(type: string, root: PartSource, others: readonly PartSource[]): Buffer[] {
  const parts: { readonly headers: string; readonly body: Buffer }[] = [];
  for (const part of [root, ...others]) {
    const fields = [
      { name: 'Content-Type', value: part.type },
      ...(part === root ? [] : [{ name: 'Content-Transfer-Encoding', value: 'binary' }]),
      { name: 'Content-ID', value: `<${part.id}>` },
      ...(part.headers ?? []),
    ];
    parts.push({ headers: formatHeaders(fields), body: part.body });
  }
  const boundary = boundaryFor(parts.flatMap(({ headers, body }) => [headers, body]));
  const pieces: Buffer[] = [];
  let text = relatedHeader(boundary, root.id, type);
  for (const { headers, body } of parts) {
    pieces.push(Buffer.from(`${text}--${boundary}\r\n${headers}\r\n`), body);
    text = '\r\n';
  }
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`));
  return pieces;
}

/** The header block of a multipart/related, its empty line included. */
export function relatedHeader(boundary: string, start: string, type: string): string {
  const first = `multipart/related; boundary=${quotedString(boundary)};`;
  return `Content-Type: ${first}\r\n start=${quotedString(`<${start}>`)}; type=${quotedString(type)}\r\n\r\n`;
}
