/** A program at a pseudo-terminal of its own, with somebody who types and looks. */
import { spawn, spawnSync } from 'node:child_process';
import { within } from './within.js';

/** util-linux: runs a command on a pseudo-terminal. */
const SCRIPT = spawnSync('script', ['--version']);
export const HAS_TERMINAL = SCRIPT.status === 0 && SCRIPT.stdout.includes('util-linux');

export class Terminal {
  readonly #child: ReturnType<typeof spawn>;
  readonly ended: Promise<number | null>;
  #output = '';
  readonly #looking = new Set<() => void>();

  constructor(command: readonly string[], cwd: string, environment: Readonly<Record<string, string>> = {}) {
    const quoted = command.map((one) => `'${one}'`).join(' ');
    // A terminal in which a line of text is one line.
    this.#child = spawn('script', ['-qfec', `stty cols 200 rows 50; exec ${quoted}`, '/dev/null'], {
      cwd,
      env: { ...process.env, NODE_OPTIONS: '', TERM: 'xterm', NO_COLOR: '1', ...environment },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      for (const look of [...this.#looking]) look();
    });
    this.ended = new Promise((resolve) => this.#child.once('close', (code) => resolve(code)));
  }

  get output(): string {
    return this.#output;
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  async sees(pattern: RegExp, deadlineMs = 20_000): Promise<void> {
    const seen = new Promise<void>((resolve) => {
      const look = (): void => {
        if (!pattern.test(this.#output)) return;
        this.#looking.delete(look);
        resolve();
      };
      this.#looking.add(look);
      look();
    });
    await within(deadlineMs, seen, () => `${pattern} in ${JSON.stringify(this.#output.slice(-4000))}`);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
