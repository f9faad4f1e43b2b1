/** Progress of what arrives: shows on a terminal how much of a message has come that is not whole yet. */
import { Progress, type ProgressOptions } from './progress.js';

const WATCHED_MS = 200;

export class Arrivals {
  readonly #arrived: () => number;
  readonly #stream: NonNullable<ProgressOptions['stream']>;
  readonly #watching: NodeJS.Timeout | undefined;
  #progress: Progress | undefined;
  #before = 0;

  /**
   * @param arrived octets of incomplete messages
   * @param stream default: standard error
   */
  constructor(arrived: () => number, stream: NonNullable<ProgressOptions['stream']> = process.stderr) {
    this.#arrived = arrived;
    this.#stream = stream;
    if (stream.isTTY !== true) return;
    this.#watching = setInterval(() => this.#watch(), WATCHED_MS);
    this.#watching.unref();
  }

  /** Erases the line, because something else is written; what still arrives is shown again. */
  pause(): void {
    this.#progress?.end();
  }

  /** Ends the watch. */
  end(): void {
    clearInterval(this.#watching);
    this.pause();
  }

  #watch(): void {
    const arrived = this.#arrived();
    // Less than before: another message has begun, and its rate is its own.
    if (arrived < this.#before) {
      this.pause();
      this.#progress = undefined;
    }
    this.#before = arrived;
    if (arrived === 0) return;
    this.#progress ??= new Progress({ what: 'receiving', stream: this.#stream });
    this.#progress.update(arrived);
  }
}
