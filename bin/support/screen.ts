/** Full-screen view in a terminal, redrawn on demand and left by a key. */

export interface Terminal {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
}

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const ERASE_LINE = '\u001b[K';
const ERASE_BELOW = '\u001b[J';
const QUIT = new Set(['q', 'Q', '\u0003', '\u0004', '\u001b']);

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences
const SEQUENCE = /\u001b\[[0-9;]*m/y;

/** Cuts a line to a number of columns, not counting colours. */
export function clipped(line: string, columns: number): string {
  let width = 0;
  let at = 0;
  while (at < line.length) {
    SEQUENCE.lastIndex = at;
    const sequence = SEQUENCE.exec(line);
    if (sequence !== null) {
      at += sequence[0].length;
      continue;
    }
    if (width === columns) return `${line.slice(0, at)}\u001b[0m`;
    width += 1;
    at += 1;
  }
  return line;
}

export class Screen {
  readonly #terminal: Terminal;
  readonly #quit: () => void;
  #lines: readonly string[] = [];

  /** @param quit called when the user wants to leave */
  constructor(terminal: Terminal, quit: () => void) {
    this.#terminal = terminal;
    this.#quit = quit;
  }

  open(): void {
    const { input, output } = this.#terminal;
    output.write(ENTER);
    output.on('resize', this.#redraw);
    input.setRawMode(true);
    input.on('data', this.#typed);
    input.on('end', this.#quit);
    input.resume();
  }

  show(lines: readonly string[]): void {
    this.#lines = lines;
    this.#redraw();
  }

  close(): void {
    const { input, output } = this.#terminal;
    input.off('data', this.#typed);
    input.off('end', this.#quit);
    input.setRawMode(false);
    input.pause();
    output.off('resize', this.#redraw);
    output.write(LEAVE);
  }

  readonly #typed = (octets: Buffer): void => {
    if ([...octets.toString('latin1')].some((key) => QUIT.has(key))) this.#quit();
  };

  readonly #redraw = (): void => {
    const { columns = 80, rows = 24 } = this.#terminal.output;
    const shown = this.#lines.slice(0, rows).map((line) => `${clipped(line, columns)}${ERASE_LINE}`);
    this.#terminal.output.write(`${HOME}${shown.join('\r\n')}${shown.length < rows ? `\r\n${ERASE_BELOW}` : ''}`);
  };
}
