/** Reads values given as PEM or as the path of a PEM file. */
import { readFile } from 'node:fs/promises';
import { describeFileError } from '../config/password-file.js';
import { pemFlaw } from '../config/pem-text.js';
import { LocalError } from '../errors.js';

/** Returns PEM as given, or the content of the file at a path. @throws LocalError CONFIGURATION */
export async function pemOf(pem: string | Buffer, what: string): Promise<string | Buffer> {
  if (Buffer.isBuffer(pem) || pem.includes('-----BEGIN ')) return pem;
  const octets = await readFile(pem).catch((cause: unknown) => {
    throw new LocalError('CONFIGURATION', `${what} ${pem}: ${describeFileError(cause)}`, { cause });
  });
  // Node silently accepts a CA file without certificates; the relay's certificate would then seem to be at fault.
  if (!octets.includes('-----BEGIN ')) {
    throw new LocalError('CONFIGURATION', `${what} ${pem}: contains no PEM block: ${pemFlaw(octets, /./)}`);
  }
  return octets;
}
