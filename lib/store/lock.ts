/**
 * Keeps a second relay away from the store of this one, and tells a relay that runs from one that was killed:
 *
 * - A relay lights a beacon in the directory of its store. Who wants the store next asks there. That survives SIGKILL, needs
 *   no process identifiers, which are used again and mean nothing in another container, and no clock.
 * - Where no beacon can be lit (file systems without sockets), the process identifier counts, together with the boot, the
 *   namespace and the time the process began; in another namespace or on another machine nothing can be known, and the
 *   newcomer has the store. Files on a network (NFS) are no place for the store at all: lmdb maps them, and two machines
 *   would not see each other's changes.
 */
import { randomUUID } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { StoreConfig } from '../config/schema.js';
import { isLivenessLockHeld, removeLivenessLock, takeLivenessLock } from './liveness-lock.js';
import { type Liveness, type LockEntry, takeLockEntry } from './lock-entry.js';
import type { Store } from './store.js';

/**
 * Takes the store for this process.
 *
 * @returns gives it back; before the store is closed
 * @throws LocalError STORE_FAILED: another relay has it
 */
export async function lockStore(store: Store, config: StoreConfig): Promise<() => Promise<void>> {
  // What is in the memory of this process is nobody else's.
  if (config.type === 'memory') return async () => {};
  const token = randomUUID();
  const beacon = await takeLivenessLock(config.path, nameOf(token));
  const own: LockEntry = {
    token,
    pid: process.pid,
    host: hostname(),
    process: await processOf(process.pid),
    beacon: beacon !== undefined,
    since: new Date().toISOString(),
  };
  try {
    const giveBack = await takeLockEntry(store, own, livenessIn(config.path), config.path);
    return async () => {
      await giveBack();
      await beacon?.close();
    };
  } catch (error) {
    await beacon?.close();
    throw error;
  }
}

function livenessIn(directory: string): Liveness {
  return {
    alive: async (holder) => {
      if (holder.beacon) return isLivenessLockHeld(directory, nameOf(holder.token));
      return holder.host === hostname() && (await processOf(holder.pid)) === holder.process && runs(holder.pid);
    },
    clear: (holder) => removeLivenessLock(directory, nameOf(holder.token)),
  };
}

function nameOf(token: string): string {
  return `relay-${token}`;
}

/** What tells a process from all others that have or had its identifier, as far as the system says. */
async function processOf(pid: number): Promise<string> {
  const parts = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
    readlink('/proc/self/ns/pid').catch(() => ''),
    // The name of the program, in brackets, may hold anything; the time it began is the 20th field behind it.
    readFile(`/proc/${pid}/stat`, 'utf8').then(
      (text) => text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '',
      () => '',
    ),
  ]);
  return parts.map((part) => part.trim()).join(' ');
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
