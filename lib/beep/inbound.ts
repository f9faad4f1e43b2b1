/**
 * Octets of the peer to events: each frame through the checks of its channel, each message to whom it is for. Owns the
 * order of reading; refuses to know what is sent.
 */
import { RemoteProtocolError } from '../errors.js';
import type { Channel } from './channel.js';
import type { Control } from './control.js';
import type { Conversation } from './conversation.js';
import { Decoder } from './decoder.js';
import type { SessionEvent } from './event.js';
import { ANS, ERR, type Header, KEYWORDS, MSG, NONE, NUL, RPY, SEQ } from './frame.js';
import type { Outgoing } from './outgoing.js';
import type { ReassemblyCounter } from './reassembly.js';

const CR = 0x0d;
const LF = 0x0a;

/** Told how much a session holds of messages that are not complete, before it is more. */
export interface ReassemblyObserver {
  /** @param octets all of it */
  reassembling(octets: number): void;
}

export class Inbound implements ReassemblyCounter {
  /** Octets of one message of the peer. */
  messageOctets: number;
  readonly #decoder = new Decoder();
  readonly #talk: Conversation;
  readonly #control: Control;
  /** The channel whose payload is being read. */
  #reading: Channel | undefined;
  readonly #holder: ReassemblyObserver | undefined;
  /** Octets of messages that are not complete, room made for them included. */
  #held = 0;
  /** Channels with a message whose final frame has not come. */
  #begun = 0;

  constructor(talk: Conversation, control: Control, holder: ReassemblyObserver | undefined) {
    this.#holder = holder;
    this.#talk = talk;
    this.#control = control;
    this.messageOctets = talk.limits.messageOctets;
  }

  /** Whether a frame or a message of the peer has begun and its end has not come. */
  get unfinished(): boolean {
    return this.#reading !== undefined || this.#begun > 0 || this.#decoder.unfinished;
  }

  count(octets: number): void {
    this.#held += octets;
    this.#holder?.reassembling(this.#held);
  }

  push(octets: Buffer): void {
    this.#decoder.push(octets);
  }

  /** Stops reading. @returns the octets not yet parsed */
  stop(): Buffer {
    this.#reading = undefined;
    return this.#decoder.rest();
  }

