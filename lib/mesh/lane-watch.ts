/**
 * Watch over the lanes on which a peer sends, for the side that alone can open further ones: of a link the relay that dialled
 * (core-01 §4.4.2), of a session with an endpoint the endpoint (core-01 §2.1). Further ones are opened when answers are due on
 * half of them, because recipients on this side are slow. Knows neither channels nor what is sent.
 */
import { systemClock, type Ticking } from '../transport/clock.js';

/** For how long no answer may leave on a lane until it counts as waiting. */
const WAITING_MS = 200;

export interface LaneWatchOptions {
  /** The lanes that the peer may use now. */
  lanes(): readonly WatchedLane[];
  /** Whether there are as many as there may be, or none may be opened now. */
  full(): boolean;
  /** Opens one more. */
  open(): void;
}

/** What is known of one lane: what has arrived on it, and whether answers leave. */
export class WatchedLane {
  readonly #owed: () => number;
  #received = 0;
  /** How many answers had left when that number last changed, and when it did. */
  #answered = 0;
  #since = 0;

  /** @param owed returns the number of answers that are due */
  constructor(owed: () => number) {
    this.#owed = owed;
  }

  received(): void {
    this.#received += 1;
  }

  /** Answers that are due. */
  get owed(): number {
    return this.#owed();
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

export class LaneWatch implements Ticking {
  readonly #options: LaneWatchOptions;
  #watching = false;
  /** When a further lane may be opened, on the coarse clock. */
  #notBefore = 0;

  constructor(options: LaneWatchOptions) {
    this.#options = options;
  }

  /** Something arrived on a lane. */
  received(lane: WatchedLane): void {
    lane.received();
    if (this.#watching) return;
    this.#watching = true;
    systemClock.add(this);
  }

  /** The peer has refused a lane: opens none for a while. */
  refused(ms: number): void {
    this.#notBefore = systemClock.coarse + ms;
  }

  /** There is another session: what the peer has refused on an earlier one does not count. */
  allowed(): void {
    this.#notBefore = 0;
  }

  tick(now: number): void {
    const { lanes, full, open } = this.#options;
    const watched = lanes();
    if (watched.every(({ owed }) => owed === 0)) {
      systemClock.remove(this);
      this.#watching = false;
      return;
    }
    const waiting = watched.filter((lane) => lane.waits(now) >= WAITING_MS).length;
    if (waiting * 2 < watched.length || full() || now < this.#notBefore) return;
    this.#notBefore = now + WAITING_MS;
    open();
  }
}
