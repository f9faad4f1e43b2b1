/**
 * Decoder from octets to frames. Finds where one frame ends and the next begins; knows nothing of channels and of what
 * is allowed when.
 *
 * It works in two steps, so that a size is checked before anything is allocated for it: `header()`, then one of
 * `take()`, `deliver()` and `skip()` until it has the payload and its trailer. Header digits are read as octets.
 */
import { RemoteProtocolError } from '../errors.js';
import {
  ANS,
  ERR,
  type Header,
  MAX_HEADER_OCTETS,
  MAX_NUMBER,
  MAX_SEQNO,
  MSG,
  NONE,
  NUL,
  RPY,
  SEQ,
  TRAILER_OCTETS,
} from './frame.js';

const SP = 0x20;
const CR = 0x0d;
const LF = 0x0a;
const DIGIT_ZERO = 0x30;
const COMPLETE = 0x2e;
const INTERMEDIATE = 0x2a;
const TRAILER = Buffer.from('END\r\n');
const [E, N, D] = [0x45, 0x4e, 0x44];
const MAX_DIGITS = 10;

const STARTS: readonly Buffer[] = ['MSG ', 'RPY ', 'ERR ', 'ANS ', 'NUL ', 'SEQ '].map((start) => Buffer.from(start));
const word = (start: string): number => Buffer.from(start).readInt32BE();
const MSG_WORD = word('MSG ');
const RPY_WORD = word('RPY ');
const ERR_WORD = word('ERR ');
const ANS_WORD = word('ANS ');
const NUL_WORD = word('NUL ');
const SEQ_WORD = word('SEQ ');

/** The available octets end within the header. */
const INCOMPLETE = -1;

/**
 * Small payloads are copied out of the chunk, because a retained view would pin 64 KiB. One copy of a stretch of this
 * length serves all frames in it and takes a third of the time of single copies.
 */
const STRETCH_OCTETS = 8192;

export const EMPTY: Buffer = Buffer.alloc(0);

/** Receives a payload as it comes. */
export interface PayloadReader {
  /**
   * Takes the octets of a chunk from `start` to `end`. They stay unchanged for as long as they are needed.
   *
   * @param left octets of the payload from `start` on, those to come included
   */
  read(chunk: Buffer, start: number, end: number, left: number): void;
}

export class Decoder {
  /** The header last read; overwritten by the next. */
  readonly frame: Header = { keyword: NONE, channel: 0, msgno: 0, more: false, seqno: 0, size: 0, ansno: 0 };
  #chunk: Buffer = EMPTY;
  #at = 0;
  /** Chunks received after the current one, if the caller does not pull. */
  #later: Buffer[] | undefined;
  /** The beginning of an incomplete header. */
  #kept: Buffer | undefined;
  #keptOctets = 0;
  /** Octets already read of the current payload and its trailer. */
  #filled = 0;
  #cursor = 0;
  /** A copy of the chunk from `#stretchStart` to `#stretchEnd`. */
  #stretch: Buffer = EMPTY;
  #stretchStart = 0;
  #stretchEnd = 0;

  /** Whether a header is incomplete. */
  get unfinished(): boolean {
    return this.#keptOctets > 0;
  }

  push(octets: Buffer): void {
    if (octets.length === 0) {
      return;
    }
    if (this.#at === this.#chunk.length) {
      this.#chunk = octets;
      this.#at = 0;
    } else if (this.#later === undefined) {
      this.#later = [octets];
    } else {
      this.#later.push(octets);
    }
  }

  /**
   * Reads the next header into `frame`.
   *
   * @returns false when more octets are needed.
   * @throws RemoteProtocolError BEEP_HEADER_INVALID, BEEP_HEADER_TOO_LONG (RFC 3080 §2.2.1.1)
   */
  header(): boolean {
    if (this.#keptOctets > 0) {
      return this.#keptHeader();
    }
    if (this.#at === this.#chunk.length) {
      return false;
    }
    const end = this.#parse(this.#chunk, this.#at, this.#chunk.length);
    if (end === INCOMPLETE) {
      return this.#keptHeader();
    }
    this.#advance(end);
    return true;
  }

  /**
   * The payload, if all of it and its trailer are in the current chunk: a copy, or a view where that pins little more.
   *
   * @throws RemoteProtocolError BEEP_TRAILER_INVALID (RFC 3080 §2.2.1.3)
   */
  take(): Buffer | undefined {
    const chunk = this.#chunk;
    const { size } = this.frame;
    const start = this.#at;
    const end = start + size;
    if (this.#filled > 0 || end + TRAILER_OCTETS > chunk.length) {
      return undefined;
    }
    if (
      chunk[end] !== E ||
      chunk[end + 1] !== N ||
      chunk[end + 2] !== D ||
      chunk[end + 3] !== CR ||
      chunk[end + 4] !== LF
    ) {
      throw this.#badTrailer();
    }
    const payload = size === 0 ? EMPTY : this.#portion(chunk, start, end);
    this.#advance(end + TRAILER_OCTETS);
    return payload;
  }