  /** The next event of the octets received. @throws RemoteProtocolError without reply */
  next(): SessionEvent | undefined {
    const { frame } = this.#decoder;
    for (;;) {
      let channel = this.#reading;
      if (channel === undefined) {
        if (!this.#decoder.header()) {
          return undefined;
        }
        if (frame.keyword === SEQ) {
          this.#sequence(frame);
          continue;
        }
        channel = this.#existing(frame);
        const event = this.#admit(channel, frame);
        this.#reading = channel;
        if (event !== undefined) {
          return event;
        }
      }
      if (!channel.inbox.read(this.#decoder, this.#limit(channel), this)) {
        return undefined;
      }
      this.#reading = undefined;
      const event = this.#finish(channel, frame);
      if (event !== undefined) {
        return event;
      }
    }
  }

  /** A frame whose header is in order; its payload comes next. */
  #admit(channel: Channel, frame: Header): SessionEvent | undefined {
    if (channel.number === 0) {
      this.#admitControl(frame);
    }
    const message = channel.admit(frame);
    if (message !== undefined && channel.acknowledged(frame, message)) {
      this.#talk.outbox.wake(channel);
      this.#control.closes.acknowledged(channel);
    }
    const discard = message?.dropped === true;
    if (channel.inbox.begin(frame, this.#limit(channel), this.#talk.limits.answers, discard, this)) {
      return undefined;
    }
    return this.#overflow(channel, frame, message);
  }

  #admitControl(frame: Header): void {
    const { keyword, msgno } = frame;
    const fields = { keyword: KEYWORDS[keyword] ?? '', msgno };
    if (this.#talk.state === 'greeting') {
      if (msgno !== 0 || (keyword !== RPY && (keyword !== ERR || !this.#talk.initiator))) {
        throw new RemoteProtocolError('BEEP_GREETING_INVALID', 'the first message is not a greeting', { fields });
      }
    } else if (keyword === ANS || keyword === NUL) {
      throw new RemoteProtocolError('BEEP_MANAGEMENT_REPLY_INVALID', 'channel 0 has no one-to-many replies', {
        fields,
      });
    }
  }

  /** A message grew past the limit; what comes of it is let go. */
  #overflow(channel: Channel, frame: Header, message: Outgoing | undefined): SessionEvent | undefined {
    const { number } = channel;
    const { msgno } = frame;
    if (frame.keyword === MSG) {
      channel.owe(msgno, this.#talk.limits.pipelined);
      if (number !== 0) {
        return { type: 'too-large', channel: number, msgno, limit: this.messageOctets };
      }
      this.#control.tooLarge(msgno);
      return undefined;
    }
    if (number === 0) {
      throw this.#control.poor(`a reply of more than ${this.#talk.limits.managementOctets} octets`);
    }
    if (message !== undefined) {
      message.dropped = true;
    }
    return { type: 'reply-too-large', channel: number, msgno };
  }

  /** Payload and trailer are complete. */
  #finish(channel: Channel, frame: Header): SessionEvent | undefined {
    const { inbound, inbox } = channel;
    const before = inbox.keyword;
    const payload = inbox.finish(frame, this);
    if (inbox.keyword !== before) {
      this.#begun += before === NONE ? 1 : -1;
    }
    inbound.receive(frame.size);
    // Whole messages hold their octets until they are consumed; parts of one, and channel 0, do not.
    if (payload !== undefined && channel.number !== 0 && frame.keyword !== NUL) {
      inbound.unconsumed += payload.length;
    }
    this.#talk.outbox.credit(channel);
    const event = frame.more ? undefined : this.#complete(channel, frame, payload);
    if (channel.ending) {
      this.#control.closes.settle();
    }
    return event ?? this.#talk.take();
  }

  /** The message of the frame is complete; without payload it was let go. */
  #complete(channel: Channel, frame: Header, payload: Buffer | undefined): SessionEvent | undefined {
    const { number } = channel;
    const { keyword, msgno } = frame;
    switch (keyword) {
      case MSG:
        if (payload === undefined) {
          return undefined;
        }
        channel.owe(msgno, this.#talk.limits.pipelined);
        if (number === 0) {
          this.#control.message(msgno, payload);
          return undefined;
        }
        return { type: 'message', channel: number, msgno, payload };
      case ANS:
        return payload && { type: 'answer', channel: number, msgno, ansno: frame.ansno, payload };
      default:
        return this.#replied(channel, frame, payload);
    }
  }

  #replied(channel: Channel, frame: Header, payload: Buffer | undefined): SessionEvent | undefined {
    const { number } = channel;
    const { keyword, msgno } = frame;
    const dropped = channel.answered(msgno)?.dropped === true;
    if (keyword === NUL && payload !== undefined && payload.length > 0 && (payload[0] !== CR || payload[1] !== LF)) {
      throw new RemoteProtocolError('BEEP_NUL_INVALID', 'NUL with payload', { fields: { channel: number, msgno } });
    }
    if (dropped || payload === undefined) {
      return undefined;
    }
    if (number === 0) {
      this.#control.reply(keyword, msgno, payload);
      return undefined;
    }
    if (keyword === NUL) {
      return { type: 'nul', channel: number, msgno };
    }
    return { type: 'reply', channel: number, msgno, kind: keyword === RPY ? 'RPY' : 'ERR', payload };
  }

  #sequence(frame: Header): void {
    const channel = this.#talk.channels.get(frame.channel);
    // A SEQ may cross the `ok` that closed its channel.
    if (channel === undefined && this.#talk.channels.wasClosed(frame.channel)) {
      return;
    }
    const { outbound } = this.#existing(frame);
    if (!outbound.acknowledge(frame.seqno, frame.size)) {
      throw new RemoteProtocolError(
        'BEEP_SEQ_INVALID',
        `SEQ acknowledges ${frame.seqno}, sent up to ${outbound.next}`,
        {
          fields: { channel: frame.channel, ackno: frame.seqno, next: outbound.next },
        },
      );
    }
    if (channel !== undefined) {
      this.#talk.outbox.wake(channel);
    }
  }

  /** The channel of a frame. One whose grant has not left does not exist for the peer. */
  #existing(frame: Header): Channel {
    const channel = this.#talk.channels.get(frame.channel);
    if (channel === undefined || channel.unannounced) {
      throw new RemoteProtocolError('BEEP_CHANNEL_UNKNOWN', `channel ${frame.channel} does not exist`, {
        fields: { channel: frame.channel, keyword: KEYWORDS[frame.keyword] ?? '' },
      });
    }
    return channel;
  }

  #limit(channel: Channel): number {
    return channel.number === 0 ? this.#talk.limits.managementOctets : this.messageOctets;
  }
}
