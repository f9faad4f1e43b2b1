/**
 * Follows a document as a new user would: runs its shell blocks in order, in an empty directory, with `npx imxp` being
 * this program. Blocks that start a relay or a listener run in a terminal of their own, and the next block waits until
 * they report that they are ready. The ports in the document are replaced by free ones.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeBlocks } from './documents.js';
import { freePort } from './node-process.js';
import { RUN_PROGRAM } from './program.js';
import { PROJECT } from './requirement-table.js';
import { within } from './within.js';

const PORTS = /\b(?:10913|20913|9913)\b/g;
const STAYS = /^(?:\w+=\S+ )?npx imxp (relay|listen)\b/;
const SAYS: Readonly<Record<string, RegExp>> = { relay: /"ready"/, listen: /attached/ };
const DEADLINE_MS = 60_000;

/** A terminal in which a block runs. */
class Terminal {
  readonly block: string;
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;
  #looks: (() => void)[] = [];
  output = '';

  constructor(block: string, directory: string) {
    this.block = block;
    const environment = { ...process.env, NODE_OPTIONS: '', PATH: `${directory}/bin:${process.env['PATH']}` };
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

  /** Resolves when the output matches. */
  async seen(what: RegExp): Promise<void> {
    const found = new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (what.test(this.output)) resolve();
      };
      this.#looks.push(look);
      look();
      void this.ended.then((code) => reject(new Error(`it ended with ${code}`)));
    });
    await within(DEADLINE_MS, found, () => `${this.block}\nshould print ${what}\n${this.output}`);
  }

  /** Ends everything that runs in it. */
  async close(): Promise<void> {
    const { pid } = this.#child;
    if (pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null)
      process.kill(-pid, 'SIGTERM');
    await this.ended;
  }
}

export interface Followed {
  /** What each block printed, in their order. */
  readonly outputs: readonly string[];
  readonly blocks: readonly string[];
}

/** @throws Error with the block and its output when one does not end with 0 or does not become ready */
export async function follow(document: string): Promise<Followed> {
  const directory = await mkdtemp(join(tmpdir(), 'imxp-walk-'));
  const terminals: Terminal[] = [];
  const ports = new Map<string, number>();
  for (const port of ['10913', '20913', '9913']) ports.set(port, await freePort());
  const here = (text: string): string => text.replace(PORTS, (port) => `${ports.get(port)}`);
  try {
    await mkdir(join(directory, 'bin'));
    const program = RUN_PROGRAM.map((word) => `'${word}'`).join(' ');
    const npx = `#!/bin/sh\n[ "$1" = imxp ] || exit 127\nshift\nexec '${process.execPath}' ${program} "$@"\n`;
    await writeFile(join(directory, 'bin/npx'), npx);
    await chmod(join(directory, 'bin/npx'), 0o755);
    await writeFile(join(directory, 'mesh.example.json'), here(await readFile(`${PROJECT}mesh.example.json`, 'utf8')));
    for (const { language, text, line } of codeBlocks(document)) {
      if (language !== 'sh') continue;
      const terminal = new Terminal(here(text), directory);
      terminals.push(terminal);
      const [, command = ''] = STAYS.exec(text) ?? [];
      const ready = SAYS[command];
      if (ready !== undefined) {
        await terminal.seen(ready);
        continue;
      }
      const code = await within(DEADLINE_MS, terminal.ended, () => `${text}\nshould end\n${terminal.output}`);
      if (code !== 0) throw new Error(`${document}:${line} ended with ${code}\n${text}\n${terminal.output}`);
    }
  } finally {
    await Promise.all(terminals.map((terminal) => terminal.close()));
    await rm(directory, { recursive: true, force: true });
  }
  return { outputs: terminals.map(({ output }) => output), blocks: terminals.map(({ block }) => block) };
}
