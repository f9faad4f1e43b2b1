/**
 * The two windows of a channel (RFC 3081 §3.1), in sequence numbers.
 *
 *        octets received and given back | held |   the peer may send these    | not yet allowed
 * ... --------------------------------+------+------------------------------+----------------->
 *                                           expected                         edge
 *
 * `edge` is what the last SEQ announced (initially 4,096) and never moves left. A new SEQ could announce expected +
 * space - held: receiving moves octets from the right of `expected` into `held`, consuming frees them.
 */
import { MAX_NUMBER } from './frame.js';
import { advance, offset, seqnoDistance } from './seqno.js';

/** RFC 3081 §3.1.1: every channel starts with this, channel 0 too. */
export const INITIAL_WINDOW_OCTETS = 4096;

/** Window that we grant the peer. */
export class InboundWindow {
  /** The sequence number of the next octet. */
  expected: number;
  /** The first sequence number the peer may not use yet. */
  edge: number;
  /** Octets this channel may hold. */
  space = INITIAL_WINDOW_OCTETS;
  /** Octets in complete messages that the application has not consumed. */
  unconsumed = 0;

  constructor(origin: number) {
    this.expected = origin;
    this.edge = advance(origin, INITIAL_WINDOW_OCTETS);
  }

  /** Octets the peer may send now. */
  get room(): number {
    return seqnoDistance(this.expected, this.edge);
  }

  /**
   * Whether a SEQ is worth sending: it announces at least half of the buffer space (RFC 3081 §3.1.4) and moves the edge
   * to the right. Never otherwise: RFC 1122 §4.2.2.16, and LibVortex drops the connection.
   */
  get worthwhile(): boolean {
    const free = this.space - this.unconsumed;
    return free * 2 >= this.space && free > seqnoDistance(this.expected, this.edge);
  }

  /** Advances past the octets of a frame. */
  receive(octets: number): void {
    this.expected = advance(this.expected, octets);
  }

  /** Moves the edge as far as the space allows. @returns the window for the SEQ. */
  advertise(): number {
    const free = Math.min(Math.max(this.space - this.unconsumed, this.room), MAX_NUMBER);
    this.edge = advance(this.expected, free);
    return free;
  }
}

/** Window that the peer grants us. */
export class OutboundWindow {
  /** The sequence number of the next octet. */
  next: number;
  /** The octets acknowledged by the peer's last SEQ. */
  acknowledged: number;
  edge: number;

  constructor(origin: number) {
    this.next = origin;
    this.acknowledged = origin;
    this.edge = advance(origin, INITIAL_WINDOW_OCTETS);
  }

  /** Octets that may be sent now; 0 if the peer has shrunk its window. */
  get room(): number {
    return Math.max(0, offset(this.next, this.edge));
  }

  /** Applies a SEQ. @returns false if it acknowledges octets that were never sent. */
  acknowledge(ackno: number, octets: number): boolean {
    if (seqnoDistance(this.acknowledged, ackno) > seqnoDistance(this.acknowledged, this.next)) {
      return false;
    }
    this.acknowledged = ackno;
    this.edge = advance(ackno, octets);
    return true;
  }
}
