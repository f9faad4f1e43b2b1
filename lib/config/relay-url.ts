/**
 * Where a relay listens, as written in configuration and on the command line: `tcp://host:port`. Opens nothing.
 */
import { LocalError } from '../errors.js';

export const TRANSPORTS = ['tcp'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export interface RelayLocation {
  readonly transport: Transport;
  /** Name or address; IPv6 addresses without brackets. */
  readonly host: string;
  readonly port: number;
  /** The location written in one way, for logs and as a key. */
  readonly url: string;
}

function isTransport(text: string): text is Transport {
  return TRANSPORTS.some((transport) => transport === text);
}

function invalid(text: string, why: string): LocalError {
  return new LocalError('ARGUMENT', `${JSON.stringify(text)} ${why}; write for instance tcp://relay.example.com:10913`);
}

/**
 * Reads `tcp://host:port`. The port cannot be left out: none is registered for IMXP.
 *
 * @throws LocalError ARGUMENT
 */
export function parseRelayUrl(text: string): RelayLocation {
  if (!URL.canParse(text)) throw invalid(text, 'is not a URL');
  const url = new URL(text);
  const transport = url.protocol.slice(0, -1);
  if (!isTransport(transport)) throw invalid(text, `has a transport other than ${TRANSPORTS.join(', ')}`);
  if (url.username !== '' || url.password !== '')
    throw invalid(text.replace(/\/\/.*@/, '//'), 'must not carry credentials');
  if (url.hostname === '') throw invalid(text, 'names no host');
  if (url.port === '' || url.port === '0') throw invalid(text, 'names no port');
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '') {
    throw invalid(text, 'has more than a host and a port');
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const port = Number(url.port);
  return { transport, host, port, url: writeRelayUrl(transport, host, port) };
}

export function writeRelayUrl(transport: Transport, host: string, port: number): string {
  return `${transport}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
