/**
 * Watch for stalled transfers: disconnects a peer that stops in the middle of a message or does not read. Runs only
 * while a transfer is under way.
 */
import { type ImxpError, TransportError } from '../errors.js';
import { systemClock, type Ticking } from './clock.js';
import { MinimumRate } from './minimum-rate.js';

/** The connection that is watched. */
export interface WatchedForStall {
  /** Octets written that the transport still holds. */
  readonly unsentOctets: number;
  destroy(error: ImxpError): void;
  /** Nothing is under way any more: the watch is not needed until something is. */
  rested(): void;
}

export interface StallLimits {
  readonly stalledTimeoutMs: number;
  readonly messageTimeoutMs: number;
  readonly messageOctetsPerSecond: number;
}

export class StallWatch implements Ticking {
  readonly #connection: WatchedForStall;
  readonly #reading: MinimumRate;
  readonly #writing: MinimumRate;
  #watched = false;

  constructor(
    connection: WatchedForStall,
    { messageTimeoutMs, stalledTimeoutMs, messageOctetsPerSecond }: StallLimits,
  ) {
    this.#connection = connection;
    this.#reading = new MinimumRate(messageTimeoutMs, messageOctetsPerSecond);
    this.#writing = new MinimumRate(stalledTimeoutMs, messageOctetsPerSecond);
  }

  /** @param unfinished whether a message has begun to come and is not complete */
  received(octets: number, unfinished: boolean): void {
    if (!unfinished) {
      this.#reading.end();
      return;
    }
    this.#reading.begin(this.#watch());
    this.#reading.moved(octets);
  }

  wrote(octets: number): void {
    this.#writing.moved(octets);
  }

  /** All that could be written was. @param waiting whether something could not */
  flushed(waiting: boolean): void {
    if (waiting) this.#writing.begin(this.#watch(), this.#connection.unsentOctets);
    else this.#writing.end();
  }

  /** The transport changes: nothing is under way. */
  rest(): void {
    this.#reading.end();
    this.#writing.end();
  }

  stop(): void {
    this.#watched = false;
    systemClock.remove(this);
  }

  tick(now: number): void {
    if (this.#reading.stalled(now)) {
      this.#connection.destroy(new TransportError('TIMED_OUT', 'the peer began a message and does not finish it'));
      // What the transport still holds has not left.
    } else if (this.#writing.stalled(now, this.#connection.unsentOctets)) {
      this.#connection.destroy(new TransportError('TIMED_OUT', 'the peer does not read what is sent to it'));
    } else if (this.#reading.idle && this.#writing.idle) {
      this.stop();
      this.#connection.rested();
    }
  }

  #watch(): number {
    if (!this.#watched) {
      this.#watched = true;
      systemClock.add(this);
    }
    return systemClock.coarse;
  }
}
