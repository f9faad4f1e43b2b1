/**
 * BEEP frames (RFC 3080 §2.2.1, RFC 3081 §3.1.3), written from the text of the RFCs and independently of the library
 * under test. The parser is strict: anything that the grammar does not allow is an error.
 */

export type Keyword = 'MSG' | 'RPY' | 'ERR' | 'ANS' | 'NUL';

export interface RawFrame {
  readonly keyword: Keyword;
  readonly channel: number;
  readonly msgno: number;
  readonly more: '.' | '*';
  readonly seqno: number;
  readonly ansno: number | undefined;
  readonly payload: Buffer;
}

export interface RawSeq {
  readonly keyword: 'SEQ';
  readonly channel: number;
  readonly ackno: number;
  readonly window: number;
}

const NUMBER = '(0|[1-9][0-9]{0,9})';
const COMMON = `${NUMBER} ${NUMBER} ([.*]) ${NUMBER} ${NUMBER}`;
const DATA = new RegExp(`^(?:(MSG|RPY|ERR|NUL) ${COMMON}|(ANS) ${COMMON} ${NUMBER})$`);
const SEQ = new RegExp(`^SEQ ${NUMBER} ${NUMBER} ${NUMBER}$`);
const LONGEST_LINE = 62;
const MAX_31 = 2 ** 31 - 1;
const MAX_32 = 2 ** 32 - 1;

/** One data frame, whole. */
export function frame(
  keyword: Keyword,
  channel: number,
  msgno: number,
  more: '.' | '*',
  seqno: number,
  payload: Buffer | string,
  ansno?: number,
): Buffer {
  const body = Buffer.from(payload);
  const tail = ansno === undefined ? '' : ` ${ansno}`;
  return Buffer.concat([
    Buffer.from(`${keyword} ${channel} ${msgno} ${more} ${seqno} ${body.length}${tail}\r\n`),
    body,
    Buffer.from('END\r\n'),
  ]);
}

export function seq(channel: number, ackno: number, window: number): Buffer {
  return Buffer.from(`SEQ ${channel} ${ackno} ${window}\r\n`);
}

function numberUpTo(limit: number, digits: string | undefined, line: string): number {
  const value = Number(digits);
  if (!(value <= limit)) throw new Error(`number out of range in ${JSON.stringify(line)}`);
  return value;
}

/** Cuts octets into frames. Throws an Error for whatever RFC 3080 §2.2.1 does not allow a sender. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #length = 0;
  /** Octets needed before another attempt is worth it. */
  #needed = 1;

  push(octets: Buffer): void {
    this.#chunks.push(octets);
    this.#length += octets.length;
  }

  /** Octets not yet part of a frame returned. */
  get rest(): Buffer {
    return this.#joined();
  }

  next(): RawFrame | RawSeq | undefined {
    if (this.#length < this.#needed) return undefined;
    const octets = this.#joined();
    const end = octets.indexOf('\r\n');
    if (end < 0 || end > LONGEST_LINE) {
      if (octets.length > LONGEST_LINE) throw new Error(`no CRLF within ${LONGEST_LINE} octets`);
      this.#needed = this.#length + 1;
      return undefined;
    }
    const line = octets.toString('latin1', 0, end);
    const control = SEQ.exec(line);
    if (control !== null) {
      this.#drop(end + 2);
      const [, channel, ackno, window] = control;
      return {
        keyword: 'SEQ',
        channel: numberUpTo(MAX_31, channel, line),
        ackno: numberUpTo(MAX_32, ackno, line),
        window: numberUpTo(MAX_31, window, line),
      };
    }
    return this.#data(octets, line, end + 2);
  }

  #data(octets: Buffer, line: string, start: number): RawFrame | undefined {
    const match = DATA.exec(line);
    if (match === null) throw new Error(`not a frame header: ${JSON.stringify(line)}`);
    const isAnswer = match[7] === 'ANS';
    const [channel, msgno, more, seqno, size, ansno] = isAnswer ? match.slice(8) : match.slice(2, 7);
    const length = numberUpTo(MAX_31, size, line);
    if (octets.length < start + length + 5) {
      this.#needed = start + length + 5;
      return undefined;
    }
    const trailer = octets.toString('latin1', start + length, start + length + 5);
    if (trailer !== 'END\r\n') throw new Error(`${JSON.stringify(line)} is followed by ${JSON.stringify(trailer)}`);
    this.#drop(start + length + 5);
    return {
      keyword: (isAnswer ? 'ANS' : match[1]) as Keyword,
      channel: numberUpTo(MAX_31, channel, line),
      msgno: numberUpTo(MAX_31, msgno, line),
      more: more === '*' ? '*' : '.',
      seqno: numberUpTo(MAX_32, seqno, line),
      ansno: isAnswer ? numberUpTo(MAX_31, ansno, line) : undefined,
      payload: octets.subarray(start, start + length),
    };
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && this.#chunks.length === 1) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }

  #drop(octets: number): void {
    const rest = this.#joined().subarray(octets);
    this.#chunks = [rest];
    this.#length = rest.length;
    this.#needed = 1;
  }
}
