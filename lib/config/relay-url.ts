/**
 * Where a relay listens, as written in configuration and on the command line: `tcp://host:port`, `ws://host:port/path`,
 * `wss://host/path`. Opens nothing.
 */
import { LocalError } from '../errors.js';

export const TRANSPORTS = ['tcp', 'ws', 'wss'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export interface RelayLocation {
  readonly transport: Transport;
  /** Name or address; IPv6 addresses without brackets. */
  readonly host: string;
  readonly port: number;
  /** Where the WebSocket is, with the query if any; `/` unless given. */
  readonly path?: string;
  /** The location written in one way, for logs and as a key. */
  readonly url: string;
}

function isTransport(text: string): text is Transport {
  return TRANSPORTS.some((transport) => transport === text);
}

function invalid(text: string, why: string): LocalError {
  return new LocalError('ARGUMENT', `${JSON.stringify(text)} ${why}; write for instance tcp://relay.example.com:10913`);
}

/** RFC 6455 §3. Over TCP the port cannot be left out: none is registered for IMXP. */
const DEFAULT_PORTS: Readonly<Record<Transport, number | undefined>> = { tcp: undefined, ws: 80, wss: 443 };

/**
 * Reads `tcp://host:port`, `ws://host[:port][/path]` or `wss://host[:port][/path]`.
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
  const port = url.port === '' ? DEFAULT_PORTS[transport] : Number(url.port);
  if (port === undefined || port === 0) throw invalid(text, 'names no port');
  const path = `${url.pathname}${url.search}`;
  if (url.hash !== '' || (transport === 'tcp' && !['', '/'].includes(path))) {
    throw invalid(text, transport === 'tcp' ? 'has more than a host and a port' : 'has a fragment');
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const location = { transport, host, port, url: writeRelayUrl(transport, host, port) };
  return ['', '/'].includes(path) ? location : { ...location, path, url: `${location.url}${path}` };
}

export function writeRelayUrl(transport: string, host: string, port: number): string {
  return `${transport}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
