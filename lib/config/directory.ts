/**
 * Whether a directory can be had for writing, found out by trying: permissions say little on mounts that are read-only,
 * full or no file systems at all (/proc). Leaves nothing behind. Knows nothing of what is kept there.
 */
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describeFileError, openToOthers } from './password-file.js';

/** What an empty store takes, twice over: on a fuller disk the engine would die when it maps its files. */
const ROOM_OCTETS = 131_072;

/**
 * Looks at a directory, or at the nearest one above it where it would have to be made.
 *
 * @returns what is wrong, in words that begin with the place; undefined when it can be used
 */
export async function directoryObstacle(path: string): Promise<string | undefined> {
  for (let at = path; ; at = dirname(at)) {
    try {
      if (!(await stat(at)).isDirectory()) return `${at}: is not a directory`;
    } catch (error) {
      if (isMissing(error) && at !== dirname(at)) continue;
      return `${at}: cannot be written: ${describeFileError(error)}`;
    }
    if (at === path && (await openToOthers(at))) return `${at}: is open to everybody on this machine; chmod 700`;
    return await writeObstacle(at, at === path);
  }
}

/** Writes as much as is needed at least, and removes it again. */
async function writeObstacle(directory: string, exists: boolean): Promise<string | undefined> {
  let trial: string;
  try {
    trial = await mkdtemp(join(directory, '.imxp-trial-'));
  } catch (error) {
    // What is no real file system says so in its own way.
    const why = isMissing(error) ? 'nothing can be made there' : writeFault(error);
    return `${directory}: ${exists ? 'cannot be written' : 'the directory cannot be made below it'}: ${why}`;
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
    return `${directory}: cannot be written: ${writeFault(error)}`;
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function writeFault(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full';
    case 'EROFS':
      return 'the file system is read-only';
    default:
      return describeFileError(error);
  }
}
