/**
 * Follows documents as a new user would: runs their shell blocks in order, in an empty directory, with `imxp` and
 * `npx imxp` being this program. Blocks that start a relay or a listener run in a terminal of their own, and the next
 * block waits until they report that they are ready. The ports in the documents are replaced by free ones.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { codeBlocks } from './documents.js';
import { freePort } from './free-port.js';

import { RUN_PROGRAM } from './program.js';
import { PROJECT } from './requirement-table.js';
import { within } from './within.js';

const PORTS = ['10913', '20913', '30913', '40913', '50913', '9913', '9914', '9915'];
const PORT = new RegExp(`\\b(?:${PORTS.join('|')})\\b`, 'g');
const STAYS = /^(?:\w+=\S+ )?(?:npx )?imxp (relay|listen)\b/;
type Staying = 'relay' | 'listen';
const SAYS: Readonly<Record<Staying, RegExp>> = { relay: /"ready"/, listen: /attached/ };
/** Branches of a shell's `case`: the passwords of the quick start, where none is given. */
const PASSWORDS = [
  "  *' --cert '*) ;;",
  "  unset*' --from fred@example.com '*) export IMXP_PASSWORD=yabba ;;",
  "  unset*' listen barney@rubble.com '*) export IMXP_PASSWORD=dabba ;;",
];
const DEADLINE_MS = 60_000;

/** A terminal in which a block runs. */
class Terminal {
  readonly block: string;
  readonly #place: string;
  /** What it starts that does not end by itself. */
  readonly stays: Staying | undefined;
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;
  #looks: (() => void)[] = [];
  output = '';

  constructor(block: string, place: string, directory: string, environment: NodeJS.ProcessEnv) {
    this.block = block;
    this.#place = place;
    const [, stays] = STAYS.exec(block) ?? [];
    this.stays = stays === 'relay' || stays === 'listen' ? stays : undefined;
    const child = spawn('bash', ['-euo', 'pipefail', '-c', block], {
      cwd: directory,
      env: environment,
      detached: true,
    });
    this.#child = child;
    child.stdin.end();
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (octets: Buffer) => {
        this.output += octets.toString();
        for (const look of this.#looks) look();
      });
    }
    this.ended = new Promise((resolve) => child.once('close', resolve));
  }

  /**
   * Waits until the block has ended, or until what stays in it says that it is ready.
   *
   * @throws Error with the block and what it printed
   */
  async ready(): Promise<void> {
    if (this.stays !== undefined) {
      await this.#seen(SAYS[this.stays]);
      return;
    }
    const code = await within(DEADLINE_MS, this.ended, () => this.#said('should end'));
    if (code !== 0) throw new Error(this.#said(`ended with ${code}`));
  }

  /** Resolves when the output matches. */
  async #seen(what: RegExp): Promise<void> {
    const found = new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (what.test(this.output)) resolve();
      };
      this.#looks.push(look);
      look();
      void this.ended.then((code) => reject(new Error(this.#said(`ended with ${code}`))));
    });
    await within(DEADLINE_MS, found, () => this.#said(`should print ${what}`));
  }

  #said(what: string): string {
    return `${this.#place} ${what}\n${this.block}\n${this.output}`;
  }

  /** Ends everything that runs in it. */
  async close(): Promise<void> {
    const { pid } = this.#child;
    if (pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null)
      process.kill(-pid, 'SIGTERM');
    await this.ended;
  }
}

/** What the shell blocks of a document printed. */
export interface Followed {
  /** What each block printed, in their order. */
  readonly outputs: readonly string[];
  readonly blocks: readonly string[];
}

/** What is needed to check a configuration that a document shows in part. */
const MINIMAL = { domains: ['example.com'], listen: [{ port: 0 }], store: { type: 'memory' } };

/** One directory, in which documents are followed one after the other. */
export class Walk {
  readonly directory: string;
  readonly #ports: ReadonlyMap<string, number>;
  readonly #environment: Record<string, string | undefined>;
  readonly #terminals: Terminal[] = [];

  private constructor(directory: string, ports: ReadonlyMap<string, number>, environment: NodeJS.ProcessEnv) {
    this.directory = directory;
    this.#ports = ports;
    this.#environment = { ...process.env, NODE_OPTIONS: '', ...environment };
    this.#environment['PATH'] = `${join(directory, 'bin')}:${process.env['PATH']}`;
  }