  /**
   * Gives what is available of the payload to `reader`. Call it again after more octets.
   *
   * @returns true once the payload and its trailer are complete.
   */
  deliver(reader: PayloadReader): boolean {
    return this.#body(reader);
  }

  /** Like `deliver`, but discards the payload. */
  skip(): boolean {
    return this.#body(undefined);
  }

  /** Removes and returns all octets not yet parsed. */
  rest(): Buffer {
    const parts = [
      this.#kept === undefined ? EMPTY : this.#kept.subarray(0, this.#keptOctets),
      this.#chunk.subarray(this.#at),
      ...(this.#later ?? []),
    ];
    this.#chunk = EMPTY;
    this.#at = 0;
    this.#later = undefined;
    this.#keptOctets = 0;
    return Buffer.concat(parts);
  }

  /** Octets of a chunk that may outlive it. */
  #portion(chunk: Buffer, start: number, end: number): Buffer {
    // Most of the chunk is this payload: a view pins little more.
    if ((end - start) * 2 >= chunk.length) {
      return chunk.subarray(start, end);
    }
    if (end > this.#stretchEnd) {
      this.#stretchStart = start;
      // Larger ones share badly: the next would begin here and end elsewhere.
      const alone = (end - start) * 2 > STRETCH_OCTETS;
      this.#stretchEnd = alone ? end : Math.min(chunk.length, start + STRETCH_OCTETS);
      this.#stretch = Buffer.allocUnsafe(this.#stretchEnd - start);
      chunk.copy(this.#stretch, 0, start, this.#stretchEnd);
    }
    return this.#stretch.subarray(start - this.#stretchStart, end - this.#stretchStart);
  }

  /** Advances within the chunk or to the next one; never keeps a chunk that is used up. */
  #advance(to: number): void {
    if (to < this.#chunk.length) {
      this.#at = to;
      return;
    }
    this.#at = 0;
    this.#stretch = EMPTY;
    this.#stretchEnd = 0;
    this.#chunk = this.#later?.shift() ?? EMPTY;
    if (this.#later?.length === 0) {
      this.#later = undefined;
    }
  }

