/**
 * Files that are there as a whole or not at all: written under a temporary name in the same directory, which is removed
 * again when that fails. What is written is on the disk before the file has its name.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Creates a file that only its owner can read.
 *
 * @returns false where there is a file of that name, which stays
 * @throws Error of the system
 */
export function createWhole(path: string, content: string | Buffer): boolean {
  const draft = draftOf(path);
  try {
    writeFileSync(draft, content, { flag: 'wx', mode: 0o600, flush: true });
    // Unlike rename, link does not replace a file.
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Creates or replaces a file: a concurrent reader sees the old or the new one.
 *
 * @throws Error of the system
 */
export async function replaceWhole(path: string, content: string, mode: number): Promise<void> {
  const draft = draftOf(path);
  try {
    await writeFile(draft, content, { flag: 'wx', mode, flush: true });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

function draftOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.part`);
}
