/**
 * A light that burns as long as a process lives: a listening Unix socket in a directory. Whoever sees the directory can ask,
 * also from another container, where process identifiers mean nothing; and the kernel puts it out when the process is
 * killed. Says nothing and takes nothing.
 */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';

/** sockaddr_un takes 108 octets with the end, 104 on some systems. */
const LONGEST_PATH = 103;

export interface LivenessLock {
  /** Puts it out. */
  close(): Promise<void>;
}

/**
 * @returns undefined where none can be lit: on file systems without sockets, and by paths that are too long for one
 */
export async function takeLivenessLock(directory: string, name: string): Promise<LivenessLock | undefined> {
  const way = await wayTo(directory, name);
  if (way === undefined) return undefined;
  const server = createServer((socket) => socket.on('error', () => {}).end());
  try {
    await listening(server, way.path);
  } catch {
    await way.close();
    return undefined;
  }
  // It burns while the process has something to do; it is nothing to do by itself.
  server.unref();
  return {
    close: async () => {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await removeLivenessLock(directory, name);
      await way.close();
    },
  };
}

/** Whether the beacon burns. Where that cannot be found out, it does. */
export async function isLivenessLockHeld(directory: string, name: string): Promise<boolean> {
  const way = await wayTo(directory, name);
  if (way === undefined) return true;
  try {
    return await answers(way.path);
  } finally {
    await way.close();
  }
}

/** Removes what a process that was killed has left. */
export async function removeLivenessLock(directory: string, name: string): Promise<void> {
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

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

interface Way {
  readonly path: string;
  close(): Promise<void>;
}

/** A path short enough for a socket; Linux has one for every directory that is open. */
async function wayTo(directory: string, name: string): Promise<Way | undefined> {
  const path = join(directory, name);
  if (process.platform === 'win32') return undefined;
  if (Buffer.byteLength(path) <= LONGEST_PATH) return { path, close: async () => {} };
  if (process.platform !== 'linux') return undefined;
  let handle: FileHandle;
  try {
    handle = await open(directory, 'r');
  } catch {
    return undefined;
  }
  return { path: `/proc/self/fd/${handle.fd}/${name}`, close: () => handle.close() };
}
