/**
 * Inbound side of a session: turns octets of the peer into events, passing each frame through the checks of its channel
 * and each message to its handler. Knows nothing of what is sent.
 */
import { RemoteProtocolError } from '../errors.js';
import { contiguous, type Payload, payloadOctets } from '../mime/payload.js';
import type { Channel } from './channel.js';
import type { ChannelManagement } from './channel-management.js';
import type { ChannelZero } from './channel-zero.js';
import { Decoder } from './decoder.js';
import type { SessionEvent } from './event.js';
import { ANS, ERR, type Header, KEYWORDS, MSG, NONE, NUL, RPY, SEQ } from './frame.js';
import type { Outgoing } from './outgoing.js';
import type { ReassemblyCounter } from './reassembly.js';

const CR = 0x0d;
const LF = 0x0a;

/** Observes how many octets of incomplete messages a session holds, before the number grows. */
export interface ReassemblyObserver {
  /** @param octets the total */
  reassembling(octets: number): void;
}

export class Inbound implements ReassemblyCounter {
  /** Largest message accepted from the peer, in octets. */
  messageOctets: number;
  readonly #decoder = new Decoder();
  readonly #channel0: ChannelZero;
  readonly #control: ChannelManagement;
  /** The channel whose payload is being read. */
  #reading: Channel | undefined;
  readonly #holder: ReassemblyObserver | undefined;
  /** Octets allocated for incomplete messages. */
  #held = 0;
  /** Number of channels with an incomplete message. */
  #begun = 0;

  constructor(channel0: ChannelZero, control: ChannelManagement, holder: ReassemblyObserver | undefined) {
    this.#holder = holder;
    this.#channel0 = channel0;
    this.#control = control;
    this.messageOctets = channel0.limits.messageOctets;
  }

  /** Whether a frame or a message of the peer is incomplete. */
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

  /** Returns the next event from the octets received. @throws RemoteProtocolError without reply */
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
      if (!channel.inbox.read(this.#decoder, this)) {
        return undefined;
      }
      this.#reading = undefined;
      const event = this.#finish(channel, frame);
      if (event !== undefined) {
        return event;
      }
    }
  }

  /** Admits a frame with a valid header; its payload is read next. */
  #admit(channel: Channel, frame: Header): SessionEvent | undefined {
    if (channel.number === 0) {
      this.#admitControl(frame);
    }
    const message = channel.admit(frame);
    if (message !== undefined && channel.acknowledged(frame, message)) {
      this.#channel0.outbox.wake(channel);
      this.#control.closes.acknowledged(channel);
    }
    const discard = message?.dropped === true;
    if (channel.inbox.begin(frame, this.#limit(channel), this.#channel0.limits.answers, discard)) {
      return undefined;
    }
    return this.#overflow(channel, frame, message);
  }

  #admitControl(frame: Header): void {
    const { keyword, msgno } = frame;
    const fields = { keyword: KEYWORDS[keyword] ?? '', msgno };
    if (this.#channel0.state === 'greeting') {
      if (msgno !== 0 || (keyword !== RPY && (keyword !== ERR || !this.#channel0.initiator))) {
        throw new RemoteProtocolError('BEEP_GREETING_INVALID', 'the first message is not a greeting', { fields });
      }
    } else if (keyword === ANS || keyword === NUL) {
      throw new RemoteProtocolError('BEEP_MANAGEMENT_REPLY_INVALID', 'channel 0 has no one-to-many replies', {
        fields,
      });
    }
  }

  /** A message exceeds the limit; the rest of it is discarded. */
  #overflow(channel: Channel, frame: Header, message: Outgoing | undefined): SessionEvent | undefined {
    const { number } = channel;
    const { msgno } = frame;
    if (frame.keyword === MSG) {
      channel.owe(msgno, this.#channel0.limits.pipelined);
      if (number !== 0) {
        return { type: 'too-large', channel: number, msgno, limit: this.messageOctets };
      }
      this.#control.tooLarge(msgno);
      return undefined;
    }
    if (number === 0) {
      throw this.#control.poor(`a reply of more than ${this.#channel0.limits.managementOctets} octets`);
    }
    if (message !== undefined) {
      message.dropped = true;
    }
    return { type: 'reply-too-large', channel: number, msgno };
  }

  /** Finishes a frame whose payload and trailer are complete. */
  #finish(channel: Channel, frame: Header): SessionEvent | undefined {
    const { inbound, inbox } = channel;
    const before = inbox.keyword;
    const payload = inbox.finish(frame, this);
    if (inbox.keyword !== before) {
      this.#begun += before === NONE ? 1 : -1;
    }
    inbound.receive(frame.size);
    // Complete messages occupy the window until they are consumed; parts of one, and channel 0, do not.
    if (payload !== undefined && channel.number !== 0 && frame.keyword !== NUL) {
      inbound.unconsumed += payloadOctets(payload);
    }
    this.#channel0.outbox.credit(channel);
    const event = frame.more ? undefined : this.#complete(channel, frame, payload);
    if (channel.ending) {
      this.#control.closes.settle();
    }
    return event ?? this.#channel0.take();
  }

  /** Handles a complete message; without payload it was discarded. */
  #complete(channel: Channel, frame: Header, payload: Payload | undefined): SessionEvent | undefined {
    const { number } = channel;
    const { keyword, msgno } = frame;
    switch (keyword) {
      case MSG:
        if (payload === undefined) {
          return undefined;
        }
        channel.owe(msgno, this.#channel0.limits.pipelined);
        if (number === 0) {
          this.#control.message(msgno, contiguous(payload));
          return undefined;
        }
        return { type: 'message', channel: number, msgno, payload };
      case ANS:
        return payload && { type: 'answer', channel: number, msgno, ansno: frame.ansno, payload: contiguous(payload) };
      default:
        return this.#replied(channel, frame, payload && contiguous(payload));
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
    const channel = this.#channel0.channels.get(frame.channel);
    // A SEQ may cross the `ok` that closed its channel.
    if (channel === undefined && this.#channel0.channels.wasClosed(frame.channel)) {
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
      this.#channel0.outbox.wake(channel);
    }
  }

  /** The channel of a frame. Until the reply that creates it is sent, a channel does not exist for the peer. */
  #existing(frame: Header): Channel {
    const channel = this.#channel0.channels.get(frame.channel);
    if (channel === undefined || channel.unannounced) {
      throw new RemoteProtocolError('BEEP_CHANNEL_UNKNOWN', `channel ${frame.channel} does not exist`, {
        fields: { channel: frame.channel, keyword: KEYWORDS[frame.keyword] ?? '' },
      });
    }
    return channel;
  }

  #limit(channel: Channel): number {
    return channel.number === 0 ? this.#channel0.limits.managementOctets : this.messageOctets;
  }
}
