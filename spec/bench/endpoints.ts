/** Endpoints in a process of their own, which is asked to log in some more of them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RUN_SCRIPT } from '../support/script.js';

export interface EndpointsOptions {
  readonly port: number;
  /** File of the authority; with it they use TLS. */
  readonly authority?: string;
  /** Each stays attached; else it leaves at once. */
  readonly keep: boolean;
  /** They resume TLS sessions, as one endpoint does that comes again. */
  readonly resume: boolean;
  /** `handshakes`: nothing but TLS, with a server that is no relay. */
  readonly task: 'logins' | 'handshakes';
}

/** What some logins took. */
export interface Batch {
  readonly elapsedMs: number;
  /** CPU time of the process of the endpoints. */
  readonly cpuMs: number;
}

export class Endpoints {
  readonly #child: ChildProcess;
  readonly #answers: ((answer: Batch | Error) => void)[] = [];

  constructor(options: EndpointsOptions) {
    const file = fileURLToPath(new URL('./endpoints-process.ts', import.meta.url));
    const child = spawn(process.execPath, [...RUN_SCRIPT, file, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    createInterface(child.stdout).on('line', (line) => this.#answers.shift()?.(JSON.parse(line)));
    child.once('exit', (code) => {
      for (const answer of this.#answers.splice(0)) answer(new Error(`the endpoints ended with ${code}`));
    });
  }

  /** @throws Error when one of them is refused */
  async attach(count: number): Promise<Batch> {
    const answer = new Promise<Batch | Error>((resolve) => this.#answers.push(resolve));
    this.#child.stdin?.write(`${count}\n`);
    const batch = await answer;
    if (batch instanceof Error) throw batch;
    return batch;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}
