/**
 * Lock of a store: one relay at a time uses it, because two would each keep half of the attachments, and both would send
 * what is kept for endpoints that are not attached. Commands work on the store beside a relay and do not take the lock.
 *
 * - The store itself says who has it, by compare-and-set, so two relays that start at the same moment cannot both take
 *   it.
 * - A relay that was killed is distinguished from a running one by a liveness socket: a Unix socket on which it listens
 *   in the
 *   directory of the store. The kernel closes it with the process. It needs no clock, and no process identifiers, which
 *   are reused and mean nothing in another container.
 * - Where there can be no such socket (file systems without sockets), the process identifier counts, together with the
 *   boot, the namespace and the start time of the process. In another namespace or on another machine nothing can be
 *   known, and the newcomer takes the store. Network file systems (NFS) are not supported at all: lmdb maps files, and
 *   two machines would not see each other's changes.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readFile, readlink, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { StoreConfig } from '../config/schema.js';
import { LocalError } from '../errors.js';
import { ABSENT, type Json, type Store } from './store.js';

/** What a relay that has the lock writes into the store about itself. */
export interface LockEntry {
  /** Names the liveness socket; a new one at each start. */
  readonly token: string;
  readonly pid: number;
  readonly host: string;
  /** Where the process identifier is valid: the boot, the namespace, and the start time of the process. */
  readonly process: string;
  /** Whether the relay listens on a liveness socket. */
  readonly socket: boolean;
  /** ISO 8601. */
  readonly since: string;
}

/** Distinguishes a relay that has the lock from one that was killed. */
export interface Liveness {
  alive(entry: LockEntry): Promise<boolean>;
  /** Removes what a relay that was killed has left. */
  clear(entry: LockEntry): Promise<void>;
}

const KEY = 'lock';

/**
 * Takes the lock of a store for this process.
 *
 * @param lost called when another relay has taken it, which only happens after this one could not reach it for long
 * @returns a function that gives it back, to be called before the store is closed
 * @throws LocalError STORE_FAILED when another relay has it
 */
export async function lockStore(
  store: Store,
  config: StoreConfig,
  lost: () => void = () => {},
): Promise<() => Promise<void>> {
  // A store in memory belongs to this process alone.
  if (config.type === 'memory') return async () => {};
  if (config.type === 'postgres') {
    const { lockPostgres } = await import('./postgres/lease.js');
    return lockPostgres(store, config, lost);
  }
  const token = randomUUID();
  const socket = await listenForLiveness(config.path, socketName(token));
  const own: LockEntry = {
    token,
    pid: process.pid,
    host: hostname(),
    process: await identityOfProcess(process.pid),
    socket: socket !== undefined,
    since: new Date().toISOString(),
  };
  try {
    const unlock = await takeLock(store, own, livenessIn(config.path), config.path);
    return async () => {
      await unlock();
      await socket?.close();
    };
  } catch (error) {
    await socket?.close();
    throw error;
  }
}

/**
 * Takes the lock unless a living relay has it.
 *
 * @param place names the store in the error
 * @returns a function that gives the lock back
 * @throws LocalError STORE_FAILED when another relay has it
 */
export async function takeLock(
  store: Store,
  own: LockEntry,
  liveness: Liveness,
  place: string,
): Promise<() => Promise<void>> {
  for (;;) {
    const entry = await store.get(KEY);
    const known = entry === undefined ? undefined : entryFrom(entry.value);
    if (known !== undefined && (await liveness.alive(known))) throw inUse(known, place);
    const version = await store.put(KEY, { ...own }, entry?.version ?? ABSENT);
    // Another relay was faster: now its entry has to be looked at.
    if (version === undefined) continue;
    if (known !== undefined) await liveness.clear(known);
    return async () => {
      await store.delete(KEY, version);
    };
  }
}

