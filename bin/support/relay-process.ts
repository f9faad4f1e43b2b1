/** Runs `imxp relay` as a child process and reads its log. */
import { type ChildProcess, spawn } from 'node:child_process';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CommandError, EXIT } from './exit.js';

/** One line of its log. */
export type LogRecord = Readonly<Record<string, unknown>>;

/** Starting takes a second; a machine that is busy with other work may need far longer. */
const START_MS = 60_000;
const STOP_MS = 15_000;

interface Waiter {
  readonly match: (record: LogRecord) => boolean;
  readonly nth: number;
  resolve(record: LogRecord | undefined): void;
}

export class RelayProcess {
  readonly #child: ChildProcess;
  readonly #records: LogRecord[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #ended: Promise<void>;
  /** URL it listens on, as `tcp://host:port`; set once it is ready. */
  url = '';
  #complaints = '';
  #over = false;

  private constructor(config: string) {
    // The program that is running now, from its sources or from dist/.
    const program = fileURLToPath(new URL(`../imxp${extname(import.meta.url)}`, import.meta.url));
    this.#child = spawn(process.execPath, [...process.execArgv, program, 'relay', '--config', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    process.once('exit', this.#kill);
    this.#child.stderr?.on('data', (octets: Buffer) => {
      this.#complaints += octets.toString();
    });
    if (this.#child.stdout !== null) createInterface(this.#child.stdout).on('line', (line) => this.#read(line));
    this.#ended = new Promise((resolve) => {
      const over = (): void => {
        process.off('exit', this.#kill);
        this.#over = true;
        for (const waiter of this.#waiters) waiter.resolve(undefined);
        resolve();
      };
      this.#child.once('close', over);
      this.#child.once('error', over);
    });
  }

  /** @throws CommandError UNAVAILABLE when it does not become ready */
  static async start(config: string): Promise<RelayProcess> {
    const relay = new RelayProcess(config);
    const ready = await relay.record(({ msg }) => msg === 'ready', START_MS);
    if (ready === undefined) {
      const why = relay.#over
        ? 'it ended without a reason; run it by itself with "imxp relay"'
        : `it was not ready within ${START_MS / 1000} s; try again when the machine is less busy`;
      await relay.stop();
      throw new CommandError(EXIT.UNAVAILABLE, `a relay did not start: ${relay.#complaints.trim() || why}`);
    }
    const { listening } = ready;
    relay.url = Array.isArray(listening) ? String(listening[0]) : '';
    return relay;
  }

  /** Waits for the nth matching line, past ones included; undefined when it does not come in time. */
  record(match: Waiter['match'], deadlineMs: number, nth = 1): Promise<LogRecord | undefined> {
    const found = this.#find(match, nth);
    if (found !== undefined || this.#over) return Promise.resolve(found);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        match,
        nth,
        resolve: (record) => {
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          resolve(record);
        },
      };
      const timer = setTimeout(() => waiter.resolve(undefined), deadlineMs);
      this.#waiters.add(waiter);
    });
  }

  /** Stops it in order, and kills it when that takes too long. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(this.#kill, STOP_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  readonly #kill = (): void => {
    this.#child.kill('SIGKILL');
  };

  #read(line: string): void {
    let record: LogRecord;
    try {
      record = JSON.parse(line);
    } catch {
      record = { msg: line };
    }
    this.#records.push(record);
    for (const waiter of [...this.#waiters]) {
      const found = this.#find(waiter.match, waiter.nth);
      if (found !== undefined) waiter.resolve(found);
    }
  }

  #find(match: Waiter['match'], nth: number): LogRecord | undefined {
    return this.#records.filter(match)[nth - 1];
  }
}
