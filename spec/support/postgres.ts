/** A PostgreSQL server of its own for specs: on loopback and on a Unix socket, in a directory that goes with it. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { PostgresConfig } from '../../lib/config/schema.js';
import { INSTALL_TIMEOUT_MS, missingPackages } from './debian.js';
import { freePort } from './free-port.js';

const BINARIES = '/usr/lib/postgresql';
export const PASSWORD = 'yabba:d@bba/doo';

/** Directory of the newest server that is installed. */
function binaries(): string | undefined {
  if (!existsSync(BINARIES)) return undefined;
  const versions = readdirSync(BINARIES).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(BINARIES, version, 'bin')).find((path) => existsSync(join(path, 'initdb')));
}

/** The server refuses to run as root. */
function run(directory: string, program: string, args: readonly string[]): string {
  const path = join(binaries() ?? '', program);
  const root = process.getuid?.() === 0;
  const [command, ...all] = root ? ['runuser', '-u', 'postgres', '--', path, ...args] : [path, ...args];
  const { status, error, stderr, stdout } = spawnSync(command ?? '', all, {
    cwd: directory,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
    stdio: ['ignore', program === 'pg_ctl' ? 'ignore' : 'pipe', program === 'pg_ctl' ? 'ignore' : 'pipe'],
  });
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `${stdout ?? ''}${stderr ?? ''}`}`);
  return stdout ?? '';
}

/** Gives files to the user that the server runs as. */
function giveAway(...paths: readonly string[]): void {
  if (process.getuid?.() !== 0) return;
  const { status, stderr } = spawnSync('chown', ['postgres', ...paths], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`chown: ${stderr}`);
}

export class PostgresServer {
  readonly directory: string;
  readonly port: number;

  private constructor(directory: string, port: number) {
    this.directory = directory;
    this.port = port;
  }

  /** @param settings lines of postgresql.conf */
  static async start(settings: readonly string[] = []): Promise<PostgresServer> {
    const directory = mkdtempSync(join(tmpdir(), 'imxp-pg-'));
    chmodSync(directory, 0o755);
    const server = new PostgresServer(directory, await freePort());
    giveAway(directory);
    const password = join(directory, 'password');
    writeFileSync(password, PASSWORD, { mode: 0o644 });
    const data = join(directory, 'data');
    run(directory, 'initdb', [
      ...['-D', data, '-U', 'imxp', `--pwfile=${password}`, '--auth-local=trust', '--auth-host=scram-sha-256'],
      ...['--no-sync', '-E', 'UTF8', '--locale=C'],
    ]);
    const lines = [
      "listen_addresses = '127.0.0.1'",
      `port = ${server.port}`,
      `unix_socket_directories = '${directory}'`,
      // The specs lose processes, never the machine.
      'fsync = off',
      'shared_buffers = 16MB',
      ...settings,
    ];
    writeFileSync(join(data, 'postgresql.conf'), `${lines.join('\n')}\n`, { flag: 'a' });
    server.up();
    return server;
  }

  /** Starts the server, again if need be. */
  up(): void {
    const data = join(this.directory, 'data');
    run(this.directory, 'pg_ctl', ['-D', data, '-l', join(this.directory, 'log'), '-w', '-t', '30', 'start']);
  }

  /** Stops the server at once, as a crash does. */
  down(): void {
    run(this.directory, 'pg_ctl', ['-D', join(this.directory, 'data'), '-m', 'immediate', '-w', 'stop']);
  }

  /** Ends the server without a word, with all its processes, as the loss of a machine does. */
  kill(): void {
    const [pid = ''] = readFileSync(join(this.directory, 'data', 'postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(pid), 'SIGSTOP');
    spawnSync('pkill', ['-KILL', '-P', pid]);
    process.kill(Number(pid), 'SIGKILL');
  }

  /** Writes files into the directory of its data, and has it read its configuration again. */
  configure(files: Readonly<Record<string, string>>): void {
    const data = join(this.directory, 'data');
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(data, name), text, { mode: 0o600 });
      giveAway(join(data, name));
    }
    run(this.directory, 'pg_ctl', ['-D', data, 'reload']);
  }

  /** A standby of this server: a copy of its data that follows it. */
  async standby(settings: readonly string[] = []): Promise<PostgresServer> {
    const directory = mkdtempSync(join(tmpdir(), 'imxp-pg-'));
    chmodSync(directory, 0o755);
    giveAway(directory);
    const other = new PostgresServer(directory, await freePort());
    const from = `host=${this.directory} port=${this.port} user=imxp application_name=standby`;
    const data = join(directory, 'data');
    run(directory, 'pg_basebackup', ['-D', data, '-R', '-X', 'stream', '-c', 'fast', '-N', '-d', from]);
    const own = [`port = ${other.port}`, `unix_socket_directories = '${directory}'`, ...settings];
    writeFileSync(join(data, 'postgresql.conf'), `${own.join('\n')}\n`, { flag: 'a' });
    other.up();
    return other;
  }

  /** Makes a standby the primary. */
  promote(): void {
    run(this.directory, 'pg_ctl', ['-D', join(this.directory, 'data'), '-w', '-t', '60', 'promote']);
  }

  /** Runs a program of PostgreSQL on its database as its operator. @returns its output */
  client(program: 'pg_dump' | 'psql', args: readonly string[]): string {
    return run(this.directory, program, [
      '-h',
      this.directory,
      '-p',
      `${this.port}`,
      '-U',
      'imxp',
      ...args,
      'postgres',
    ]);
  }

  remove(): void {
    if (existsSync(join(this.directory, 'data', 'postmaster.pid'))) {
      try {
        this.down();
      } catch {
        // It was killed already.
      }
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** URL by the Unix socket, where no password is asked for. */
  get url(): string {
    return `postgres://imxp@${encodeURIComponent(this.directory)}:${this.port}/postgres`;
  }

  /** Runs a statement as the operator of the database. */
  async query(text: string): Promise<readonly Record<string, unknown>[]> {
    const client = new pg.Client({ host: this.directory, port: this.port, user: 'imxp', database: 'postgres' });
    await client.connect();
    try {
      await client.query('set default_transaction_read_only = off');
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }
}

/** Whether there are programs to run a server with. */
export function isPostgresInstalled(): boolean {
  return binaries() !== undefined;
}

/** How a store in it is configured. @param path directory of the copy */
export function postgresConfig(url: string, schema: string, path: string): PostgresConfig {
  return { type: 'postgres', url, path, schema, tls: {}, connectTimeoutMs: 1000, queryTimeoutMs: 2000 };
}

/** Starts a server for a suite; call within `describe`. Where there can be none, its specs are skipped, and that is said. */
export function postgresServer(settings: readonly string[] = []): () => PostgresServer {
  let server: PostgresServer | undefined;
  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    const missing = missingPackages(['postgresql'], () => binaries() !== undefined);
    if (missing !== undefined) {
      console.error(`      skipped: no PostgreSQL: ${missing}`);
      return this.skip();
    }
    server = await PostgresServer.start(settings);
  });
  after(() => server?.remove());
  return () => {
    if (server === undefined) throw new Error('the server is not there');
    return server;
  };
}
