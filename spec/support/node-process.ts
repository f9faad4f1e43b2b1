/**
 * The program as users run it: `imxp` commands and relays as real processes in a temporary directory, with accounts and
 * certificates created through the command line. It uses only the command line and nothing from lib/.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from './free-port.js';
import { PROGRAM, RUN_PROGRAM } from './program.js';
import { within } from './within.js';

/** A node with workers is three programs that load at a time, on a machine that may be busy. */
const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 15_000;

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface RunOptions {
  readonly input?: Buffer | string;
  readonly deadlineMs?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A started `imxp` command; its output is kept. */
export class Command {
  readonly #child: ChildProcess;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  readonly #finished: Promise<Finished>;
  readonly #listeners = new Set<() => void>();
  readonly #title: string;
  #over: Finished | undefined;

  /** @param run what Node is started with before the arguments: the program, or another script */
  constructor(
    arguments_: readonly string[],
    directory: string,
    environment: Readonly<Record<string, string>> = {},
    run: readonly string[] = RUN_PROGRAM,
  ) {
    this.#title = run === RUN_PROGRAM ? `imxp ${arguments_.join(' ')}` : arguments_.join(' ');
    const child = spawn(process.execPath, [...run, ...arguments_], {
      cwd: directory,
      // Contexts of whoever runs the specs must not count.
      env: { ...process.env, NODE_OPTIONS: '', XDG_CONFIG_HOME: join(directory, 'config'), ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    running.add(child);
    // A process that ended early does not read its input; its exit code says more than EPIPE.
    child.stdin?.on('error', () => {});
    child.stdout?.on('data', (octets: Buffer) => this.#keep(this.#stdout, octets));
    child.stderr?.on('data', (octets: Buffer) => this.#keep(this.#stderr, octets));
    this.#finished = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(child);
        this.#over = { code, signal, stdout: this.stdout, stderr: this.stderr };
        resolve(this.#over);
        this.#tell();
      });
    });
  }

  #keep(kept: Buffer[], octets: Buffer): void {
    kept.push(octets);
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  get stderr(): Buffer {
    return Buffer.concat(this.#stderr);
  }

  /** Everything it printed, for searching. */
  get output(): string {
    return `${this.stdout}${this.stderr}`;
  }

  get ended(): boolean {
    return this.#over !== undefined;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Writes the rest of its standard input. */
  input(octets: Buffer | string): void {
    this.#child.stdin?.end(octets);
  }

  /** Writes to its standard input, which stays open. */
  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Waits until the output holds something; returns what `find` returned. */
  async seen<T>(find: (output: string) => T | undefined, what: string, deadlineMs = 10_000): Promise<T> {
    let stop = (): void => {};
    const found = new Promise<T>((resolve, reject) => {
      const look = (): void => {
        const value = find(this.output);
        if (value !== undefined) resolve(value);
        else if (this.#over !== undefined) reject(new Error(`it ended (${this.#over.code ?? this.#over.signal})`));
      };
      this.#listeners.add(look);
      stop = () => this.#listeners.delete(look);
      look();
    });
    try {
      return await within(deadlineMs, found, what);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : `${cause}`;
      throw new Error(`${this.#title}: ${what}: ${reason}\n${this.output.slice(-4000)}`, { cause });
    } finally {
      stop();
    }
  }

  async finished(deadlineMs = 30_000): Promise<Finished> {
    return await within(deadlineMs, this.#finished, () => `${this.#title} ends\n${this.output.slice(-4000)}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.finished();
  }
}

export interface LogLine {
  readonly level?: number | string;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

/** A relay: `imxp relay --config …`. */
export class NodeProcess {
  readonly port: number;
  readonly config: string;
  readonly #directory: string;
  #command: Command | undefined;
  #earlier = '';

  constructor(directory: string, config: string, port: number) {
    this.#directory = directory;
    this.config = config;
    this.port = port;
  }

  /**
   * Starts it and waits until it logs "ready".
   *
   * @param environment more for it than this process has
   * @param run as for {@link Command}
   */
  async start(environment: Readonly<Record<string, string>> = {}, run: readonly string[] = RUN_PROGRAM): Promise<this> {
    this.#command = new Command(['relay', '--config', this.config], this.#directory, environment, run);
    await this.log((line) => line.msg === 'ready', 'ready', START_DEADLINE_MS);
    return this;
  }

  get command(): Command {
    if (this.#command === undefined) throw new Error(`${this.config} was not started`);
    return this.#command;
  }

  /** Every log line of the present process. */
  get lines(): LogLine[] {
    return linesOf(this.command.output);
  }

  /** Everything it ever printed, earlier processes included. */
  get output(): string {
    return this.#earlier + this.command.output;
  }

  /** How many log lines there are by now; see {@link log}. */
  get mark(): number {
    return this.lines.length;
  }

  /** Waits for a log line, from the `since`th on. */
  async log(match: (line: LogLine) => boolean, what: string, deadlineMs = 5000, since = 0): Promise<LogLine> {
    return await this.command.seen((output) => linesOf(output).slice(since).find(match), `logs ${what}`, deadlineMs);
  }

  /** SIGTERM; returns how it ended. */
  async stop(): Promise<Finished> {
    this.command.signal('SIGTERM');
    try {
      return await this.#over(this.command.finished(STOP_DEADLINE_MS));
    } catch (cause) {
      await this.kill();
      throw cause;
    }
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.command.signal('SIGKILL');
    await this.#over(this.command.finished());
  }

  async #over(finished: Promise<Finished>): Promise<Finished> {
    const result = await finished;
    this.#earlier += this.command.output;
    return result;
  }
}

/** JSON log lines; anything else the process prints is the message of a line. */
function linesOf(output: string): LogLine[] {
  return output.split('\n').slice(0, -1).map(lineOf);
}

function lineOf(line: string): LogLine {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : { msg: line };
  } catch {
    return { msg: line };
  }
}

/** A temporary directory with everything the processes of one spec file need. */
/**
 * Returns the configuration of a relay of example.com that looks for no other relay, for {@link Workshop.node}.
 *
 * @param more of it, or instead of it
 */
export function lonely(more: object = {}): (port: number) => object {
  return (port) => ({
    domains: ['example.com'],
    listen: [{ port }],
    store: { type: 'lmdb', path: 'var' },
    mesh: { dns: { enabled: false } },
    ...more,
  });
}

export class Workshop {
  readonly directory: string;
  readonly #nodes: NodeProcess[] = [];
  readonly #commands: Command[] = [];

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async open(): Promise<Workshop> {
    if (!existsSync(PROGRAM)) throw new Error(`there is no program at ${PROGRAM}; build it first`);
    return new Workshop(await mkdtemp(join(tmpdir(), 'imxp-')));
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Writes a file, with its directory; returns its path. */
  async file(name: string, content: string | Buffer): Promise<string> {
    const path = this.path(name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content, { mode: 0o600 });
    return path;
  }

  /** A command run to its end. */
  async run(arguments_: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const command = this.command(arguments_, options.environment);
    command.input(options.input ?? '');
    return await command.finished(options.deadlineMs ?? 30_000);
  }

  /** A command left running. */
  command(arguments_: readonly string[], environment?: Readonly<Record<string, string>>): Command {
    const command = new Command(arguments_, this.directory, environment);
    this.#commands.push(command);
    return command;
  }

  async #must(arguments_: readonly string[], options: RunOptions = {}): Promise<void> {
    const { code, stdout, stderr } = await this.run(arguments_, options);
    if (code !== 0) throw new Error(`imxp ${arguments_.join(' ')} ended with ${code}\n${stdout}${stderr}`);
  }

  /** `imxp certs`: an authority and a certificate for each domain in `certs/`. */
  async certs(...domains: readonly string[]): Promise<{ readonly authority: string; readonly octets: Buffer }> {
    await this.#must(['certs', '--out', this.path('certs'), ...domains.flatMap((domain) => ['--domain', domain])]);
    const authority = this.path('certs/ca.crt');
    return { authority, octets: readFileSync(authority) };
  }

  /** `imxp account add` for a node. */
  async account(node: NodeProcess, address: string, password: string): Promise<void> {
    const file = await this.file(`secrets/${encodeURIComponent(address)}`, `${password}\n`);
    await this.#must(['account', 'add', address, '--config', node.config, '--password-file', file]);
  }

  /** A relay with a configuration written for it, on a free port unless one is given. Not started yet. */
  async node(name: string, config: (port: number) => object, given?: number): Promise<NodeProcess> {
    const port = given ?? (await freePort());
    const path = await this.file(`${name}.json`, `${JSON.stringify(config(port), null, 2)}\n`);
    const node = new NodeProcess(this.directory, path, port);
    this.#nodes.push(node);
    return node;
  }

  /** A relay of example.com with accounts, which keeps everything over a restart; started. @param more of its configuration */
  async relay(accounts: readonly string[], password: string, more: object = {}): Promise<NodeProcess> {
    const node = await this.node('mesh', lonely(more));
    for (const address of accounts) await this.account(node, address, password);
    return await node.start();
  }

  /** Ends what still runs and removes the directory. */
  async close(): Promise<void> {
    for (const command of this.#commands) command.signal('SIGKILL');
    for (const node of this.#nodes) {
      try {
        node.command.signal('SIGKILL');
        await node.command.finished();
      } catch {
        // Never started: nothing to end.
      }
    }
    await Promise.all(this.#commands.map((command) => command.finished()));
    await rm(this.directory, { recursive: true, force: true });
  }
}
