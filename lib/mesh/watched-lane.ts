/**
 * Watches one lane of a link: notices that the neighbour sent something, whether answers to it leave, and the end of
 * the lane.
 */
import type { Payload } from '../mime/payload.js';
import type { ChannelHandler } from '../transport/channel.js';
import type { Connection } from '../transport/connection.js';

/** Told what happens on a lane. */
export interface LaneWatcher {
  received(): void;
  closed(): void;
}

export class WatchedLane implements ChannelHandler {
  readonly connection: Connection;
  readonly #number: number;
  readonly #handler: ChannelHandler;
  readonly #watcher: LaneWatcher;
  #received = 0;
  /** How many answers had left when that number last changed, and when it did. */
  #answered = 0;
  #since = 0;

  constructor(connection: Connection, number: number, handler: ChannelHandler, watcher: LaneWatcher) {
    this.connection = connection;
    this.#number = number;
    this.#handler = handler;
    this.#watcher = watcher;
  }

  message(msgno: number, payload: Payload): void {
    this.#received += 1;
    this.#watcher.received();
    this.#handler.message(msgno, payload);
  }

  closed(): void {
    this.#handler.closed();
    this.#watcher.closed();
  }

  /** Answers that are due. */
  get owed(): number {
    return this.connection.channelInfo(this.#number)?.owed ?? 0;
  }

  /** For how long answers have been due of which none has left, milliseconds. */
  waits(now: number): number {
    const { owed } = this;
    const answered = this.#received - owed;
    if (owed === 0 || answered !== this.#answered) {
      this.#answered = answered;
      this.#since = now;
    }
    return now - this.#since;
  }
}
