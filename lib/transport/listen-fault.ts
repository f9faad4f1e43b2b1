/** Explains why an address cannot be listened on. */
import { LocalError } from '../errors.js';

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program is listening there',
  EACCES: 'ports below 1024 require privileges',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'the host name is not known',
};

/** Conditions that end without a change of the configuration: the other program stops, the network comes up. */
const TRANSIENT: ReadonlySet<string> = new Set([
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'EMFILE',
  'ENFILE',
  'ENOTFOUND',
]);

/**
 * @param what listens, where it is not the node itself
 * @returns LISTEN_FAILED where a later attempt can succeed, CONFIGURATION otherwise
 */
export function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException, what = ''): LocalError {
  const { code = '' } = cause;
  const message = `${what}cannot listen on ${host} port ${port}: ${REASONS[code] ?? cause.message}`;
  return new LocalError(TRANSIENT.has(code) ? 'LISTEN_FAILED' : 'CONFIGURATION', message, { cause });
}