  static async begin(environment: Readonly<Record<string, string>> = {}): Promise<Walk> {
    const directory = await mkdtemp(join(tmpdir(), 'imxp-walk-'));
    const ports = new Map<string, number>();
    for (const port of PORTS) ports.set(port, await freePort());
    const walk = new Walk(directory, ports, environment);
    await mkdir(walk.path('bin'));
    await walk.#program('imxp', '');
    await walk.#program('npx', '[ "$1" = imxp ] || exit 127\nshift\n');
    await writeFile(walk.path('mesh.example.json'), walk.#here(await readFile(`${PROJECT}mesh.example.json`, 'utf8')));
    return walk;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** The free port that stands for one of the documents. */
  port(shown: string): number {
    const port = this.#ports.get(shown);
    if (port === undefined) throw new Error(`no document has the port ${shown}`);
    return port;
  }

  /** Has all programs from now on trust an authority as they do a public one. */
  trust(authority: string): void {
    this.#environment['NODE_EXTRA_CA_CERTS'] = this.path(authority);
  }

  /**
   * Runs the shell blocks of a document. What listens in one of them ends with the document; relays stay.
   *
   * @throws Error with the block and its output when one does not end with 0 or does not become ready
   */
  async follow(document: string): Promise<Followed> {
    const terminals: Terminal[] = [];
    try {
      for (const { language, text, line, notRun } of codeBlocks(document)) {
        if (language !== 'sh' || notRun !== undefined) continue;
        const terminal = new Terminal(this.#here(text), `${document}:${line}`, this.directory, this.#environment);
        terminals.push(terminal);
        await terminal.ready();
      }
    } finally {
      const relays = terminals.filter(({ stays }) => stays === 'relay');
      this.#terminals.push(...relays);
      await Promise.all(terminals.filter((one) => !relays.includes(one)).map((terminal) => terminal.close()));
    }
    return { outputs: terminals.map(({ output }) => output), blocks: terminals.map(({ block }) => block) };
  }

  /**
   * Has `imxp check` look at each configuration of a document, completed where it is a part of one, or `imxp gateway`,
   * with the secrets that it names.
   *
   * @throws Error with what it says about one that cannot be used
   */
  async check(document: string): Promise<number> {
    const shown = codeBlocks(document).filter(({ language, notRun }) => language === 'json' && notRun === undefined);
    for (const { text, line } of shown) {
      const own = JSON.parse(this.#here(text));
      const gateway = 'xmpp' in own ? 'gateway xmpp' : 'smtp' in own ? 'gateway mail' : undefined;
      await writeFile(this.path('shown.json'), JSON.stringify(gateway ? own : { ...MINIMAL, ...own }));
      for (const [, name = ''] of gateway ? text.matchAll(/"(?:password|secret)File": "([^"]+)"/g) : []) {
        await mkdir(dirname(this.path(name)), { recursive: true });
        await writeFile(this.path(name), 'secret\n', { mode: 0o600 });
      }
      const command = `imxp ${gateway === undefined ? 'check' : `${gateway} --check`} --config shown.json`;
      await new Terminal(command, `${document}:${line}`, this.directory, this.#environment).ready();
    }
    return shown.length;
  }

  /** Ends everything and removes the directory. */
  async close(): Promise<void> {
    await Promise.all(this.#terminals.map((terminal) => terminal.close()));
    await rm(this.directory, { recursive: true, force: true });
  }

  /** A command in the path that runs this program, and types the password of whoever is named, as they would. */
  async #program(name: string, before: string): Promise<void> {
    const words = RUN_PROGRAM.map((word) => `'${word}'`).join(' ');
    const typed = `case "\${IMXP_PASSWORD-unset} $* " in\n${PASSWORDS.join('\n')}\nesac\n`;
    await writeFile(this.path(`bin/${name}`), `#!/bin/sh\n${before}${typed}exec '${process.execPath}' ${words} "$@"\n`);
    await chmod(this.path(`bin/${name}`), 0o755);
  }

  /** A text with the free ports, and with the directory in place of the one for a whole machine. */
  #here(text: string): string {
    return text.replace(PORT, (port) => `${this.port(port)}`).replaceAll('/var/lib/imxp', this.path('var/lib'));
  }
}
