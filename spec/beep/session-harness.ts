/**
 * The peer of one session, played by hand: frames are written here one by one, so that they can be wrong, and what the
 * session says is read with a reader of its own.
 */
import { expect } from 'chai';
import type { SessionEvent } from '../../lib/beep/event.js';
import { Session, type SessionOptions } from '../../lib/beep/session.js';
import { type ErrorCode, RemoteProtocolError } from '../../lib/errors.js';
import { ECHO } from '../support/pair.js';
import { FrameReader, frame, type Keyword, type RawFrame, type RawSeq } from '../support/raw-frame.js';

export const XML = 'Content-Type: application/beep+xml\r\n\r\n';
export const TUNING = 'http://example.com/profiles/tuning';

export interface FrameOptions {
  readonly more?: boolean;
  readonly seqno?: number;
  readonly ansno?: number;
}

type EventOf<T extends SessionEvent['type']> = Extract<SessionEvent, { type: T }>;

export class SessionHarness {
  readonly session: Session;
  readonly #reader = new FrameReader();
  readonly #seqnos = new Map<number, number>();
  readonly #origin: number;
  #msgno = 1;

  constructor(options: Partial<SessionOptions> = {}) {
    this.#origin = options.origin?.seqno ?? 0;
    this.session = new Session({
      role: 'listener',
      profiles: [ECHO],
      isTuning: (uri) => uri === TUNING,
      ...options,
    });
  }

  /** Everything the session is ready to tell. */
  events(): SessionEvent[] {
    const events: SessionEvent[] = [];
    for (let event = this.session.nextEvent(); event !== undefined; event = this.session.nextEvent()) {
      events.push(event);
    }
    return events;
  }

  /** Gives the session octets. */
  octets(octets: string | Buffer): SessionEvent[] {
    this.session.receive(Buffer.from(octets));
    return this.events();
  }

  /** The octets of a frame, with the next sequence number of its channel. */
  frame(
    keyword: Keyword,
    channel: number,
    msgno: number,
    payload: string | Buffer = '',
    options: FrameOptions = {},
  ): Buffer {
    const seqno = options.seqno ?? this.#seqnos.get(channel) ?? this.#origin;
    const octets = frame(keyword, channel, msgno, options.more ? '*' : '.', seqno, payload, options.ansno);
    this.#seqnos.set(channel, (seqno + Buffer.byteLength(payload)) % 2 ** 32);
    return octets;
  }

  /** Gives the session one frame. */
  say(
    keyword: Keyword,
    channel: number,
    msgno: number,
    payload: string | Buffer = '',
    options: FrameOptions = {},
  ): SessionEvent[] {
    return this.octets(this.frame(keyword, channel, msgno, payload, options));
  }

  /** What the session says now, frame by frame. */
  heard(limit = 65_536): (RawFrame | RawSeq)[] {
    const frames: (RawFrame | RawSeq)[] = [];
    for (let batch = this.session.transmit(limit); batch.length > 0; batch = this.session.transmit(limit)) {
      this.#reader.push(Buffer.concat(batch));
    }
    for (let next = this.#reader.next(); next !== undefined; next = this.#reader.next()) {
      frames.push(next);
    }
    return frames;
  }

  /** The same without SEQs. */
  messages(limit?: number): RawFrame[] {
    return this.heard(limit).filter((heard): heard is RawFrame => heard.keyword !== 'SEQ');
  }

  /** Only the SEQs. */
  seqs(): RawSeq[] {
    return this.heard().filter((heard): heard is RawSeq => heard.keyword === 'SEQ');
  }

  /** What the session says now, as text. */
  text(): string {
    return Buffer.concat(this.session.transmit(65_536)).toString();
  }

  /** Greets and takes the greeting. */
  greet(document = '<greeting />'): this {
    this.say('RPY', 0, 0, `${XML}${document}\r\n`);
    this.heard();
    return this;
  }

  /** Says one document on channel 0 under the next number. */
  ask(document: string): SessionEvent[] {
    return this.say('MSG', 0, this.#msgno++, `${XML}${document}\r\n`);
  }

  /** Has a channel with that number, whoever starts numbers of its parity. */
  channel(number: number, uri: string = ECHO): this {
    const ours = (number % 2 === 1) === (this.session.role === 'initiator');
    if (ours) {
      expect(this.session.start({ profiles: [{ uri }] })).to.equal(number);
      const [start] = this.messages();
      this.say('RPY', 0, start?.msgno ?? -1, `${XML}<profile uri='${uri}' />\r\n`);
    } else {
      this.session.acceptStart(
        only(this.ask(`<start number='${number}'><profile uri='${uri}' /></start>`), 'start'),
        uri,
      );
    }
    this.heard();
    return this;
  }

  /** Greeted, and a channel open. */
  ready(number: number, uri: string = ECHO): this {
    return this.greet().channel(number, uri);
  }

  /** A MSG of the session has left on the channel. @returns its number. */
  sent(channel: number, payload = 'hello'): number {
    const msgno = this.session.send(channel, { kind: 'MSG', payload: Buffer.from(payload) });
    this.heard();
    return msgno;
  }

  /** A reply of the session. */
  reply(kind: 'RPY' | 'ERR', channel: number, msgno: number, payload = ''): void {
    this.session.send(channel, { kind, msgno, payload: Buffer.from(payload) });
  }
}

/** The only event there is, of that type. */
export function only<T extends SessionEvent['type']>(events: readonly SessionEvent[], type: T): EventOf<T> {
  expect(events.map((event) => event.type)).to.deep.equal([type]);
  const [event] = events;
  if (event === undefined || !is(event, type)) {
    throw new Error(`no ${type}`);
  }
  return event;
}

function is<T extends SessionEvent['type']>(event: SessionEvent, type: T): event is EventOf<T> {
  return event.type === type;
}

/** The session ends with that fault, without an answer, and says nothing any more (RFC 3080 §2.2.1.1). */
export function faults(harness: SessionHarness, code: ErrorCode, action: () => unknown): void {
  let thrown: unknown;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).to.be.instanceOf(RemoteProtocolError);
  if (thrown instanceof RemoteProtocolError) {
    expect(thrown.code).to.equal(code);
    expect(thrown.reply).to.equal(undefined);
  }
  expect(harness.session.state).to.equal('closed');
  expect(harness.session.pending).to.equal(false);
  expect(harness.session.transmit(65_536)).to.deep.equal([]);
  harness.session.receive(Buffer.from('MSG 0 1 . 0 0\r\nEND\r\n'));
  expect(harness.session.nextEvent()).to.equal(undefined);
}

/** The document of a reply on channel 0. */
export function documentOf(message: RawFrame | undefined): string {
  const text = message?.payload.toString() ?? '';
  expect(text.startsWith(XML)).to.equal(true);
  return text.slice(XML.length).trimEnd();
}
