/**
 * Decodes one connection from its first octet: frames of both sides, the channels that they create and close, the
 * meaning of messages, and violated rules.
 */
import { SEQ } from '../../lib/beep/frame.js';
import { type Broken, WatchedChannel } from './channel.js';
import type { Chunk, Side } from './connections.js';
import { type Fault, type Frame, FrameReader } from './frames.js';
import { type Meaning, meaningOf, type Request } from './meaning.js';

/** One decoded entry, in the order of the recording. */
export interface Entry {
  readonly side: Side;
  /** Octets of this side before it. */
  readonly offset: number;
  readonly octets: number;
  /** Seconds since 1970; undefined where nobody recorded it. */
  readonly time: number | undefined;
  readonly frame?: Frame;
  /** Of the message that the frame completes. */
  readonly meaning?: Meaning;
  /** The receiver ends the session at once, without a response. */
  readonly fault?: Fault;
  /** Octets that are not read, and why. */
  readonly unread?: string;
}

const other = (side: Side): Side => (side === 'I' ? 'L' : 'I');

export class WatchedSession {
  readonly #readers = { I: new FrameReader(), L: new FrameReader() };
  readonly #channels = new Map<number, WatchedChannel>();
  readonly #closed = new Set<number>();
  /** Requests on channel 0, by side and number, until they are answered. */
  readonly #requests = new Map<string, Request>();
  readonly #both: boolean;
  readonly #ended = { I: false, L: false };
  /** SASL succeeded: a security layer may have begun. */
  #authenticated = false;

  /** @param both whether the octets of both sides are there */
  constructor(both: boolean) {
    this.#both = both;
    const control = new WatchedChannel(both, undefined);
    control.expectGreetings();
    this.#channels.set(0, control);
  }

  /** Decodes further octets. */
  *take({ side, octets, time }: Chunk): Generator<Entry> {
    const reader = this.#readers[side];
    reader.push(octets);
    if (this.#ended[side]) return;
    for (let found = reader.next(); found !== undefined; found = reader.next()) {
      if (found.type === 'frame') {
        const entry = this.#frame(side, found.frame, time);
        yield entry;
        if (entry.fault !== undefined) break;
      } else if (found.type === 'tls') {
        this.#ended[side] = true;
        yield { side, offset: found.offset, octets: 0, time, unread: 'TLS from here on, which cannot be read' };
      } else {
        yield this.#lost(side, found.fault, time);
      }
    }
  }

  /** Returns the rest at the end of the recording. */
  *finish(): Generator<Entry> {
    for (const side of ['I', 'L'] as const) {
      const { octets, unfinished } = this.#readers[side];
      if (this.#ended[side] || unfinished === 0) continue;
      const unread = 'a frame that is not complete';
      yield { side, offset: octets - unfinished, octets: unfinished, time: undefined, unread };
    }
  }

  /** Octets received of a side. */
  received(side: Side): number {
    return this.#readers[side].octets;
  }

  #lost(side: Side, fault: Fault, time: number | undefined): Entry {
    this.#ended[side] = true;
    const { offset } = fault;
    if (this.#authenticated && fault.rule === 'PF-1') {
      return { side, offset, octets: 0, time, unread: 'no BEEP from here on: a SASL security layer, it seems' };
    }
    return { side, offset, octets: 0, time, fault };
  }

  #frame(side: Side, frame: Frame, time: number | undefined): Entry {
    const { offset, octets, header } = frame;
    const entry = { side, offset, octets, time, frame };
    const channel = this.#channel(header.channel);
    if (channel === undefined) {
      // A SEQ may cross the ok that closed its channel.
      if (header.keyword === SEQ && this.#closed.has(header.channel)) return entry;
      return {
        ...entry,
        fault: this.#end(side, frame, { rule: 'PF-3', text: `there is no channel ${header.channel}` }),
      };
    }
    const broken = header.keyword === SEQ ? channel.sequence(side, header) : channel.check(side, frame);
    if (broken !== undefined) return { ...entry, fault: this.#end(side, frame, broken) };
    const message = header.keyword === SEQ ? undefined : channel.take(side, frame);
    if (message === undefined) return entry;
    const meaning = meaningOf(header.channel, channel.profile, message);
    if (header.channel === 0) this.#manage(side, message.msgno, meaning);
    if (/\bblob complete\b/.test(meaning.summary)) this.#authenticated = true;
    return { ...entry, meaning };
  }

  /** One side alone does not tell which channels there are. */
  #channel(number: number): WatchedChannel | undefined {
    const known = this.#channels.get(number);
    if (known !== undefined || this.#both) return known;
    const made = new WatchedChannel(false, undefined);
    this.#channels.set(number, made);
    return made;
  }

  #end(side: Side, { offset }: Frame, { rule, text }: Broken): Fault {
    this.#ended[side] = true;
    this.#readers[side].close();
    return { rule, offset, text };
  }

  #manage(side: Side, msgno: number, { request, granted, ok }: Meaning): void {
    if (request !== undefined) {
      this.#requests.set(`${side} ${msgno}`, request);
      const [only] = request.type === 'start' ? request.proposals : [];
      // Of the initiator alone the proposal is all there is.
      if (!this.#both && request.type === 'start') this.#open(request.number, only?.uri);
      return;
    }
    const asked = this.#requests.get(`${other(side)} ${msgno}`);
    this.#requests.delete(`${other(side)} ${msgno}`);
    if (asked?.type === 'start' && granted !== undefined) this.#open(asked.number, granted);
    if (asked?.type === 'close' && ok === true && asked.number !== 0) {
      this.#channels.delete(asked.number);
      this.#closed.add(asked.number);
    }
  }

  #open(number: number, profile: string | undefined): void {
    this.#channels.set(number, new WatchedChannel(this.#both, profile));
    this.#closed.delete(number);
  }
}
