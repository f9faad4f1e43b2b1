/**
 * The channels of one session by number, and which numbers may be used (RFC 3080 §2.3.1.2). Refuses to know how
 * channels come and go.
 */
import { LocalError } from '../errors.js';
import { Channel, type NumberingStart, type Tally } from './channel.js';
import { MAX_NUMBER } from './frame.js';
import { Numbered } from './numbered.js';

/**
 * Closed numbers remembered: a SEQ that crossed the `ok` is ignored for them, while one for a channel that never was
 * is a fault (RFC 3081 §3.1.3). More than a round trip's worth of closes need not be known.
 */
const REMEMBERED = 1024;

export class Channels {
  readonly zero: Channel;
  readonly #isTuning: (uri: string) => boolean;
  readonly #origin: NumberingStart;
  /** All but channel 0. */
  readonly #byNumber = new Numbered<Channel>();
  /** Numbers of starts not answered yet, from either side, and whether one proposed is a tuning profile. */
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

  /** Whether something waits on one of the channels, 0 not counted, to be transmitted. */
  get unsent(): boolean {
    return this.#byNumber.some(hasUnsent);
  }

  /** Channels open or being started, channel 0 not counted. */
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
    // Made with its first member, because most sessions close one channel, that of SASL, and never another.
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
