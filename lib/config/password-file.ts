/** Reads passwords from files: the first line of a file is the password. Never logs what it reads. */
import { readFile, stat } from 'node:fs/promises';
import { LocalError } from '../errors.js';

/** Largest password file: SASL mechanisms carry less, and a larger file is surely not a password. */
const LONGEST = 4096;

/**
 * Reads the password in a file.
 *
 * @throws LocalError CONFIGURATION if the file cannot be read or contains no password
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
 * Decodes a text file: UTF-8 or, by its byte order mark, UTF-16; without the mark.
 *
 * @throws Error if it is neither
 */
export function textOfFile(octets: Buffer): string {
  return decoded(decoderOf(octets), octets);
}

/** The decoder of a text file that begins with these octets; it drops the byte order mark. */
export function decoderOf([first, second]: Buffer): InstanceType<typeof TextDecoder> {
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le');
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be');
  return new TextDecoder('utf-8', { fatal: true });
}

/**
 * @param more octets follow
 * @throws Error if the octets are no text
 */
export function decoded(decoder: ReturnType<typeof decoderOf>, octets: Buffer, more = false): string {
  try {
    return decoder.decode(octets, { stream: more });
  } catch (cause) {
    throw new Error('is not text in UTF-8; save it as UTF-8', { cause });
  }
}

/** Whether other users of this machine may read a file; always false on systems without file modes. */
export async function openToOthers(path: string): Promise<boolean> {
  if (process.platform === 'win32') return false;
  return ((await stat(path)).mode & 0o007) !== 0;
}

/** Describes a system error in words. */
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
    // A limit of the process on the size of files counts like a full disk.
    case 'EFBIG':
      return 'the disk is full';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
