/**
 * One channel: its two windows, the message in progress, the unanswered MSGs of either side, and the send queue.
 * Performs the frame checks that need these (RFC 3080 §2.2.1.1); knows nothing of profiles, other channels and the
 * meaning of channel 0.
 *
 * held ──the RPY that creates it is sent──> open ──close()──> deferred ──all MSGs acknowledged──> asked ──ok──> gone
 *     (only if the peer asked for it)        ^                                                     │
 *                                               └──────────────────────── error ──────────────────────┘
 */
import { LocalError, RemoteProtocolError } from '../errors.js';
import type { Payload } from '../mime/payload.js';
import { ANS, ERR, type Header, KEYWORDS, MAX_NUMBER, MSG, NONE, NUL } from './frame.js';
import { ChannelInbox } from './inbox.js';
import { Outgoing } from './outgoing.js';
import { InboundWindow, OutboundWindow } from './window.js';

export const OPEN = 0;
/** We are closing it, but a MSG of ours is not acknowledged yet. */
export const DEFERRED = 1;
/** Our `close` is sent. */
export const ASKED = 2;

/** First numbers used; 0 except in tests of the wrap-around. */
export interface NumberingStart {
  readonly seqno: number;
  readonly msgno: number;
}

/** Counts what the channels of one session have together. */
export interface Tally {
  /** MSGs of the peer whose reply has not left completely. */
  owed: number;
}

export class Channel {
  readonly number: number;
  readonly profile: string;
  readonly tuning: boolean;
  readonly inbound: InboundWindow;
  readonly outbound: OutboundWindow;
  readonly inbox = new ChannelInbox();
  /** MSGs of the peer whose reply has not left completely. */
  owed: Map<number, Outgoing> | undefined;
  /** Our MSGs whose reply is not completely received, including those still queued. */
  awaiting: Map<number, Outgoing> | undefined;
  /** Number of our MSGs of whose reply nothing has been received. */
  unacknowledged = 0;
  /** The next message to send, and the head of the queue. */
  head: Outgoing | undefined;
  /** Payload octets queued or staged and not transmitted. */
  unsentOctets = 0;
  /** Progress of our own close. */
  closing = OPEN;
  /** No further MSG may be sent: the peer's close was accepted, or the session is being released. */
  ending = false;
  /** The peer does not know yet that the channel exists: the reply that creates it is not sent. */
  unannounced = false;
  /**
   * Used by the outbox: whether it is in the list of channels that can send, the next one there, and whether a SEQ is
   * due.
   */
  listed = false;
  nextListed: Channel | undefined;
  seqDue = false;
  #tail: Outgoing | undefined;
  /** The oldest MSG not completely answered, and the newest. */
  #turn: Outgoing | undefined;
  #newest: Outgoing | undefined;
  #nextMsgno: number;
  readonly #tally: Tally;

  constructor(number: number, profile: string, tuning: boolean, origin: NumberingStart, tally: Tally) {
    this.#tally = tally;
    this.number = number;
    this.profile = profile;
    this.tuning = tuning;
    this.inbound = new InboundWindow(origin.seqno);
    this.outbound = new OutboundWindow(origin.seqno);
    this.#nextMsgno = origin.msgno;
  }

  /** Nothing is outstanding in either direction, as required before an `ok` (RFC 3080 §2.3.1.3). */
  get idle(): boolean {
    return this.owing === 0 && this.expecting === 0 && this.inbox.keyword === NONE;
  }

  get owing(): number {
    return this.owed?.size ?? 0;
  }

  get expecting(): number {
    return this.awaiting?.size ?? 0;
  }

  /**
   * Checks a header in the order of RFC 3080 §2.2.1.1, then RFC 3081 §3.1.
   *
   * @returns our MSG that the frame answers
   * @throws RemoteProtocolError without reply
   */
  admit(frame: Header): Outgoing | undefined {
    if (frame.seqno !== this.inbound.expected) {
      throw this.#fault('BEEP_SEQNO_UNEXPECTED', `expected seqno ${this.inbound.expected}, not ${frame.seqno}`, frame);
    }
    // LibVortex sends a NUL with CRLF as payload.
    if (frame.keyword === NUL && (frame.more || (frame.size !== 0 && frame.size !== 2))) {
      throw this.#fault('BEEP_NUL_INVALID', 'NUL with "*" or with payload', frame);
    }
    const continues = this.inbox.continues(frame);
    const message = frame.keyword === MSG ? undefined : this.awaiting?.get(frame.msgno);
    if (!continues) {
      this.#admitFirst(frame, message);
    }
    if (frame.size > this.inbound.room) {
      throw this.#fault('BEEP_WINDOW_EXCEEDED', `${frame.size} octets in a window of ${this.inbound.room}`, frame);
    }
    return message;
  }

