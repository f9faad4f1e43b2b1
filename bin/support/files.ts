/** Files that the user names: every failure becomes an error that names the file and says what to do. */
import { readFile } from 'node:fs/promises';
import { describeFileError } from '../../lib/config/password-file.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';

/** The error for a file that cannot be used. @param what what the file is for, such as `CA certificates` */
export function fileError(file: string, cause: unknown, exitCode: ExitCode = EXIT.USAGE, what = ''): CommandError {
  return new CommandError(exitCode, `${what === '' ? '' : `${what} `}${file}: ${describeFileError(cause)}`, { cause });
}

/** Reads a file that was given as an argument or option. @throws CommandError */
export async function readGivenFile(file: string, exitCode: ExitCode = EXIT.USAGE, what = ''): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw fileError(file, cause, exitCode, what);
  }
}
