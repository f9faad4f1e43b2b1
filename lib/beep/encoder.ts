/**
 * Encoder from frames to octets. Owns the memory they are written to; knows nothing of what may be sent when.
 *
 * Headers, trailers and small payloads are written one after another to a slab, so that a batch is one buffer; large
 * payloads are inserted without copying. There is one slab per process (an idle session holds none). It is filled once
 * and never rewound, so that what was returned stays unchanged for as long as a transport needs it.
 */
import { isWhole } from '../mime/payload.js';
import { ANS, KEYWORDS, MAX_HEADER_OCTETS, TRAILER_OCTETS } from './frame.js';
import type { Outgoing } from './outgoing.js';

const SLAB_OCTETS = 262_144;
/** From this size on, copying costs more than another buffer for the transport. */
const UNCOPIED_OCTETS = 16_384;
const SP = 0x20;
const CR = 0x0d;
const LF = 0x0a;
const COMPLETE = 0x2e;
const INTERMEDIATE = 0x2a;
const DIGIT_ZERO = 0x30;
const STARTS: readonly Buffer[] = KEYWORDS.map((keyword) => Buffer.from(`${keyword} `));

export class Encoder {
  #slab: Buffer = Buffer.alloc(0);
  #used = 0;
  /** Where in the slab the octets not yet in `#batch` begin. */
  #from = 0;
  #batch: Buffer[] = [];
  /** Octets written since the last `finish`. */
  octets = 0;

  /** Writes one frame of a message and advances the message. */
  frame(channel: number, seqno: number, message: Outgoing, size: number): void {
    this.#reserve(MAX_HEADER_OCTETS);
    const before = this.#used;
    const more = message.sent + size < message.octets;
    this.#start(message.keyword, channel);
    this.#number(message.msgno, SP);
    const slab = this.#slab;
    slab[this.#used++] = more ? INTERMEDIATE : COMPLETE;
    slab[this.#used++] = SP;
    this.#number(seqno, SP);
    if (message.keyword === ANS) {
      this.#number(size, SP);
      this.#number(message.ansno, CR);
    } else {
      this.#number(size, CR);
    }
    slab[this.#used++] = LF;
    this.octets += this.#used - before + size + TRAILER_OCTETS;
    if (size > 0) {
      this.#payload(message, size);
    }
    this.#trailer();
    message.sent += size;
  }

  /** Writes a SEQ. */
  seq(channel: number, ackno: number, window: number): void {
    this.#reserve(MAX_HEADER_OCTETS);
    const before = this.#used;
    this.#start(5, channel);
    this.#number(ackno, SP);
    this.#number(window, CR);
    this.#slab[this.#used++] = LF;
    this.octets += this.#used - before;
  }

  /** Returns what was written and starts a new batch. */
  finish(): Buffer[] {
    this.#flush();
    const batch = this.#batch;
    this.#batch = [];
    this.octets = 0;
    return batch;
  }

  #payload(message: Outgoing, size: number): void {
    const { payload } = message;
    if (payload === undefined) {
      return;
    }
    if (isWhole(payload)) {
      this.#copy(payload, message.sent, message.sent + size);
      return;
    }
    let left = size;
    while (left > 0) {
      const piece = payload[message.piece];
      if (piece === undefined) {
        return;
      }
      const octets = Math.min(left, piece.length - message.within);
      this.#copy(piece, message.within, message.within + octets);
      left -= octets;
      message.within += octets;
      if (message.within === piece.length) {
        message.piece += 1;
        message.within = 0;
      }
    }
  }

  #copy(source: Buffer, start: number, end: number): void {
    const octets = end - start;
    if (octets >= UNCOPIED_OCTETS) {
      this.#flush();
      this.#batch.push(source.subarray(start, end));
      return;
    }
    this.#reserve(octets);
    if (octets === source.length) {
      this.#slab.set(source, this.#used);
    } else {
      source.copy(this.#slab, this.#used, start, end);
    }
    this.#used += octets;
  }

  #trailer(): void {
    this.#reserve(TRAILER_OCTETS);
    const slab = this.#slab;
    const at = this.#used;
    slab[at] = 0x45;
    slab[at + 1] = 0x4e;
    slab[at + 2] = 0x44;
    slab[at + 3] = CR;
    slab[at + 4] = LF;
    this.#used = at + TRAILER_OCTETS;
  }

  #start(keyword: number, channel: number): void {
    const start = STARTS[keyword] as Buffer;
    const slab = this.#slab;
    const at = this.#used;
    slab[at] = start[0] as number;
    slab[at + 1] = start[1] as number;
    slab[at + 2] = start[2] as number;
    slab[at + 3] = SP;
    this.#used = at + 4;
    this.#number(channel, SP);
  }

  /** Digits, then the octet that follows them. */
  #number(number: number, follower: number): void {
    const slab = this.#slab;
    let at = this.#used + digits(number);
    this.#used = at + 1;
    slab[at] = follower;
    let value = number;
    while (value >= 10) {
      const tenth = (value / 10) >>> 0;
      at -= 1;
      slab[at] = DIGIT_ZERO + value - tenth * 10;
      value = tenth;
    }
    slab[at - 1] = DIGIT_ZERO + value;
  }

  /** Makes room for that many octets in one piece. */
  #reserve(octets: number): void {
    if (this.#used + octets > this.#slab.length) {
      this.#flush();
      this.#slab = Buffer.allocUnsafeSlow(SLAB_OCTETS);
      this.#used = 0;
      this.#from = 0;
    }
  }

  #flush(): void {
    if (this.#used > this.#from) {
      this.#batch.push(this.#slab.subarray(this.#from, this.#used));
      this.#from = this.#used;
    }
  }
}

/** One encoder serves all sessions, because writing is never interrupted. */
export const ENCODER = new Encoder();

function digits(value: number): number {
  if (value < 10) {
    return 1;
  }
  if (value < 100) {
    return 2;
  }
  if (value < 1000) {
    return 3;
  }
  if (value < 10_000) {
    return 4;
  }
  let count = 5;
  for (let bound = 100_000; value >= bound; bound *= 10) {
    count += 1;
  }
  return count;
}
