/**
 * Checks whether a directory can be written to, by trying: permissions say little about mounts that are read-only,
 * full, or no real file systems (/proc). Leaves nothing behind.
 */
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describeFileError, openToOthers } from './password-file.js';

/** Twice what an empty store takes: on a fuller disk the engine would crash when it maps its files. */
const ROOM_OCTETS = 131_072;

/** What keeps a directory from being used. */
export interface DirectoryObstacle {
  /** In words that begin with the path. */
  readonly text: string;
  /** Whether it may go away by itself: the disk is full. */
  readonly transient: boolean;
}

/**
 * Checks a directory, or the nearest existing one above it if it would have to be made.
 *
 * @returns what is wrong; undefined if it can be used
 */
export async function directoryObstacle(path: string): Promise<DirectoryObstacle | undefined> {
  for (let at = path; ; at = dirname(at)) {
    try {
      if (!(await stat(at)).isDirectory()) return lasting(`${at}: is not a directory`);
    } catch (error) {
      if (isMissing(error) && at !== dirname(at)) continue;
      return lasting(`${at}: cannot be written: ${describeFileError(error)}`);
    }
    if (at === path && (await openToOthers(at)))
      return lasting(`${at}: is open to other users of this machine; chmod 700`);
    return await writeObstacle(at, at === path);
  }
}

/** Writes the minimum that is needed, and removes it again. */
async function writeObstacle(directory: string, exists: boolean): Promise<DirectoryObstacle | undefined> {
  let trial: string;
  try {
    trial = await mkdtemp(join(directory, '.imxp-trial-'));
  } catch (error) {
    // Pseudo file systems have error codes of their own.
    const why = isMissing(error) ? 'nothing can be created there' : describeFileError(error);
    const what = exists ? 'cannot be written' : 'the directory cannot be created below it';
    return { text: `${directory}: ${what}: ${why}`, transient: isFull(error) };
  }
  try {
    const file = await open(join(trial, 'room'), 'wx', 0o600);
    try {
      await file.writeFile(Buffer.alloc(ROOM_OCTETS, 1));
      await file.sync();
    } finally {
      await file.close();
    }
    return undefined;
  } catch (error) {
    return { text: `${directory}: cannot be written: ${describeFileError(error)}`, transient: isFull(error) };
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}

function lasting(text: string): DirectoryObstacle {
  return { text, transient: false };
}

/** EFBIG: a limit of the process on the size of files, which counts like a full disk. */
function isFull(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