function inUse({ pid, host, since }: LockEntry, place: string): LocalError {
  return new LocalError(
    'STORE_FAILED',
    `the store ${place} is in use by another relay: process ${pid} on ${host}, since ${since}; ` +
      'stop that one first, or give this one a store of its own (store.path)',
    { fields: { pid, host } },
  );
}

/** The relay of an entry of another version cannot be asked. */
function entryFrom(value: Json): LockEntry | undefined {
  return isLockEntry(value) ? value : undefined;
}

function isLockEntry(value: unknown): value is LockEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { token, host, process, since, pid, socket } = value as Partial<LockEntry>;
  return (
    [token, host, process, since].every((each) => typeof each === 'string') &&
    typeof pid === 'number' &&
    typeof socket === 'boolean'
  );
}

function livenessIn(directory: string): Liveness {
  return {
    alive: async (entry) => {
      if (entry.socket) return answersLiveness(directory, socketName(entry.token));
      return (
        entry.host === hostname() && (await identityOfProcess(entry.pid)) === entry.process && isRunning(entry.pid)
      );
    },
    clear: (entry) => removeSocket(directory, socketName(entry.token)),
  };
}

function socketName(token: string): string {
  return `relay-${token}`;
}

/** Distinguishes a process from all others that have or had its identifier, as far as the system allows. */
async function identityOfProcess(pid: number): Promise<string> {
  const parts = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
    readlink('/proc/self/ns/pid').catch(() => ''),
    // The program's name, in parentheses, may contain anything; the start time is the 20th field behind it.
    readFile(`/proc/${pid}/stat`, 'utf8').then(
      (text) => text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '',
      () => '',
    ),
  ]);
  return parts.map((part) => part.trim()).join(' ');
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

// ---- the liveness socket ------------------------------------------------------------------------------------------

/** Longest path of a Unix socket: sockaddr_un takes 108 octets with the terminator, 104 on some systems. */
const LONGEST_PATH = 103;

export interface LivenessSocket {
  /** Closes and removes it. */
  close(): Promise<void>;
}

/**
 * Listens on a liveness socket for as long as the process lives.
 *
 * @returns undefined where there can be none: on file systems without sockets, and for paths that are too long
 */
export async function listenForLiveness(directory: string, name: string): Promise<LivenessSocket | undefined> {
  const path = await socketPath(directory, name);
  if (path === undefined) return undefined;
  const server = createServer((connection) => connection.on('error', () => {}).end());
  try {
    await listening(server, path.text);
  } catch {
    await path.close();
    return undefined;
  }
  // It does not keep the process alive by itself.
  server.unref();
  return {
    close: async () => {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await removeSocket(directory, name);
      await path.close();
    },
  };
}

/** Whether a process listens on the socket. Where that cannot be found out, one does. */
export async function answersLiveness(directory: string, name: string): Promise<boolean> {
  const path = await socketPath(directory, name);
  if (path === undefined) return true;
  try {
    return await connects(path.text);
  } finally {
    await path.close();
  }
}

/** Removes the socket that a process that was killed has left. */
export async function removeSocket(directory: string, name: string): Promise<void> {
  await rm(join(directory, name), { force: true });
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.on('error', () => {});
      resolve();
    });
  });
}

function connects(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(path);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

export interface SocketPath {
  readonly text: string;
  close(): Promise<void>;
}

/** A path short enough for a socket; Linux has one for every open directory. */
export async function socketPath(directory: string, name: string): Promise<SocketPath | undefined> {
  const text = join(directory, name);
  if (process.platform === 'win32') return undefined;
  if (Buffer.byteLength(text) <= LONGEST_PATH) return { text, close: async () => {} };
  if (process.platform !== 'linux') return undefined;
  let handle: FileHandle;
  try {
    handle = await open(directory, 'r');
  } catch {
    return undefined;
  }
  return { text: `/proc/self/fd/${handle.fd}/${name}`, close: () => handle.close() };
}
