/** Passwords in files: the first line, and nothing else of it matters. Never logs what it reads. */
import { isUtf8 } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { LocalError } from '../errors.js';

/** SASL mechanisms carry less; a file larger than this is surely not a password. */
const LONGEST = 4096;

/**
 * Reads the password in a file.
 *
 * @throws LocalError CONFIGURATION when the file cannot be read or holds no password
 */
export async function readPasswordFile(path: string): Promise<string> {
  let text: string;
  try {
    text = textOfFile(await readFile(path));
  } catch (cause) {
    throw new LocalError('CONFIGURATION', `password file ${path}: ${describeFileError(cause)}`, { cause });
  }
  const password = text.split(/\r\n|\r|\n/, 1)[0] ?? '';
  if (password === '') throw new LocalError('CONFIGURATION', `password file ${path}: the first line is empty`);
  if (password.length > LONGEST) throw new LocalError('CONFIGURATION', `password file ${path}: this is not a password`);
  return password;
}

/**
 * The text of a file that people wrote: UTF-8 or, by its mark, UTF-16, without the mark.
 *
 * @throws Error when it is neither
 */
export function textOfFile(octets: Buffer): string {
  const [first, second] = octets;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(octets);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(octets);
  if (!isUtf8(octets)) throw new Error('is not text in UTF-8; save it as UTF-8');
  // The decoder drops the mark.
  return new TextDecoder('utf-8').decode(octets);
}

/** Whether strangers on this machine may read a file; always false where files have no such mode. */
export async function openToOthers(path: string): Promise<boolean> {
  if (process.platform === 'win32') return false;
  return ((await stat(path)).mode & 0o007) !== 0;
}

/** A system error in words. */
export function describeFileError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return 'no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EISDIR':
      return 'is a directory, not a file';
    case 'ENOTDIR':
      return 'a part of the path is not a directory';
    case 'EEXIST':
      return 'exists already, and is not what is needed there';
    case 'EROFS':
      return 'the file system is read-only';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'no space left';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
