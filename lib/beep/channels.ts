/**
 * The channels of one session by number, and which numbers may be used (RFC 3080 §2.3.1.2). Knows nothing of how
 * channels are created and closed.
 */
import { LocalError } from '../errors.js';
import { Channel, type NumberingStart, type Tally } from './channel.js';
import { ChannelMap } from './channel-map.js';
import { MAX_NUMBER } from './frame.js';

/**
 * Closed channel numbers that are remembered: a SEQ for one of them crossed the `ok` and is ignored, while a SEQ for a
 * channel that never existed is a fault (RFC 3081 §3.1.3). Only the closes of one round trip matter.
 */
const REMEMBERED = 1024;

export class Channels {
  readonly zero: Channel;
  readonly #isTuning: (uri: string) => boolean;
  readonly #origin: NumberingStart;
  /** All but channel 0. */
  readonly #byNumber = new ChannelMap<Channel>();
  /** Channel numbers of unanswered starts of either side, and whether a tuning profile is proposed. */
  #reserved: Map<number, boolean> | undefined;
  readonly #tally: Tally = { owed: 0 };
  /** The newest last. */
  #closed: number[] | undefined;
  #next: number;

  constructor(initiator: boolean, isTuning: (uri: string) => boolean, origin: NumberingStart) {
    this.#isTuning = isTuning;
    this.#origin = origin;
    this.#next = initiator ? 1 : 2;
    // Message number 0 of channel 0 is the greeting.
    this.zero = new Channel(0, '', false, { seqno: origin.seqno, msgno: Math.max(1, origin.msgno) }, this.#tally);
  }

  get(number: number): Channel | undefined {
    return number === 0 ? this.zero : this.#byNumber.get(number);
  }

  /** All channels, channel 0 included. */
  *all(): Generator<Channel, undefined> {
    yield this.zero;
    yield* this.#byNumber.values();
  }

  /** Whether something is queued on any channel except 0. */
  get unsent(): boolean {
    return this.#byNumber.some(hasUnsent);
  }

  /** Number of channels open or being started, except channel 0. */
  get count(): number {
    return this.#byNumber.size + (this.#reserved?.size ?? 0);
  }

  /** Whether a tuning channel is open or being started (RFC 3080 §2: there may be one at a time). */
  get tuning(): boolean {
    for (const channel of this.#byNumber.values()) {
      if (channel.tuning) {
        return true;
      }
    }
    for (const tuning of this.#reserved?.values() ?? []) {
      if (tuning) {
        return true;
      }
    }
    return false;
  }

  isTuning(uri: string): boolean {
    return this.#isTuning(uri);
  }

  inUse(number: number): boolean {
    return number === 0 || this.#byNumber.has(number) || this.#reserved?.has(number) === true;
  }

  wasClosed(number: number): boolean {
    return this.#closed?.includes(number) === true;
  }

  /** A free number of our parity: odd for the initiator, even for the listener. */
  allocate(): number {
    let number = this.#next;
    while (this.inUse(number)) {
      number = successor(number);
    }
    this.#next = successor(number);
    return number;
  }

  reserve(number: number, tuning: boolean): void {
    this.#reserved ??= new Map();
    this.#reserved.set(number, tuning);
  }

  release(number: number): void {
    this.#reserved?.delete(number);
    if (this.#reserved?.size === 0) {
      this.#reserved = undefined;
    }
  }

  open(number: number, uri: string): Channel {
    this.release(number);
    const closed = this.#closed?.indexOf(number) ?? -1;
    if (closed >= 0) {
      this.#closed?.splice(closed, 1);
    }
    const channel = new Channel(number, uri, this.#isTuning(uri), this.#origin, this.#tally);
    this.#byNumber.set(number, channel);
    return channel;
  }

  remove(channel: Channel): void {
    this.#byNumber.delete(channel.number);
    this.#tally.owed -= channel.owing;
    // Most sessions close only one channel, that of SASL; the literal avoids growing an empty list.
    if (this.#closed === undefined) {
      this.#closed = [channel.number];
      return;
    }
    this.#closed.push(channel.number);
    if (this.#closed.length > REMEMBERED) {
      this.#closed.shift();
    }
  }

  /** @throws LocalError BEEP_STATE */
  existing(number: number): Channel {
    const channel = this.get(number);
    if (channel === undefined) {
      throw new LocalError('BEEP_STATE', `channel ${number} does not exist`, { fields: { channel: number } });
    }
    return channel;
  }
}

function hasUnsent({ unsentOctets }: Channel): boolean {
  return unsentOctets > 0;
}

/** The next number of the same parity, 1..2147483647. */
function successor(number: number): number {
  return number + 2 > MAX_NUMBER ? 2 - (number % 2) : number + 2;
}
