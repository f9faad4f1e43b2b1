/** The openssl command as an independent peer, with its files in a temporary directory. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why OpenSSL is not available, or undefined if it is. */
export function missingOpenssl(): string | undefined {
  const { status, error } = spawnSync('openssl', ['version']);
  return status === 0 ? undefined : `there is no openssl command: ${error?.message ?? `exit code ${status}`}`;
}

export interface OpensslResult {
  readonly ok: boolean;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export class Openssl {
  readonly #directory = mkdtempSync(join(tmpdir(), 'imxp-openssl-'));

  path(name: string): string {
    return join(this.#directory, name);
  }

  put(name: string, contents: string | Buffer): string {
    writeFileSync(this.path(name), contents, { mode: 0o600 });
    return this.path(name);
  }

  read(name: string): Buffer {
    return readFileSync(this.path(name));
  }

  run(args: readonly string[]): OpensslResult {
    const { status, stdout, stderr } = spawnSync('openssl', args, { maxBuffer: 64 * 1024 * 1024 });
    return { ok: status === 0, stdout, stderr: stderr.toString() };
  }

  /** @throws Error with what it said */
  must(args: readonly string[]): Buffer {
    const { ok, stdout, stderr } = this.run(args);
    if (!ok) throw new Error(`openssl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
