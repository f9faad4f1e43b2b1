/**
 * Live log for a reader who may be slow: the process never waits for them. What they do not read in time is not kept, and
 * they are told how many lines they have missed.
 */
import type { Writable } from 'node:stream';
import { type Log, type LogLevel, type LogOptions, startLog } from './log.js';
import type { LogFilter } from './log-filter.js';

/** Characters that wait for a reader. */
const MOST_UNREAD = 1_048_576;
/** A reader who reads nothing at all for so long is disconnected. */
const STALLED_MS = 60_000;

export interface LogTailOptions {
  readonly level: LogLevel;
  readonly filter: LogFilter;
  /** As for {@link startLog}. */
  readonly every: NonNullable<LogOptions['every']>;
  /** Characters that may wait; default: 1,048,576. */
  readonly mostUnread?: number;
  /** Default: 60,000. */
  readonly stalledMs?: number;
}

export class LogTail {
  readonly #out: Writable;
  readonly #log: Log;
  readonly #mostUnread: number;
  readonly #stalledMs: number;
  /** Lines of this turn of the event loop, which are written together. */
  #waiting = '';
  #lost = 0;
  /** When the first of the lines was lost, on the monotonic clock. */
  #lostSince = 0;

  constructor(out: Writable, options: LogTailOptions) {
    const { level, filter, every, mostUnread = MOST_UNREAD, stalledMs = STALLED_MS } = options;
    this.#out = out;
    this.#mostUnread = mostUnread;
    this.#stalledMs = stalledMs;
    out.on('drain', this.#drained);
    this.#log = startLog({
      level,
      every,
      destination: { write: (line) => this.#write(line) },
      admits: (entry) => filter.admits(entry),
    });
  }

  /** Writes what waits, and stops. */
  stop(): void {
    this.#out.off('drain', this.#drained);
    this.#log.stop();
    this.#flush();
  }

  #write(line: string): void {
    const { writableLength, destroyed } = this.#out;
    if (destroyed) return;
    if (this.#lost > 0 || this.#waiting.length + writableLength + line.length > this.#mostUnread) {
      this.#lose();
      return;
    }
    if (this.#waiting === '') setImmediate(this.#flush);
    this.#waiting += line;
  }

  #lose(): void {
    const now = performance.now();
    if (this.#lost === 0) this.#lostSince = now;
    this.#lost += 1;
    if (now - this.#lostSince > this.#stalledMs) this.#out.destroy();
  }

  readonly #flush = (): void => {
    const lines = this.#waiting;
    this.#waiting = '';
    if (lines !== '' && this.#out.writable) this.#out.write(lines);
  };

  readonly #drained = (): void => {
    if (this.#lost === 0) return;
    const lost = this.#lost;
    this.#lost = 0;
    const time = new Date().toISOString();
    this.#write(`${JSON.stringify({ level: 'warn', time, lost, msg: 'lines lost: this reader is too slow' })}\n`);
  };
}