  /** Assembles a header that spans several chunks. */
  #keptHeader(): boolean {
    this.#kept ??= Buffer.alloc(MAX_HEADER_OCTETS);
    while (this.#chunk.length > 0) {
      const known = this.#keptOctets;
      const copied = this.#chunk.copy(this.#kept, known, this.#at);
      const end = this.#parse(this.#kept, 0, known + copied);
      if (end !== INCOMPLETE) {
        this.#keptOctets = 0;
        this.#advance(this.#at + end - known);
        return true;
      }
      this.#keptOctets = known + copied;
      this.#advance(this.#at + copied);
    }
    return false;
  }

  #body(reader: PayloadReader | undefined): boolean {
    const { size } = this.frame;
    while (this.#chunk.length > 0) {
      const chunk = this.#chunk;
      let at = this.#at;
      if (this.#filled < size) {
        const left = size - this.#filled;
        const octets = Math.min(left, chunk.length - at);
        reader?.read(chunk, at, at + octets, left);
        this.#filled += octets;
        at += octets;
      }
      while (at < chunk.length && this.#filled >= size) {
        // RFC 3080 §2.2.1.3: END CRLF and nothing else
        if (chunk[at] !== TRAILER[this.#filled - size]) {
          throw this.#badTrailer();
        }
        at += 1;
        this.#filled += 1;
        if (this.#filled === size + TRAILER_OCTETS) {
          this.#filled = 0;
          this.#advance(at);
          return true;
        }
      }
      this.#advance(at);
    }
    return false;
  }

  /** @returns where the header ends, or INCOMPLETE. */
  #parse(octets: Buffer, at: number, end: number): number {
    const keyword = keywordAt(octets, at, end);
    if (keyword === NONE) {
      return INCOMPLETE;
    }
    this.frame.keyword = keyword;
    this.#cursor = at + 4;
    const channel = this.#number(octets, end, MAX_NUMBER, SP);
    if (channel === INCOMPLETE) {
      return INCOMPLETE;
    }
    this.frame.channel = channel;
    return keyword === SEQ ? this.#seq(octets, end) : this.#data(octets, end);
  }

  #data(octets: Buffer, end: number): number {
    const { frame } = this;
    const msgno = this.#number(octets, end, MAX_NUMBER, SP);
    if (msgno === INCOMPLETE) {
      return INCOMPLETE;
    }
    const more = this.#more(octets, end);
    if (more === INCOMPLETE) {
      return INCOMPLETE;
    }
    const seqno = this.#number(octets, end, MAX_SEQNO, SP);
    if (seqno === INCOMPLETE) {
      return INCOMPLETE;
    }
    const answer = frame.keyword === ANS;
    const size = this.#number(octets, end, MAX_NUMBER, answer ? SP : CR);
    if (size === INCOMPLETE) {
      return INCOMPLETE;
    }
    const ansno = answer ? this.#number(octets, end, MAX_SEQNO, CR) : 0;
    if (ansno === INCOMPLETE) {
      return INCOMPLETE;
    }
    frame.msgno = msgno;
    frame.more = more === INTERMEDIATE;
    frame.seqno = seqno;
    frame.size = size;
    frame.ansno = ansno;
    return this.#lineEnd(octets, end);
  }

  #seq(octets: Buffer, end: number): number {
    const ackno = this.#number(octets, end, MAX_SEQNO, SP);
    if (ackno === INCOMPLETE) {
      return INCOMPLETE;
    }
    const window = this.#number(octets, end, MAX_NUMBER, CR);
    if (window === INCOMPLETE) {
      return INCOMPLETE;
    }
    this.frame.seqno = ackno;
    this.frame.size = window;
    return this.#lineEnd(octets, end);
  }

  /** Digits up to `max`, and the octet that must follow them. */
  #number(octets: Buffer, end: number, max: number, follower: number): number {
    const from = this.#cursor;
    let value = 0;
    for (let at = from; at < end; at++) {
      const octet = octets[at] as number;
      const digit = octet - DIGIT_ZERO;
      if (digit < 0 || digit > 9) {
        if (octet !== follower || at === from || value > max) {
          throw this.#badHeader('a parameter is not a number in its range');
        }
        this.#cursor = at + 1;
        return value;
      }
      if (at - from === MAX_DIGITS) {
        throw new RemoteProtocolError('BEEP_HEADER_TOO_LONG', 'a header parameter has more than ten digits');
      }
      value = value * 10 + digit;
    }
    return INCOMPLETE;
  }

  #more(octets: Buffer, end: number): number {
    const at = this.#cursor;
    if (at >= end) {
      return INCOMPLETE;
    }
    const more = octets[at] as number;
    if (more !== COMPLETE && more !== INTERMEDIATE) {
      throw this.#badHeader('the continuation indicator is neither "." nor "*"');
    }
    if (at + 1 >= end) {
      return INCOMPLETE;
    }
    if (octets[at + 1] !== SP) {
      throw this.#badHeader('no space after the continuation indicator');
    }
    this.#cursor = at + 2;
    return more;
  }

  #lineEnd(octets: Buffer, end: number): number {
    const at = this.#cursor;
    if (at >= end) {
      return INCOMPLETE;
    }
    if (octets[at] !== LF) {
      throw this.#badHeader('the header does not end in CRLF');
    }
    return at + 1;
  }

  #badHeader(what: string): RemoteProtocolError {
    return new RemoteProtocolError('BEEP_HEADER_INVALID', what);
  }

  #badTrailer(): RemoteProtocolError {
    const { channel, msgno, size } = this.frame;
    return new RemoteProtocolError('BEEP_TRAILER_INVALID', 'the payload is not followed by END CRLF', {
      fields: { channel, msgno, size },
    });
  }
}

/** @returns NONE when the octets end within the keyword. */
function keywordAt(octets: Buffer, at: number, end: number): number {
  if (end - at < 4) {
    const begun = octets.subarray(at, end);
    if (!STARTS.some((start) => start.subarray(0, begun.length).equals(begun))) {
      throw unknownKeyword();
    }
    return NONE;
  }
  const first = octets[at] as number;
  const second = octets[at + 1] as number;
  const third = octets[at + 2] as number;
  switch ((first << 24) | (second << 16) | (third << 8) | (octets[at + 3] as number)) {
    case MSG_WORD:
      return MSG;
    case RPY_WORD:
      return RPY;
    case ERR_WORD:
      return ERR;
    case ANS_WORD:
      return ANS;
    case NUL_WORD:
      return NUL;
    case SEQ_WORD:
      return SEQ;
    default:
      throw unknownKeyword();
  }
}

function unknownKeyword(): RemoteProtocolError {
  return new RemoteProtocolError('BEEP_HEADER_INVALID', 'a frame starts with none of MSG, RPY, ERR, ANS, NUL, SEQ');
}
