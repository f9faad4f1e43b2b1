/**
 * Inbound message in progress on one channel. Applies the rules about the frames of one message (RFC 3080 §2.2.1.1) and
 * collects its octets; knows nothing of which messages were expected.
 *
 * While a MSG, RPY or ERR is incomplete (`*`), the next frame of the channel must have the same keyword and message
 * number. Several answers of one reply may be incomplete at once, distinguished by ansno; the next frame must then be
 * an ANS of the same reply.
 */
import { RemoteProtocolError } from '../errors.js';
import type { Payload } from '../mime/payload.js';
import { type Decoder, EMPTY } from './decoder.js';
import { ANS, type Header, KEYWORDS, NONE, NUL } from './frame.js';
import { Reassembly, type ReassemblyCounter } from './reassembly.js';

/** What an answer that has begun costs beside its octets: its place in the map, and the object there. */
const ANSWER_ENTRY_OCTETS = 128;

export class ChannelInbox {
  /** Keyword and number of the incomplete message; NONE between messages. */
  keyword = NONE;
  #msgno = 0;
  /** The rest of the incomplete message is discarded. */
  #discarding = false;
  #message: Reassembly | undefined;
  #answers: Map<number, Reassembly> | undefined;
  /** Octets of all incomplete answers. */
  #answerOctets = 0;
  /** The payload of the current frame if it is a complete message. */
  #whole: Buffer | undefined;

  /** Octets received of messages that are incomplete; of answers, those in whole frames. */
  get incompleteOctets(): number {
    return (this.#message?.octets ?? 0) + this.#answerOctets;
  }

  /**
   * @returns whether the frame continues a message in progress.
   * @throws RemoteProtocolError BEEP_MESSAGE_INTERRUPTED, BEEP_KEYWORD_CHANGED, BEEP_NUL_INVALID
   */
  continues(frame: Header): boolean {
    if (this.keyword === NONE) {
      return false;
    }
    const { channel, msgno } = frame;
    const fields = { channel, msgno, keyword: KEYWORDS[frame.keyword] ?? '', previous: KEYWORDS[this.keyword] ?? '' };
    if (msgno !== this.#msgno) {
      throw new RemoteProtocolError('BEEP_MESSAGE_INTERRUPTED', `message ${this.#msgno} was not complete`, { fields });
    }
    if (frame.keyword !== this.keyword) {
      throw frame.keyword === NUL
        ? new RemoteProtocolError('BEEP_NUL_INVALID', 'NUL while a message was not complete', { fields })
        : new RemoteProtocolError('BEEP_KEYWORD_CHANGED', 'the keyword changed within a message', { fields });
    }
    return this.keyword !== ANS || this.#answers?.has(frame.ansno) === true;
  }

  /**
   * Prepares for the payload of an admitted frame.
   *
   * @param answers that may be in progress side by side
   * @param discard whether the message is to be discarded
   * @returns false when the message exceeds `limit`: the rest is discarded
   * @throws RemoteProtocolError BUSY without reply
   */
  begin(frame: Header, limit: number, answers: number, discard: boolean): boolean {
    const answer = frame.keyword === ANS;
    if (answer && frame.more && this.#answers !== undefined && this.#answers.size >= answers) {
      this.#continuesAnswer(frame, answers);
    }
    if (this.keyword === NONE) {
      this.#discarding = discard;
      if (!frame.more && frame.size <= limit) {
        return true;
      }
    }
    if (this.#discarding) {
      return true;
    }
    const octets = answer ? this.#answerOctets : (this.#message?.octets ?? 0);
    if (octets + frame.size > limit) {
      this.#discarding = true;
      this.#message?.drop();
      this.#message = undefined;
      this.#answerOctets = 0;
      for (const begun of this.#answers?.values() ?? []) {
        begun.drop();
      }
      return false;
    }
    return true;
  }

  #continuesAnswer({ channel, msgno, ansno }: Header, limit: number): void {
    if (this.#answers?.has(ansno) === true) {
      return;
    }
    const text = `more than ${limit} answers of one reply begun and not complete`;
    throw new RemoteProtocolError('BUSY', text, { fields: { channel, msgno, limit } });
  }

  /** Reads payload octets. @returns true once payload and trailer are complete. */
  read(decoder: Decoder, counter: ReassemblyCounter): boolean {
    const { frame } = decoder;
    if (this.#discarding) {
      return decoder.skip();
    }
    let message = this.#reassembly(frame);
    if (message === undefined) {
      if (!frame.more) {
        this.#whole = decoder.take();
        if (this.#whole !== undefined) {
          return true;
        }
      }
      message = new Reassembly(counter);
      this.#keep(frame, message, counter);
    }
    return decoder.deliver(message);
  }

  /**
   * Finishes the frame just read. @returns the payload of the complete message; undefined if it continues or was
   * discarded.
   */
  finish(frame: Header, counter: ReassemblyCounter): Payload | undefined {
    const whole = this.#whole;
    if (whole !== undefined) {
      this.#whole = undefined;
      return whole;
    }
    if (frame.more) {
      return this.#goesOn(frame, counter);
    }
    const message = this.#reassembly(frame);
    const payload = this.#discarding ? undefined : (message?.finish() ?? EMPTY);
    if (frame.keyword === ANS) {
      this.#endAnswer(frame, message, counter);
    } else {
      this.#message = undefined;
      this.keyword = NONE;
    }
    return payload;
  }

  #goesOn(frame: Header, counter: ReassemblyCounter): undefined {
    this.keyword = frame.keyword;
    this.#msgno = frame.msgno;
    let message = this.#reassembly(frame);
    if (message === undefined && frame.keyword === ANS) {
      message = new Reassembly(counter);
      this.#keep(frame, message, counter);
    }
    if (!this.#discarding && message !== undefined) {
      this.#answerOctets += frame.keyword === ANS ? frame.size : 0;
    }
  }

  #endAnswer(frame: Header, message: Reassembly | undefined, counter: ReassemblyCounter): void {
    this.#answerOctets = Math.max(0, this.#answerOctets + frame.size - (message?.octets ?? 0));
    if (this.#answers?.delete(frame.ansno) === true) {
      counter.count(-ANSWER_ENTRY_OCTETS);
    }
    if (this.#answers === undefined || this.#answers.size === 0) {
      this.keyword = NONE;
      this.#answerOctets = 0;
      this.#answers = undefined;
    }
  }

  #reassembly(frame: Header): Reassembly | undefined {
    return frame.keyword === ANS ? this.#answers?.get(frame.ansno) : this.#message;
  }

  #keep(frame: Header, message: Reassembly, counter: ReassemblyCounter): void {
    if (frame.keyword === ANS) {
      counter.count(ANSWER_ENTRY_OCTETS);
      this.#answers ??= new Map();
      this.#answers.set(frame.ansno, message);
    } else {
      this.#message = message;
    }
  }
}
