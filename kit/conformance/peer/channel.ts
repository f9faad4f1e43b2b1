/**
 * The state of one channel of a raw peer: sequence numbers and windows of both directions, and the messages received.
 * Written from RFC 3080 §2.2.1.1 and RFC 3081 §3.1; throws an Error for anything that a relay must not send.
 */
import { frame, type Keyword, type RawFrame, type RawSeq } from './frame.js';

export interface RawMessage {
  readonly keyword: Keyword;
  readonly channel: number;
  readonly msgno: number;
  readonly payload: Buffer;
  /** The frames it came in. */
  readonly frames: readonly RawFrame[];
}

interface Queued {
  readonly keyword: Keyword;
  readonly msgno: number;
  readonly payload: Buffer;
  sent: number;
}

/** What a listener may not do, whatever it is asked: the rules that hold for each frame. */
export type Rule = 'grammar' | 'channel' | 'seqno' | 'window' | 'continuation' | 'msgno' | 'reply' | 'seq';

/** Called with what was broken. Returns where the session can go on, throws where it shall not. */
export type Report = (rule: Rule, text: string) => void;

export const refuse: Report = (_rule, text) => {
  throw new Error(text);
};

const INITIAL_WINDOW = 4096;
const FRAME_OCTETS = 16_384;
const wrap = (value: number): number => value >>> 0;

export class RawChannel {
  readonly number: number;
  /** Octets of buffer offered to the relay; the window is renewed when half of it is free. */
  buffer = INITIAL_WINDOW;
  /** Complete messages nobody took yet: replies and requests. */
  readonly replies: RawMessage[] = [];
  readonly requests: RawMessage[] = [];
  /** Numbers of our MSGs without a complete reply, in order. */
  readonly awaiting: number[] = [];
  /** Numbers of its MSGs that we have not answered. */
  readonly #owed = new Set<number>();
  #nextMsgno: number;
  #sendNext = 0;
  #rightEdge = INITIAL_WINDOW;
  #receiveNext = 0;
  #granted = INITIAL_WINDOW;
  #partial: RawFrame[] = [];
  readonly #outbox: Queued[] = [];
  readonly #report: Report;

  constructor(number: number, report: Report = refuse) {
    this.number = number;
    this.#report = report;
    // RFC 3080 §2.3.1.1: number 0 of channel 0 is the greeting, in both directions.
    this.#nextMsgno = number === 0 ? 1 : 0;
    if (number === 0) this.awaiting.push(0);
  }

  /** Octets the relay lets us send now. */
  get available(): number {
    return Math.max(0, (this.#rightEdge - this.#sendNext) | 0);
  }

  /** Octets we still let the relay send. */
  get open(): number {
    return Math.max(0, (this.#granted - this.#receiveNext) | 0);
  }

  /** The next sequence number we expect, which is also what a SEQ acknowledges. */
  get receiveNext(): number {
    return this.#receiveNext;
  }

  get sendNext(): number {
    return this.#sendNext;
  }

  allocate(): number {
    this.awaiting.push(this.#nextMsgno);
    this.#nextMsgno += 1;
    return this.#nextMsgno - 1;
  }

  /** One whole frame, counted as sent whatever the window says. */
  build(keyword: Keyword, msgno: number, payload: Buffer | string, more: '.' | '*' = '.', ansno?: number): Buffer {
    const octets = frame(keyword, this.number, msgno, more, this.#sendNext, payload, ansno);
    this.#sendNext = wrap(this.#sendNext + Buffer.byteLength(payload));
    if (keyword !== 'MSG' && keyword !== 'ANS' && more === '.') this.#owed.delete(msgno);
    return octets;
  }

  queue(keyword: Keyword, msgno: number, payload: Buffer | string): void {
    this.#outbox.push({
      keyword,
      msgno,
      payload: Buffer.from(payload),
      sent: 0,
    });
  }

  /** What may leave now of what is queued. */
  transmit(): Buffer[] {
    const out: Buffer[] = [];
    for (let head = this.#outbox[0]; head !== undefined; head = this.#outbox[0]) {
      const left = head.payload.length - head.sent;
      const size = Math.min(left, this.available, FRAME_OCTETS);
      if (size === 0 && left > 0) break;
      const part = head.payload.subarray(head.sent, head.sent + size);
      out.push(this.build(head.keyword, head.msgno, part, size === left ? '.' : '*'));
      head.sent += size;
      if (size === left) this.#outbox.shift();
    }
    return out;
  }

  /** RFC 3081 §3.1.3: what a SEQ from the relay allows us. */
  granted({ ackno, window }: RawSeq): void {
    const ahead = wrap(this.#sendNext - ackno);
    if (ahead > 2 ** 31) {
      this.#report('seq', `SEQ ${this.number} acknowledges ${ackno}, sent so far ${this.#sendNext}`);
      return;
    }
    const edge = wrap(ackno + window);
    if (((edge - this.#rightEdge) | 0) < 0) {
      this.#report('seq', `SEQ ${this.number} ${ackno} ${window} shrinks the window`);
    }
    this.#rightEdge = edge;
  }

  /** The SEQ to send, if half of the buffer is free again and it moves the right edge. */
  grant(): { ackno: number; window: number } | undefined {
    const edge = wrap(this.#receiveNext + this.buffer);
    const step = (edge - this.#granted) | 0;
    if (step <= 0 || step < this.buffer / 2) return undefined;
    return this.regrant();
  }

  /** The present window, whatever was offered before: RFC 3081 §3.1.3 lets the sender of SEQ choose. */
  regrant(): { ackno: number; window: number } {
    this.#granted = wrap(this.#receiveNext + this.buffer);
    return { ackno: this.#receiveNext, window: this.buffer };
  }

  /** Takes a frame; returns the message it completes. */
  receive(data: RawFrame): RawMessage | undefined {
    const line = `${data.keyword} ${data.channel} ${data.msgno} ${data.more} ${data.seqno} ${data.payload.length}`;
    if (data.seqno !== this.#receiveNext) {
      this.#report('seqno', `${line}: expected sequence number ${this.#receiveNext}`);
    }
    this.#receiveNext = wrap(data.seqno + data.payload.length);
    if (((this.#granted - this.#receiveNext) | 0) < 0) {
      this.#report('window', `${line}: beyond the window ${this.#granted}`);
    }
    const [first] = this.#partial;
    if (first !== undefined && (first.keyword !== data.keyword || first.msgno !== data.msgno)) {
      this.#report('continuation', `${line}: inside ${first.keyword} ${first.msgno}`);
      this.#partial = [];
    }
    if (data.keyword !== 'MSG' && this.awaiting[0] !== data.msgno) {
      this.#report('reply', `${line}: the reply due is that to ${this.awaiting[0] ?? 'nothing'}`);
    }
    if (first === undefined && data.keyword === 'MSG' && this.#owed.has(data.msgno)) {
      this.#report('msgno', `${line}: MSG ${data.msgno} is not answered yet`);
    }
    this.#partial.push(data);
    if (data.more === '*') return undefined;
    const frames = this.#partial;
    this.#partial = [];
    if (data.keyword === 'MSG') this.#owed.add(data.msgno);
    else this.#answered(data.msgno);
    const payload = Buffer.concat(frames.map((one) => one.payload));
    return {
      keyword: data.keyword,
      channel: this.number,
      msgno: data.msgno,
      payload,
      frames,
    };
  }

  #answered(msgno: number): void {
    const place = this.awaiting.indexOf(msgno);
    if (place >= 0) this.awaiting.splice(place, 1);
  }
}
