/**
 * Splits the octets of one direction into frames with their offsets. Headers are checked by the decoder that the relay
 * uses. Knows nothing of channels.
 */
import { Decoder } from '../../lib/beep/decoder.js';
import { type Header, KEYWORDS, MAX_HEADER_OCTETS, SEQ, TRAILER_OCTETS } from '../../lib/beep/frame.js';
import { ImxpError } from '../../lib/errors.js';

export interface Frame {
  /** Of its first octet in the direction, and how many it has. */
  readonly offset: number;
  readonly octets: number;
  readonly header: Header;
  readonly keyword: string;
  /** The header as it was sent, without CRLF. */
  readonly line: string;
  readonly payload: Buffer;
}

/** Why a frame is poorly formed: the rule, and where. */
export interface Fault {
  readonly rule: string;
  readonly offset: number;
  readonly text: string;
}

export type Found =
  | { readonly type: 'frame'; readonly frame: Frame }
  | { readonly type: 'fault'; readonly fault: Fault }
  /** TLS follows, which is not decoded. */
  | { readonly type: 'tls'; readonly offset: number };

const TRAILER = Buffer.from('END\r\n');
/** A record of TLS: handshake, version 3.x. */
const [TLS_HANDSHAKE, TLS_MAJOR] = [0x16, 0x03];
/** Payloads that are larger than anything this program takes. */
const MOST_PAYLOAD = 1_073_741_824;

const EMPTY = Buffer.alloc(0);

export class FrameReader {
  /** Octets received. */
  octets = 0;
  #state: 'header' | 'payload' | 'trailer' | 'closed' = 'header';
  #chunks: Buffer[] = [];
  #held = 0;
  #begun = 0;
  #header: Header | undefined;
  #line = '';
  #payload: Buffer = EMPTY;

  push(octets: Buffer): void {
    this.octets += octets.length;
    if (this.#state === 'closed') return;
    this.#chunks.push(octets);
    this.#held += octets.length;
  }

  /** Octets of a frame that is not complete. */
  get unfinished(): number {
    return this.#state === 'closed' ? 0 : this.octets - this.#begun;
  }

  /** Reads nothing more. */
  close(): void {
    this.#state = 'closed';
    this.#chunks = [];
    this.#held = 0;
  }

  /** Returns the next complete frame. After a fault nothing more is found, because frame boundaries are unknown. */
  next(): Found | undefined {
    if (this.#state === 'header') {
      const found = this.#readHeader();
      if (found !== undefined) return found;
    }
    if (this.#state === 'payload' && this.#held >= (this.#header?.size ?? 0)) {
      this.#payload = this.#take(this.#header?.size ?? 0);
      this.#state = 'trailer';
    }
    return this.#state === 'trailer' && this.#held >= TRAILER_OCTETS ? this.#readTrailer() : undefined;
  }

  #readHeader(): Found | undefined {
    const octets = this.#peek(MAX_HEADER_OCTETS);
    if (octets.length < 2) return undefined;
    if (octets[0] === TLS_HANDSHAKE && octets[1] === TLS_MAJOR) {
      const offset = this.#begun;
      this.close();
      return { type: 'tls', offset };
    }
    const decoder = new Decoder();
    decoder.push(octets);
    try {
      if (!decoder.header()) {
        return octets.length < MAX_HEADER_OCTETS ? undefined : this.#fault('PF-2', 0, 'no CRLF within 62 octets');
      }
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
      const keyword = /^(?:MSG|RPY|ERR|ANS|NUL|SEQ) /.test(octets.toString('latin1'));
      return this.#fault(keyword ? 'PF-2' : 'PF-1', 0, `${error.message}: ${shown(octets)}`);
    }
    const end = octets.indexOf('\r\n');
    this.#line = octets.toString('latin1', 0, end);
    this.#take(end + 2);
    const header = { ...decoder.frame };
    this.#header = header;
    if (header.keyword === SEQ) return this.#frame(header, EMPTY);
    if (header.size > MOST_PAYLOAD) return this.#fault('PF-2', 0, `a payload of ${header.size} octets`);
    this.#state = 'payload';
    return undefined;
  }

  #readTrailer(): Found {
    const trailer = this.#take(TRAILER_OCTETS);
    const header = this.#header;
    if (header === undefined || !trailer.equals(TRAILER)) {
      const before = this.octets - this.#held - TRAILER_OCTETS - this.#begun;
      return this.#fault('PF-12', before, `${shown(trailer)} instead of END CRLF behind ${JSON.stringify(this.#line)}`);
    }
    return this.#frame(header, this.#payload);
  }

  #frame(header: Header, payload: Buffer): Found {
    const offset = this.#begun;
    this.#begun = this.octets - this.#held;
    this.#state = 'header';
    this.#payload = EMPTY;
    const keyword = KEYWORDS[header.keyword] ?? '';
    const frame = { offset, octets: this.#begun - offset, header, keyword, line: this.#line, payload };
    return { type: 'frame', frame };
  }

  /** @param within octets from the beginning of the frame */
  #fault(rule: string, within: number, text: string): Found {
    const offset = this.#begun + within;
    this.close();
    return { type: 'fault', fault: { rule, offset, text } };
  }

  #peek(octets: number): Buffer {
    const [first = EMPTY] = this.#chunks;
    if (first.length >= octets || this.#chunks.length < 2) return first.subarray(0, octets);
    return Buffer.concat(this.#chunks).subarray(0, octets);
  }

  #take(octets: number): Buffer {
    const [first = EMPTY] = this.#chunks;
    const whole = first.length >= octets ? first : Buffer.concat(this.#chunks);
    const rest = whole.subarray(octets);
    this.#chunks = [...(rest.length > 0 ? [rest] : []), ...(whole === first ? this.#chunks.slice(1) : [])];
    this.#held -= octets;
    return whole.subarray(0, octets);
  }
}

/** The beginning of octets, legible. */
export function shown(octets: Buffer): string {
  const text = JSON.stringify(octets.toString('latin1', 0, 24).replace(/[\x7f-\xff]/g, '?'));
  return octets.length > 24 ? `${text}…` : text;
}
