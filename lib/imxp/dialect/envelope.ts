/**
 * Cursor over the simple form of a payload's MIME: a control document alone, or multipart/related of exactly two parts,
 * the control document and the content. As with `markup.ts`, anything unusual is -1, and the MIME parser decides.
 */
import { contiguous, indexInPieces, isWhole, type Payload, payloadOctets, portion } from '../../mime/payload.js';
import { CLASSES, equalRanges, matchesAt, PRINTABLE } from './octets.js';
import { NO_OCTETS } from './option.js';

const CR = 0x0d;
const LF = 0x0a;
const BLANK = 0x20;
const TAB = 0x09;
const QUOTE = 0x22;
const HYPHEN = 0x2d;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const LESS = 0x3c;
const GREATER = 0x3e;
const BACKSLASH = 0x5c;

const RELATED = Buffer.from('Content-Type: multipart/related;');
const BOUNDARY = Buffer.from('boundary="');
const START = Buffer.from('start="<');
const BINARY = Buffer.from('Content-Transfer-Encoding: binary\r\n');
const CONTENT_ID = Buffer.from('content-id');
/** What makes a delimiter the last one, with its line end. */
const LAST = Buffer.from('--\r\n');

/** Far below what the MIME parser allows. */
const HEADER_OCTETS = 4096;
/** RFC 2046 §5.1.1. */
const BOUNDARY_OCTETS = 70;

export class Envelope {
  octets: Buffer = NO_OCTETS;
  /** The payload in pieces whose beginning the octets are; undefined if they are all of it. */
  #pieces: readonly Buffer[] | undefined;
  multipart = false;
  /** Content-ID of the content part, without brackets. */
  idStart = 0;
  idEnd = 0;
  /** `--boundary` of the first delimiter line. */
  #delimiter = 0;
  #delimiterLength = 0;
  #boundary = 0;
  #start = 0;
  #startEnd = 0;
  readonly #alone: Buffer;
  readonly #type: Buffer;
  readonly #controlType: Buffer;

  /** @param type the media type of control documents; any other is left to the parser */
  constructor(type: string) {
    this.#alone = Buffer.from(`Content-Type: ${type}\r\n\r\n`);
    this.#type = Buffer.from(`type="${type}"`);
    this.#controlType = Buffer.from(`Content-Type: ${type}\r\n`);
  }

  /**
   * @param octets the payload; if that is in pieces, the beginning of it
   * @returns the offset of the control document, or -1
   */
  open(octets: Buffer, payload: Payload): number {
    this.octets = octets;
    this.#pieces = isWhole(payload) ? undefined : payload;
    this.multipart = false;
    if (matchesAt(octets, 0, this.#alone)) {
      return this.#alone.length;
    }
    if (!matchesAt(octets, 0, RELATED)) {
      return -1;
    }
    this.multipart = true;
    return this.#firstPart(this.#parameters(RELATED.length));
  }

  /** Keeps no received octets in memory. */
  close(): void {
    this.octets = NO_OCTETS;
    this.#pieces = undefined;
  }

  /**
   * Reads boundary, start and type, each once and quoted.
   *
   * @returns the position after the empty line, or -1
   */
  #parameters(from: number): number {
    const { octets } = this;
    let seen = 0;
    let at = from;
    for (;;) {
      at = this.#fold(at);
      let bit = 0;
      if (matchesAt(octets, at, BOUNDARY)) {
        bit = 1;
        this.#boundary = at + BOUNDARY.length;
        at = this.#quoted(this.#boundary, QUOTE);
        this.#delimiterLength = at - this.#boundary + 2;
      } else if (matchesAt(octets, at, START)) {
        bit = 2;
        this.#start = at + START.length;
        at = this.#quoted(this.#start, GREATER);
        this.#startEnd = at;
        at = octets[at + 1] === QUOTE ? at + 1 : -1;
      } else if (matchesAt(octets, at, this.#type)) {
        bit = 4;
        at += this.#type.length - 1;
      }
      if (bit === 0 || at < 0 || (seen & bit) !== 0) {
        return -1;
      }
      seen |= bit;
      at += 1;
      if (octets[at] !== SEMICOLON) {
        return seen === 7 && this.#emptyLine(at) ? at + 4 : -1;
      }
      at += 1;
    }
  }

  /** Skips blanks, and line ends before blanks. */
  #fold(from: number): number {
    const { octets } = this;
    let at = from;
    for (;;) {
      if (octets[at] === BLANK || octets[at] === TAB) {
        at += 1;
      } else if (octets[at] === CR && octets[at + 1] === LF && (octets[at + 2] === BLANK || octets[at + 2] === TAB)) {
        at += 3;
      } else {
        return at;
      }
    }
  }

