/**
 * One channel as seen by an observer of both sides: checks the rules for frames (RFC 3080 §2.2.1.1, PF-3 to PF-11),
 * numbers and windows, and assembles messages. Knows nothing of profiles.
 */
import { ANS, ERR, type Header, KEYWORDS, MSG, NUL, RPY } from '../../lib/beep/frame.js';
import { advance, seqnoDistance } from '../../lib/beep/seqno.js';
import { INITIAL_WINDOW_OCTETS } from '../../lib/beep/window.js';
import type { Side } from './connections.js';
import type { Frame } from './frames.js';

/** A violated rule. */
export interface Broken {
  readonly rule: string;
  readonly text: string;
}

/** A whole message. */
export interface Message {
  readonly keyword: string;
  readonly msgno: number;
  readonly ansno: number | undefined;
  readonly payload: Buffer;
}

/** A MSG and how far its reply is. */
interface Asked {
  complete: boolean;
  /** Keyword of the last frame of the reply. */
  replied: number | undefined;
}

/** What one side has sent on the channel. */
class Sent {
  /** Undefined when the recording started later. */
  next: number | undefined = 0;
  /** The first sequence number it may not use; undefined where nobody saw the SEQ frames. */
  edge: number | undefined;
  /** The message at `*`. */
  open: { readonly keyword: number; readonly msgno: number } | undefined;
  readonly parts = new Map<number, Buffer[]>();
  /** Its MSGs whose reply is not complete, and the numbers of those whose is. */
  readonly asked = new Map<number, Asked>();
  readonly answered = new Set<number>();
}

const other = (side: Side): Side => (side === 'I' ? 'L' : 'I');

export class WatchedChannel {
  /** URI, where the start of the channel was seen. */
  readonly profile: string | undefined;
  readonly #sent = { I: new Sent(), L: new Sent() };
  /** Whether both sides are recorded; with one side, requests are unknown. */
  readonly #both: boolean;

  constructor(both: boolean, profile: string | undefined) {
    this.#both = both;
    this.profile = profile;
    if (!both) return;
    for (const side of ['I', 'L'] as const) this.#sent[side].edge = INITIAL_WINDOW_OCTETS;
  }

  /** The greeting answers a MSG 0 that was never sent (RFC 3080 §2.3.1.1). */
  expectGreetings(): void {
    for (const side of ['I', 'L'] as const) this.#sent[side].asked.set(0, { complete: true, replied: undefined });
  }

  /** What the other side allows. */
  sequence(side: Side, { seqno, size }: Header): Broken | undefined {
    const theirs = this.#sent[other(side)];
    if (!this.#both || theirs.next === undefined) return undefined;
    if (seqnoDistance(seqno, theirs.next) > 2 ** 31) {
      return { rule: 'SEQ', text: `it acknowledges up to ${seqno}, and only ${theirs.next} was sent` };
    }
    theirs.edge = advance(seqno, size);
    return undefined;
  }

  /** Checks a frame, in the order of the rules. */
  check(side: Side, { header }: Frame): Broken | undefined {
    const sent = this.#sent[side];
    return (
      wrongSequence(sent, header) ??
      wrongNul(header) ??
      wrongContinuation(sent, header) ??
      (this.#both ? this.#wrongNumber(side, header) : undefined) ??
      wrongWindow(sent, header)
    );
  }

  /** Applies a valid frame. @returns the message that it completes */
  take(side: Side, { header, keyword, payload }: Frame): Message | undefined {
    const sent = this.#sent[side];
    const { msgno, more, ansno } = header;
    sent.next = advance(header.seqno, header.size);
    const slot = header.keyword === ANS ? ansno : -1;
    const parts = sent.parts.get(slot) ?? [];
    parts.push(payload);
    sent.parts.set(slot, parts);
    if (header.keyword === MSG) sent.asked.set(msgno, { complete: !more, replied: undefined });
    else this.#replied(side, header);
    if (more) {
      sent.open = { keyword: header.keyword, msgno };
      return undefined;
    }
    sent.parts.delete(slot);
    if (sent.parts.size === 0) sent.open = undefined;
    const whole = parts.length === 1 ? payload : Buffer.concat(parts);
    return { keyword, msgno, ansno: header.keyword === ANS ? ansno : undefined, payload: whole };
  }

  #replied(side: Side, { keyword, msgno, more }: Header): void {
    const theirs = this.#sent[other(side)];
    const asked = theirs.asked.get(msgno);
    if (asked !== undefined) asked.replied = keyword;
    if (more || keyword === ANS) return;
    theirs.asked.delete(msgno);
    theirs.answered.add(msgno);
  }

  #wrongNumber(side: Side, { keyword, msgno }: Header): Broken | undefined {
    if (this.#sent[side].open !== undefined) return undefined; // goes on with what was checked
    if (keyword === MSG) {
      const asked = this.#sent[side].asked.get(msgno);
      if (asked === undefined || !asked.complete) return undefined;
      return { rule: 'PF-4', text: `MSG ${msgno} was sent before and is not completely answered` };
    }
    const theirs = this.#sent[other(side)];
    const asked = theirs.asked.get(msgno);
    if (asked === undefined) {
      return theirs.answered.has(msgno)
        ? { rule: 'PF-5', text: `MSG ${msgno} was completely answered before` }
        : { rule: 'PF-6', text: `nobody sent a MSG ${msgno}` };
    }
    if (asked.replied === ANS && (keyword === RPY || keyword === ERR)) {
      return { rule: 'PF-7', text: `the reply to MSG ${msgno} had begun with ANS` };
    }
    // RFC 3080 §2.6.3: only a negative reply may come early.
    if (!asked.complete && keyword !== ERR) return { rule: 'PF-6', text: `MSG ${msgno} is not complete yet` };
    return undefined;
  }
}

function wrongSequence(sent: Sent, { seqno }: Header): Broken | undefined {
  if (sent.next === undefined || sent.next === seqno) return undefined;
  return { rule: 'PF-10', text: `the sequence number is ${seqno}; ${sent.next} is expected` };
}

function wrongNul({ keyword, more, size }: Header): Broken | undefined {
  // A NUL of exactly CRLF is what LibVortex sends.
  if (keyword !== NUL || (!more && (size === 0 || size === 2))) return undefined;
  return { rule: 'PF-11', text: more ? 'NUL with *' : `NUL with ${size} octets` };
}

function wrongContinuation({ open }: Sent, { keyword, msgno }: Header): Broken | undefined {
  if (open === undefined) return undefined;
  const [was, is] = [KEYWORDS[open.keyword], KEYWORDS[keyword]];
  if (msgno !== open.msgno) return { rule: 'PF-9', text: `${was} ${open.msgno} goes on (*), and ${is} ${msgno} comes` };
  if (keyword === open.keyword) return undefined;
  if (keyword !== NUL) return { rule: 'PF-7', text: `${is} in the middle of ${was} ${msgno}` };
  return { rule: 'PF-8', text: open.keyword === ANS ? 'NUL while an answer goes on (*)' : `NUL behind ${was}` };
}

function wrongWindow({ next, edge }: Sent, { size }: Header): Broken | undefined {
  if (next === undefined || edge === undefined || size === 0) return undefined;
  const room = Math.max(0, (edge - next) | 0);
  return size <= room ? undefined : { rule: 'window', text: `${size} octets, and the window has ${room}` };
}
