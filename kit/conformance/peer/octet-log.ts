/** A log of every octet that crossed the socket of a raw peer, for failure messages and octet-exact comparison. */

const ENTRIES = 400;
const SHOWN_ENTRIES = 24;
const SHOWN_OCTETS = 600;

export interface Entry {
  readonly from: 'I' | 'L';
  readonly octets: Buffer;
  /** An event without octets. */
  readonly mark?: string;
}

/** Octets as text on one line: CR, LF and everything not printable escaped, long runs cut in the middle. */
export function visible(octets: Buffer, limit = SHOWN_OCTETS): string {
  const text = octets
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, (c) =>
      c === '\r' ? '\\r' : c === '\n' ? '\\n' : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
  if (text.length <= limit) return text;
  const half = limit / 2;
  return `${text.slice(0, half)} …${text.length - limit} more… ${text.slice(-half)}`;
}

export class OctetLog {
  readonly #entries: Entry[] = [];
  #recording: Buffer[] | undefined;
  #forgotten = 0;

  add(from: Entry['from'], octets: Buffer): void {
    if (from === 'L') this.#recording?.push(octets);
    const last = this.#entries.at(-1);
    if (last?.from === from && last.mark === undefined && last.octets.length + octets.length <= SHOWN_OCTETS) {
      this.#entries[this.#entries.length - 1] = {
        from,
        octets: Buffer.concat([last.octets, octets]),
      };
      return;
    }
    this.#entries.push({ from, octets });
    if (this.#entries.length > ENTRIES) {
      this.#entries.shift();
      this.#forgotten += 1;
    }
  }

  /** Records an event at its position. */
  mark(text: string): void {
    this.#entries.push({ from: 'I', octets: Buffer.alloc(0), mark: text });
  }

  /** Entries there were before {@link entries}. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** The most recent octets, in order. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** Records everything that the listener sends from now on. */
  record(): void {
    this.#recording = [];
  }

  /** What the listener sent since {@link record} or the last take, which is kept. */
  get recorded(): Buffer {
    return Buffer.concat(this.#recording ?? []);
  }

  /** What the listener sent since {@link record} or the last take. */
  take(): Buffer {
    const octets = Buffer.concat(this.#recording ?? []);
    this.#recording = [];
    return octets;
  }

  toString(): string {
    const shown = this.#entries.slice(-SHOWN_ENTRIES);
    const left = this.#entries.length - shown.length + this.#forgotten;
    return [
      left > 0 ? `  (${left} earlier)` : '',
      ...shown.map(({ from, octets, mark }) => (mark === undefined ? `  ${from}: ${visible(octets)}` : `  -- ${mark}`)),
    ].join('\n');
  }
}