  #admitFirst(frame: Header, message: Outgoing | undefined): void {
    if (frame.keyword === MSG) {
      if (this.owed?.has(frame.msgno)) {
        throw this.#fault('BEEP_MSGNO_IN_USE', 'MSG with the number of one that is not completely answered', frame);
      }
      return;
    }
    if (message === undefined || !message.started) {
      throw this.#fault('BEEP_REPLY_UNEXPECTED', 'a reply to a MSG that was not sent or is already answered', frame);
    }
    // RPY or ERR after ANS; a NUL may follow ANS or come alone.
    if (message.replied === ANS && frame.keyword !== ANS && frame.keyword !== NUL) {
      throw this.#fault('BEEP_KEYWORD_CHANGED', 'the reply had begun with ANS', frame);
    }
    // RFC 3080 §2.6.3: only a negative reply may come before the MSG is complete.
    if (!message.complete && frame.keyword !== ERR) {
      throw this.#fault('BEEP_REPLY_UNEXPECTED', 'a positive reply before the MSG was complete', frame);
    }
  }

  /** Notes a frame of a reply. @returns true if it is the first: the MSG is acknowledged. */
  acknowledged(frame: Header, message: Outgoing): boolean {
    const first = message.replied === NONE;
    message.replied = frame.keyword;
    if (first) {
      this.unacknowledged -= 1;
      if (!message.complete) {
        this.unsentOctets -= message.octets - message.sent;
        message.truncate();
      }
    }
    return first;
  }

  /** The last frame of the reply has been received. @returns the MSG */
  answered(msgno: number): Outgoing | undefined {
    const message = this.awaiting?.get(msgno);
    this.awaiting?.delete(msgno);
    if (this.number === 0 && this.awaiting?.size === 0) {
      this.awaiting = undefined;
    }
    return message;
  }

  /** The peer's greeting is the reply to a MSG 0 that was never sent (RFC 3080 §2.3.1.1). */
  expectGreeting(): void {
    const message = new Outgoing(MSG, 0, 0, undefined);
    message.started = true;
    message.complete = true;
    this.awaiting = new Map([[0, message]]);
    this.unacknowledged = 1;
  }

  /**
   * Reserves the place for the reply to a MSG of the peer.
   *
   * @param limit of those of all channels
   * @throws RemoteProtocolError BUSY without reply
   */
  owe(msgno: number, limit: number): void {
    this.owed ??= new Map();
    if (this.#tally.owed >= limit) {
      throw new RemoteProtocolError('BUSY', `more than ${limit} unanswered MSGs in a session`, {
        fields: { channel: this.number, limit },
      });
    }
    this.#tally.owed += 1;
    const reply = new Outgoing(NONE, msgno, 0, undefined);
    this.owed.set(msgno, reply);
    if (this.#turn === undefined) {
      this.#turn = reply;
    } else if (this.#newest !== undefined) {
      this.#newest.after = reply;
    }
    this.#newest = reply;
  }

  /** Queues a MSG under a number that no other outstanding MSG has (RFC 3080 §2.2.1.1). */
  request(payload: Payload): Outgoing {
    this.awaiting ??= new Map();
    while (this.awaiting.has(this.#nextMsgno)) {
      this.#nextMsgno = successor(this.#nextMsgno);
    }
    const message = new Outgoing(MSG, this.#nextMsgno, 0, payload);
    this.#nextMsgno = successor(this.#nextMsgno);
    this.awaiting.set(message.msgno, message);
    this.unacknowledged += 1;
    this.unsentOctets += message.octets;
    this.#enqueue(message);
    return message;
  }

  /**
   * Sets the reply to a MSG, or one answer. It is queued once every earlier MSG is answered (RFC 3080 §2.6.1).
   *
   * @throws LocalError BEEP_STATE if no reply is outstanding
   */
  reply(keyword: number, msgno: number, ansno: number, payload: Payload | undefined, late: boolean): Outgoing {
    const reply = this.owed?.get(msgno);
    if (reply === undefined || reply.keyword !== NONE) {
      throw new LocalError('BEEP_STATE', `no reply is owed to MSG ${msgno} on channel ${this.number}`);
    }
    if (reply.replied === ANS && keyword !== ANS && keyword !== NUL) {
      throw new LocalError('BEEP_STATE', `the reply to MSG ${msgno} began with ANS and must end with NUL`);
    }
    if (keyword === ANS) {
      return this.#answer(reply, ansno, payload, late);
    }
    reply.answer(keyword, payload);
    reply.late = late;
    this.unsentOctets += reply.octets;
    this.#takeTurns();
    return reply;
  }

  #answer(reply: Outgoing, ansno: number, payload: Payload | undefined, late: boolean): Outgoing {
    // Answers are sent one after another, so no two of one number are ever in progress.
    const answer = new Outgoing(ANS, reply.msgno, ansno, payload);
    answer.late = late;
    reply.replied = ANS;
    this.unsentOctets += answer.octets;
    if (reply === this.#turn) {
      this.#enqueue(answer);
    } else {
      reply.staged ??= [];
      reply.staged.push(answer);
    }
    return answer;
  }

  /** Queues the replies that are complete, in the order of the MSGs, up to the first that is not. */
  #takeTurns(): void {
    let reply = this.#turn;
    while (reply !== undefined) {
      for (const answer of reply.staged ?? []) {
        this.#enqueue(answer);
      }
      reply.staged = undefined;
      if (reply.keyword === NONE) {
        break;
      }
      this.#enqueue(reply);
      const { after } = reply;
      reply.after = undefined;
      reply = after;
    }
    this.#turn = reply;
    if (reply === undefined) {
      this.#newest = undefined;
    }
  }

  #enqueue(message: Outgoing): void {
    if (this.#tail === undefined) {
      this.head = message;
    } else {
      this.#tail.next = message;
    }
    this.#tail = message;
  }

  /**
   * Removes MSGs from the queue of which nothing has been transmitted.
   *
   * @returns the numbers of those removed, in order
   */
  withdraw(msgnos: ReadonlySet<number>): number[] {
    const withdrawn: number[] = [];
    let before: Outgoing | undefined;
    for (let message = this.head; message !== undefined; message = message.next) {
      if (message.keyword !== MSG || message.started || !msgnos.has(message.msgno)) {
        before = message;
        continue;
      }
      if (before === undefined) {
        this.head = message.next;
      } else {
        before.next = message.next;
      }
      this.awaiting?.delete(message.msgno);
      this.unacknowledged -= 1;
      this.unsentOctets -= message.octets;
      withdrawn.push(message.msgno);
    }
    this.#tail = before;
    return withdrawn;
  }

  /** The MSGs of which nothing has been transmitted. */
  get unstarted(): ReadonlySet<number> {
    const unstarted = new Set<number>();
    for (const [msgno, { started }] of this.awaiting ?? []) {
      if (!started) {
        unstarted.add(msgno);
      }
    }
    return unstarted;
  }

  /** Removes the head of the queue: its final frame was transmitted. */
  dequeue(): void {
    const message = this.head;
    if (message === undefined) {
      return;
    }
    this.head = message.next;
    message.next = undefined;
    if (this.head === undefined) {
      this.#tail = undefined;
    }
    message.complete = true;
    message.payload = undefined;
    if (message.keyword !== MSG && message.keyword !== ANS) {
      if (this.owed?.delete(message.msgno) === true) {
        this.#tally.owed -= 1;
      }
      // Channel 0 is idle most of the time.
      if (this.number === 0 && this.owed?.size === 0) {
        this.owed = undefined;
      }
    }
  }

  #fault(code: RemoteProtocolError['code'], what: string, frame: Header): RemoteProtocolError {
    const { channel, msgno, seqno, size } = frame;
    const keyword = KEYWORDS[frame.keyword] ?? '';
    return new RemoteProtocolError(code, what, { fields: { channel, keyword, msgno, seqno, size } });
  }
}

function successor(msgno: number): number {
  return msgno === MAX_NUMBER ? 0 : msgno + 1;
}
