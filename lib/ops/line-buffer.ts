/**
 * Output of a log: a line that comes alone is written at once, and those of a busy moment together, because each write
 * is a system call that the event loop waits for. At most the lines of that moment are lost if the process is killed.
 */
import type { DestinationStream } from 'pino';

/** How long a line may wait. */
const MOMENT_MS = 20;
/** Written without waiting for the moment to end. */
const MOST_CHARACTERS = 65_536;

/** Calls a function once after so many milliseconds; it keeps no process alive. */
export type Later = (ms: number, run: () => void) => void;

export class LineBuffer implements DestinationStream {
  readonly #out: DestinationStream;
  readonly #later: Later;
  #waiting = '';
  /** True for a moment after each write. */
  #busy = false;

  constructor(out: DestinationStream, later: Later) {
    this.#out = out;
    this.#later = later;
  }

  write(line: string): void {
    if (!this.#busy) {
      this.#out.write(line);
      this.#begin();
      return;
    }
    this.#waiting += line;
    if (this.#waiting.length > MOST_CHARACTERS) this.flush();
  }

  /** Writes what waits. */
  flush(): void {
    if (this.#waiting === '') return;
    const lines = this.#waiting;
    this.#waiting = '';
    this.#out.write(lines);
  }

  #begin(): void {
    this.#busy = true;
    // Whoever ends the process flushes.
    this.#later(MOMENT_MS, () => {
      this.#busy = false;
      if (this.#waiting === '') return;
      this.flush();
      this.#begin();
    });
  }
}
