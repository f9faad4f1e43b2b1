/**
 * Whose turn it is to leave: SEQs first, then one frame of each channel that can send, in a circle (RFC 3081 §3.1.4).
 * Owns the order; refuses to know what the messages are about.
 */
import type { Channel } from './channel.js';
import { ENCODER } from './encoder.js';
import { MSG } from './frame.js';
import { NOTHING, type Outgoing } from './outgoing.js';
import { advance } from './seqno.js';

/** Told when a message has left whose leaving matters: it has an effect, or its channel is ending. */
export interface Departures {
  departed(channel: Channel, message: Outgoing): void;
}

export class ChannelOutbox {
  readonly #departures: Departures;
  readonly #frameOctets: number;
  /** The circle of channels that can send. */
  #first: Channel | undefined;
  #last: Channel | undefined;
  /** Channels that owe the peer a SEQ. */
  #seqs: Channel[] = [];
  #over = false;
  /** The greeting has begun to leave; it is the first thing a peer may see, before any SEQ (RFC 3080 §2.4). */
  #spoken = false;
  /** RFC 3080 §3.1.3.1: only what was queued before may leave. */
  quiet = false;

  constructor(departures: Departures, frameOctets: number) {
    this.#departures = departures;
    this.#frameOctets = frameOctets;
  }

  /** Whether something can leave now. */
  get pending(): boolean {
    return this.#first !== undefined || (this.#seqs.length > 0 && this.#spoken && !this.quiet);
  }

  /** Looks at a channel again after something was queued or its window grew. */
  wake(channel: Channel): void {
    if (!channel.listed && !this.#over && this.#sendable(channel)) {
      this.#list(channel);
    }
  }

  /** Looks whether a SEQ is due, after octets were received or consumed. */
  credit(channel: Channel): void {
    if (channel.inbound.worthwhile === channel.seqDue || this.#over) {
      return;
    }
    // Not due any more: the message whose fragments were credited became whole, and is held now.
    if (channel.seqDue) {
      this.#forgetSeq(channel);
      return;
    }
    channel.seqDue = true;
    if (!channel.unannounced) {
      this.#seqs.push(channel);
    }
  }

  /** The peer learns of the channel with the octets just written: it may send from now on. */
  open(channel: Channel): void {
    channel.unannounced = false;
    if (channel.seqDue) {
      this.#seqs.push(channel);
    }
    this.wake(channel);
  }

  /** Forgets everything: the session is over. */
  clear(): void {
    this.#over = true;
    this.#first = undefined;
    this.#last = undefined;
    this.#seqs = [];
  }

  /** Forgets a channel. */
  remove(channel: Channel): void {
    // One that is listed is passed over when its turn comes.
    channel.head = undefined;
    this.#forgetSeq(channel);
  }

  #forgetSeq(channel: Channel): void {
    channel.seqDue = false;
    this.#seqs = this.#seqs.filter((other) => other !== channel);
  }

  transmit(limit: number): Buffer[] {
    if (this.quiet && this.#first === undefined) {
      return [];
    }
    // RFC 3080 §3.1.3.2: not even a SEQ for the frame that asked for TLS
    if (this.#seqs.length > 0 && this.#spoken && !this.quiet) {
      this.#writeSeqs();
    }
    while (this.#first !== undefined && ENCODER.octets < limit) {
      const channel = this.#first;
      this.#first = channel.nextListed;
      channel.nextListed = undefined;
      channel.listed = false;
      if (this.#first === undefined) {
        this.#last = undefined;
      }
      // A SEQ may have shrunk the window, or the channel may be gone, since it was listed.
      if (channel.head !== undefined && this.#sendable(channel)) {
        this.#write(channel, channel.head);
        this.wake(channel);
      }
    }
    return ENCODER.finish();
  }

  #write(channel: Channel, message: Outgoing): void {
    const { outbound } = channel;
    const size = Math.min(message.octets - message.sent, this.#frameOctets, outbound.room);
    message.started = true;
    ENCODER.frame(channel.number, outbound.next, message, size);
    outbound.next = advance(outbound.next, size);
    channel.unsentOctets -= size;
    if (message.sent === message.octets) {
      channel.dequeue();
      if (message.effect !== NOTHING || (channel.ending && message.keyword !== MSG)) {
        this.#departures.departed(channel, message);
      }
    }
    this.#spoken = true;
    // SEQs that were held back until now
    if (this.#seqs.length > 0 && !this.quiet) {
      this.#writeSeqs();
    }
  }

  #writeSeqs(): void {
    for (const channel of this.#seqs) {
      channel.seqDue = false;
      const { inbound } = channel;
      ENCODER.seq(channel.number, inbound.expected, inbound.advertise());
    }
    this.#seqs = [];
  }

  /** The head can leave now: nothing of it is payload, or the window has room for some. */
  #sendable(channel: Channel): boolean {
    const { head } = channel;
    return (
      head !== undefined &&
      !channel.unannounced &&
      !(this.quiet && head.late) &&
      (head.sent === head.octets || channel.outbound.room > 0)
    );
  }

  #list(channel: Channel): void {
    channel.listed = true;
    if (this.#last === undefined) {
      this.#first = channel;
    } else {
      this.#last.nextListed = channel;
    }
    this.#last = channel;
  }
}
