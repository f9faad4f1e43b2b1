/**
 * Outbound scheduler of a session: SEQs first, then one frame of each channel that can send, round-robin (RFC 3081
 * §3.1.4). Knows nothing of the meaning of the messages.
 */
import type { Channel } from './channel.js';
import { ENCODER } from './encoder.js';
import { MSG } from './frame.js';
import { NOTHING, type Outgoing } from './outgoing.js';
import { advance } from './seqno.js';

/** Called when a message is transmitted that has an effect or whose channel is ending. */
export interface TransmissionObserver {
  departed(channel: Channel, message: Outgoing): void;
}

export class ChannelOutbox {
  readonly #departures: TransmissionObserver;
  readonly #frameOctets: number;
  /** Round-robin list of the channels that can send. */
  #first: Channel | undefined;
  #last: Channel | undefined;
  /** Channels that owe the peer a SEQ. */
  #seqs: Channel[] = [];
  #over = false;
  /** Part of the greeting has been sent; it must come before any SEQ (RFC 3080 §2.4). */
  #spoken = false;
  /** RFC 3080 §3.1.3.1: only what was queued before may be sent. */
  quiet = false;

  constructor(departures: TransmissionObserver, frameOctets: number) {
    this.#departures = departures;
    this.#frameOctets = frameOctets;
  }

  /** No greeting will be sent: anything may leave first. */
  begin(): void {
    this.#spoken = true;
  }

  /** Whether something can be sent now. */
  get pending(): boolean {
    return this.#first !== undefined || (this.#seqs.length > 0 && this.#spoken && !this.quiet);
  }

  /** Checks a channel again after something was queued or its window grew. */
  wake(channel: Channel): void {
    if (!channel.listed && !this.#over && this.#sendable(channel)) {
      this.#list(channel);
    }
  }

  /** Checks whether a SEQ is due, after octets were received or consumed. */
  credit(channel: Channel): void {
    if (channel.inbound.worthwhile === channel.seqDue || this.#over) {
      return;
    }
    // No longer due: the message whose fragments were credited is complete and occupies the window now.
    if (channel.seqDue) {
      this.#forgetSeq(channel);
      return;
    }
    channel.seqDue = true;
    if (!channel.unannounced) {
      this.#seqs.push(channel);
    }
  }

  /** The reply that creates the channel has been written: the channel may send from now on. */
  open(channel: Channel): void {
    channel.unannounced = false;
    if (channel.seqDue) {
      this.#seqs.push(channel);
    }
    this.wake(channel);
  }

  /** Discards everything: the session has ended. */
  clear(): void {
    this.#over = true;
    this.#first = undefined;
    this.#last = undefined;
    this.#seqs = [];
  }

  /** Forgets a channel. */
  remove(channel: Channel): void {
    // A listed channel is skipped when its turn comes.
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
      // Since it was listed, a SEQ may have shrunk the window, or the channel may have been closed.
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

  /** Whether the head can be sent now: it has no payload left, or the window has room for some. */
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
