/** Copies a store while a relay runs on it: each of its databases as it is at one moment. */
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describeFileError } from '../config/password-file.js';
import { LocalError } from '../errors.js';
import { spoolPath } from './spool.js';

export interface BackedUp {
  /** Directory of the copy. */
  readonly directory: string;
  readonly octets: number;
}

/**
 * Writes a copy that can be used as `store.path`: accounts, access, presence and held messages.
 *
 * @param path directory of the store
 * @param target directory of the copy, which must be empty or not there; it is made for its owner only
 * @throws LocalError STORE_FAILED
 */
export async function backUpStore(path: string, target: string): Promise<BackedUp> {
  try {
    await stat(join(path, 'data.mdb'));
    await mkdir(target, { recursive: true, mode: 0o700 });
    const present = await readdir(target);
    if (present.length > 0) throw new LocalError('STORE_FAILED', `${target} is not empty; name a new directory`);
    let octets = await copy(path, target);
    if (await exists(join(spoolPath(path), 'data.mdb'))) {
      await mkdir(spoolPath(target), { mode: 0o700 });
      octets += await copy(spoolPath(path), spoolPath(target));
    }
    return { directory: target, octets };
  } catch (cause) {
    if (cause instanceof LocalError) throw cause;
    throw new LocalError(
      'STORE_FAILED',
      `the store ${path} cannot be copied to ${target}: ${describeFileError(cause)}`,
      {
        cause,
      },
    );
  }
}

/** @returns the octets of the copy */
async function copy(from: string, to: string): Promise<number> {
  const database = open({ path: from, noSubdir: false, readOnly: true });
  try {
    // Compacted: free pages are left out.
    await database.backup(to, true);
  } finally {
    await database.close();
  }
  return (await stat(join(to, 'data.mdb'))).size;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
