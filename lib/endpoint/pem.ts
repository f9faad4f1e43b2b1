/** What applications give as PEM or as the path of a PEM file. */
import { readFile } from 'node:fs/promises';
import { describeFileError } from '../config/password-file.js';
import { LocalError } from '../errors.js';

/** PEM as it is, or out of the file it is the path of. @throws LocalError CONFIGURATION */
export async function pemOf(pem: string | Buffer, what: string): Promise<string | Buffer> {
  if (Buffer.isBuffer(pem) || pem.includes('-----BEGIN ')) return pem;
  const octets = await readFile(pem).catch((cause: unknown) => {
    throw new LocalError('CONFIGURATION', `${what} ${pem}: ${describeFileError(cause)}`, { cause });
  });
  // Node takes a file without certificates for an authority that signed nothing, and would blame the relay.
  if (!octets.includes('-----BEGIN '))
    throw new LocalError('CONFIGURATION', `${what} ${pem}: holds nothing in PEM form`);
  return octets;
}
