/**
 * A program that talks in lines over its standard input and output. Knows no SASL.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { within } from '../support/within.js';

const ANSWER_DEADLINE_MS = 10_000;

export class LineProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string | undefined) => void)[] = [];
  #ended = false;
  #stderr = '';

  constructor(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const env = { ...process.env, LC_ALL: 'C.UTF-8', ...environment };
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
    this.#child = child;
    child.on('error', () => this.#end());
    this.#closed = new Promise((resolve) => child.once('close', () => resolve()));
    // A program that gives up does not read what it is sent; that it ended says enough.
    child.stdin.on('error', () => {});
    child.stderr.on('data', (octets: Buffer) => {
      this.#stderr += octets.toString();
    });
    const reader = createInterface({ input: child.stdout });
    reader.on('line', (line) => this.#take(line));
    reader.on('close', () => this.#end());
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get stderr(): string {
    return this.#stderr;
  }

  #take(line: string): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#lines.push(line);
    else next(line);
  }

  #end(): void {
    this.#ended = true;
    for (const next of this.#waiting.splice(0)) next(undefined);
  }

  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Ends its input. */
  end(): void {
    this.#child.stdin?.end();
  }

  /** The next line; `undefined` when the program has ended. */
  line(deadlineMs = ANSWER_DEADLINE_MS): Promise<string | undefined> {
    const line = this.#lines.shift();
    if (line !== undefined || this.#ended) return Promise.resolve(line);
    const next = new Promise<string | undefined>((resolve) => this.#waiting.push(resolve));
    return within(deadlineMs, next, () => `a line from the peer; it said: ${this.#stderr}`);
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  /** Kills it, and waits until its sockets are gone as well. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}
