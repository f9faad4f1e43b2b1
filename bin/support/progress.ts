/**
 * Progress of work that takes long: one line on a terminal, with the rate and the time that is left. It is written to
 * standard error, from a second on, and is gone when the work is done; nothing is written where that is no terminal.
 */
import { harmless } from '../../lib/ops/terminal.js';
import { duration, octets, short } from './units.js';

/** What is shown from then on; shorter work needs no progress. */
const FIRST_MS = 1000;
const AGAIN_MS = 200;
const DEFAULT_COLUMNS = 80;
const ERASE = '\r\u001b[K';

export interface ProgressOptions {
  /** What is being done: `sending photo.png`. */
  readonly what: string;
  /** Undefined if it is not known: then no share and no time left are shown. */
  readonly total?: number | undefined;
  /** What is counted; default: octets. */
  readonly unit?: string;
  /** Default: standard error. */
  readonly stream?: Pick<NodeJS.WriteStream, 'isTTY' | 'write' | 'columns'>;
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number;
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #stream: NonNullable<ProgressOptions['stream']>;
  readonly #now: () => number;
  readonly #begun: number;
  #shownAt: number | undefined;

  constructor(options: ProgressOptions) {
    const { stream = process.stderr, now = () => performance.now() } = options;
    this.#options = options;
    this.#stream = stream;
    this.#now = now;
    this.#begun = now();
  }

  /** @param done what has been done since the start */
  update(done: number): void {
    if (this.#stream.isTTY !== true) return;
    const now = this.#now();
    const elapsed = now - this.#begun;
    if (elapsed < FIRST_MS || now - (this.#shownAt ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return;
    this.#shownAt = now;
    // Some terminals do not know their width, and say 0.
    const columns = this.#stream.columns || DEFAULT_COLUMNS;
    this.#stream.write(`${ERASE}${harmless(this.#text(done, elapsed / 1000)).slice(0, columns - 1)}`);
  }

  /** Does work, and shows how much of it has been done. @param done asked from time to time */
  async during<T>(done: () => number, work: () => Promise<T>): Promise<T> {
    const watching = setInterval(() => this.update(done()), AGAIN_MS);
    try {
      return await work();
    } finally {
      clearInterval(watching);
      this.end();
    }
  }

  /** Erases the line. */
  end(): void {
    if (this.#shownAt !== undefined) this.#stream.write(ERASE);
    this.#shownAt = undefined;
  }

  #text(done: number, seconds: number): string {
    const { what, total, unit } = this.#options;
    const amount = (value: number): string => (unit === undefined ? octets(value) : `${short(value)} ${unit}`);
    const rate = done / seconds;
    const parts = [`${amount(rate)}/s`];
    if (total === undefined) return `${what}: ${amount(done)}, ${parts.join(', ')}`;
    const share = total === 0 ? 1 : Math.min(1, done / total);
    if (done > 0 && done < total) parts.push(`${duration(Math.ceil((total - done) / rate))} left`);
    return `${what}: ${Math.floor(share * 100)} % of ${amount(total)}, ${parts.join(', ')}`;
  }
}