  /** Returns the position of `end` after printable octets without special meaning, or -1. */
  #quoted(from: number, end: number): number {
    const { octets } = this;
    let at = from;
    for (;;) {
      const octet = octets[at] ?? 0;
      if (octet === end) {
        return at > from ? at : -1;
      }
      if (((CLASSES[octet] ?? 0) & PRINTABLE) === 0 || octet === BACKSLASH || octet === QUOTE || octet === LESS) {
        return -1;
      }
      at += 1;
    }
  }

  #emptyLine(at: number): boolean {
    const { octets } = this;
    return octets[at] === CR && octets[at + 1] === LF && octets[at + 2] === CR && octets[at + 3] === LF;
  }

  /** @returns the offset of the control document, or -1 */
  #firstPart(from: number): number {
    const { octets } = this;
    const length = this.#delimiterLength;
    // A boundary has 1 to 70 characters, of which the last is no space.
    if (from < 0 || length > BOUNDARY_OCTETS + 2 || octets[this.#boundary + length - 3] === BLANK) {
      return -1;
    }
    this.#delimiter = from;
    if (!this.#delimiterAt(from) || !this.#lineEnd(from + length)) {
      return -1;
    }
    const at = this.#controlHeaders(from + length + 2);
    const idLength = this.idEnd - this.idStart;
    const same = idLength === this.#startEnd - this.#start && equalRanges(octets, this.idStart, this.#start, idLength);
    return at >= 0 && same ? at : -1;
  }

  #controlHeaders(from: number): number {
    const { octets } = this;
    let at = from;
    let types = 0;
    let encodings = 0;
    this.idEnd = -1;
    for (;;) {
      if (this.#lineEnd(at)) {
        return types === 1 && encodings <= 1 && this.idEnd >= 0 ? at + 2 : -1;
      }
      if (matchesAt(octets, at, this.#controlType)) {
        types += 1;
        at += this.#controlType.length;
      } else if (matchesAt(octets, at, BINARY)) {
        encodings += 1;
        at += BINARY.length;
      } else {
        at = this.#isContentId(at) ? this.#contentId(at + CONTENT_ID.length) : -1;
        if (at < 0) {
          return -1;
        }
      }
    }
  }

  /** Whether `--` and the boundary are at `at`. */
  #delimiterAt(at: number): boolean {
    const { octets } = this;
    return (
      octets[at] === HYPHEN &&
      octets[at + 1] === HYPHEN &&
      at + this.#delimiterLength <= octets.length &&
      equalRanges(octets, at + 2, this.#boundary, this.#delimiterLength - 2)
    );
  }

  #lineEnd(at: number): boolean {
    return this.octets[at] === CR && this.octets[at + 1] === LF;
  }

  /**
   * Reads what follows the control document: nothing, or the content part and the end of the multipart.
   *
   * @param from the first octet after the control document's white space
   * @returns the end of the control document (exclusive), or -1
   */
  rest(from: number): number {
    const { octets } = this;
    if (!this.multipart) {
      return from === octets.length && this.#pieces === undefined ? from : -1;
    }
    const end = from - 2;
    if (!this.#lineEnd(end) || !this.#delimiterAt(from) || !this.#lineEnd(from + this.#delimiterLength)) {
      return -1;
    }
    const body = this.#contentHeaders(from + this.#delimiterLength + 2);
    return body >= 0 && this.#last(body) ? end : -1;
  }

  /**
   * Reads the headers of the content part: one Content-ID, and any others.
   *
   * @returns the offset of the body, or -1
   */
  #contentHeaders(from: number): number {
    const { octets } = this;
    // Two parts must not have the same Content-ID.
    const rootStart = this.#start;
    const rootLength = this.#startEnd - rootStart;
    let at = from;
    this.idEnd = -1;
    while (!this.#lineEnd(at)) {
      at = this.#isContentId(at) ? this.#contentId(at + CONTENT_ID.length) : this.#field(at);
      if (at < 0 || at - from > HEADER_OCTETS) {
        return -1;
      }
    }
    const length = this.idEnd - this.idStart;
    const distinct = length !== rootLength || !equalRanges(octets, this.idStart, rootStart, length);
    return this.idEnd >= 0 && distinct ? at + 2 : -1;
  }

  #isContentId(at: number): boolean {
    const { octets } = this;
    for (let index = 0; index < CONTENT_ID.length; index += 1) {
      const octet = octets[at + index] ?? 0;
      // To lower case; only capitals become a letter or hyphen that way.
      if ((octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet) !== CONTENT_ID[index]) {
        return false;
      }
    }
    return octets[at + CONTENT_ID.length] === COLON;
  }

  /**
   * Reads `: <id>` and its line end, once. A folded line does not match what may follow.
   *
   * @returns the offset of the next line, or -1
   */
  #contentId(colon: number): number {
    const { octets } = this;
    if (this.idEnd >= 0 || octets[colon + 1] !== BLANK || octets[colon + 2] !== LESS) {
      return -1;
    }
    this.idStart = colon + 3;
    const end = this.#quoted(this.idStart, GREATER);
    if (end < 0 || !this.#lineEnd(end + 1)) {
      return -1;
    }
    this.idEnd = end;
    return end + 3;
  }

  /**
   * Reads a header with a name of letters and hyphens and a printable value.
   *
   * @returns the offset of the next line, or -1
   */
  #field(from: number): number {
    const { octets } = this;
    let at = from;
    while (isLetter(octets[at] ?? 0) || (octets[at] === HYPHEN && at > from)) {
      at += 1;
    }
    if (at === from || octets[at] !== COLON) {
      return -1;
    }
    at += 1;
    while (((CLASSES[octets[at] ?? 0] ?? 0) & PRINTABLE) !== 0) {
      at += 1;
    }
    return this.#lineEnd(at) ? at + 2 : -1;
  }

  /** Whether the body is followed by the last delimiter, and nothing follows that. */
  #last(body: number): boolean {
    const { octets } = this;
    const length = this.#delimiterLength + 2;
    const line = this.#delimiter - 2;
    const delimiter = octets.subarray(line, line + length);
    // The delimiter may share its line end with the empty line before it: an empty body.
    if (this.#pieces !== undefined) {
      return lastInPieces(this.#pieces, delimiter, body - 2);
    }
    const at = octets.indexOf(delimiter, body - 2);
    const after = at + length;
    if (at < 0 || octets[after] !== HYPHEN || octets[after + 1] !== HYPHEN) {
      return false;
    }
    return after + 2 === octets.length || (after + 4 === octets.length && this.#lineEnd(after + 2));
  }
}

/** The same for a payload in pieces. */
function lastInPieces(pieces: readonly Buffer[], delimiter: Buffer, from: number): boolean {
  const at = indexInPieces(pieces, delimiter, from);
  const total = payloadOctets(pieces);
  const after = at + delimiter.length;
  if (at < 0 || total - after > LAST.length) {
    return false;
  }
  const end = contiguous(portion(pieces, after, total));
  return end.equals(LAST) || end.equals(LAST.subarray(0, 2));
}

function isLetter(octet: number): boolean {
  const lower = octet | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}
