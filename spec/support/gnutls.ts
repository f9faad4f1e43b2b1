/**
 * The client and server of GnuTLS as independent peers. Installs `gnutls-bin` where permitted; prints a clear notice if
 * it is not available, because a run without it proves less.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missingPackages } from './debian.js';

/** One suite of the drafts, in one version. */
export function year2000(version: '1.0' | '1.1', exchange: 'RSA' | 'DHE-DSS' = 'RSA'): string {
  return `NORMAL:-VERS-ALL:+VERS-TLS${version}:-CIPHER-ALL:+3DES-CBC:-KX-ALL:+${exchange}:+SHA1`;
}

function installed(): boolean {
  return spawnSync('gnutls-cli', ['--version']).status === 0;
}

/** Why there is no GnuTLS here, or undefined when there is. */
export function missingGnutls(): string | undefined {
  return missingPackages(['gnutls-bin'], installed);
}

/** Files for the programs, in a directory that goes away. */
export class Files {
  readonly #directory = mkdtempSync(join(tmpdir(), 'imxp-gnutls-'));

  put(name: string, contents: string): string {
    const path = join(this.#directory, name);
    writeFileSync(path, contents, { mode: 0o600 });
    return path;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** A running program, with all it said. */
export class Program {
  readonly process: ChildProcessWithoutNullStreams;
  output = '';
  /** What of it went to standard error. */
  errors = '';
  readonly exited: Promise<number | null>;
  readonly #watchers = new Set<() => void>();

  constructor(command: string, args: readonly string[]) {
    // Into a pipe they would speak only every 4,096 octets.
    this.process = spawn('stdbuf', ['-o0', '-e0', command, ...args]);
    const heard = (chunk: Buffer): void => {
      this.output += chunk.toString('latin1');
      for (const watcher of this.#watchers) watcher();
    };
    this.process.stdout.on('data', heard);
    this.process.stderr.on('data', (chunk: Buffer) => {
      this.errors += chunk.toString('latin1');
      heard(chunk);
    });
    this.process.stdin.on('error', () => {});
    this.exited = new Promise((resolve, reject) => {
      this.process.on('close', (code) => {
        resolve(code);
        for (const watcher of this.#watchers) watcher();
      });
      this.process.on('error', reject);
    });
  }

  /** Resolves when it has said that. */
  says(pattern: RegExp): Promise<void> {
    return this.#until(() => pattern.test(this.output));
  }

  /** Resolves when it has said that on standard error. */
  complains(pattern: RegExp): Promise<void> {
    return this.#until(() => pattern.test(this.errors));
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (condition()) settle(resolve);
        else if (this.process.exitCode !== null) settle(() => reject(new Error(`it ended: ${this.output}`)));
      };
      const settle = (act: () => void): void => {
        this.#watchers.delete(look);
        act();
      };
      this.#watchers.add(look);
      look();
    });
  }

  stop(): void {
    this.process.kill('SIGKILL');
  }
}

/** A TCP listener that hands out one connection. */
export function listening(): Promise<{ port: number; accepted: Promise<Socket>; close(): void }> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    const accepted = new Promise<Socket>((accept) => server.once('connection', accept));
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('no port'));
      else resolve({ port: address.port, accepted, close: () => server.close() });
    });
  });
}

export function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
}
