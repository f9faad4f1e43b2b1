/** Runs the command line as a process of its own. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { RUN_PROGRAM } from './program.js';

export interface CliOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads; nothing by default. */
  readonly input?: string;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Waits for the end of `imxp …arguments`. */
export function imxp(args: readonly string[], { cwd, env = {}, input = '' }: CliOptions): Promise<CliResult> {
  const { IMXP_PASSWORD: _, ...inherited } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...RUN_PROGRAM, ...args], {
      cwd,
      // Contexts of whoever runs the specs must not count.
      env: { ...inherited, XDG_CONFIG_HOME: join(cwd, 'config'), ...env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input);
  });
}
