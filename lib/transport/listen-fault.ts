/** Explains why an address cannot be listened on. */
import { LocalError } from '../errors.js';

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program is listening there',
  EACCES: 'ports below 1024 require privileges',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'the host name is not known',
};

/** @param what listens, where it is not the node itself */
export function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException, what = ''): LocalError {
  const reason = REASONS[cause.code ?? ''] ?? cause.message;
  return new LocalError('CONFIGURATION', `${what}cannot listen on ${host} port ${port}: ${reason}`, { cause });
}
