/**
 * URLs of relays in configurations and on the command line: `tcp://host:port`, `ws://host:port/path`,
 * `wss://host/path`. Opens nothing.
 */
import { LocalError } from '../errors.js';
import { asciiDomain } from './domain-name.js';

export const TRANSPORTS = ['tcp', 'ws', 'wss'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export interface RelayLocation {
  readonly transport: Transport;
  /** Name or address; IPv6 addresses without brackets. */
  readonly host: string;
  readonly port: number;
  /** Path of the WebSocket, including the query; `/` by default. */
  readonly path?: string;
  /** Canonical form, for logs and as a key. */
  readonly url: string;
}

function isTransport(text: string): text is Transport {
  return TRANSPORTS.some((transport) => transport === text);
}

function invalid(text: string, why: string): LocalError {
  return new LocalError('ARGUMENT', `${JSON.stringify(text)} ${why}; write for instance tcp://relay.example.com:10913`);
}

const PORT_MAX = 65_535;

/** Default ports (RFC 6455 §3). None is registered for IMXP over TCP, so it must be given there. */
const DEFAULT_PORTS: Readonly<Record<Transport, number | undefined>> = { tcp: undefined, ws: 80, wss: 443 };

/** Returns the reason why a text is no URL, if one is known. */
function flawOf(text: string): string {
  const [, transport = '', host = '', port] =
    /^([a-z][a-z0-9+.-]*):\/\/([^/]*?)(?::([^:/\]]*))?(?:\/|$)/i.exec(text) ?? [];
  if (!isTransport(transport.toLowerCase())) {
    return text.includes('://')
      ? 'is not a URL'
      : `is not a URL: it does not begin with ${TRANSPORTS.join('://, ')}://`;
  }
  if (host === '') return 'has no host';
  if (port !== undefined && !/^\d*$/.test(port)) return `has the port ${JSON.stringify(port)}, which is not a number`;
  if (Number(port) > PORT_MAX) return `has the port ${port}, which is out of range: 1 to ${PORT_MAX}`;
  return 'is not a URL: the host is neither a name nor an address';
}

/** Puts the host into A-labels; an URL parser would percent-encode that of a scheme which it does not know. */
function asciiHost(text: string): string | undefined {
  const [, before = '', host = '', after = ''] = /^([^/]*:\/\/(?:[^/]*@)?)([^/:?#]*)(.*)$/s.exec(text) ?? [
    undefined,
    text,
  ];
  const ascii = asciiDomain(host);
  return ascii === undefined ? undefined : before + ascii + after;
}

/**
 * Parses `tcp://host:port`, `ws://host[:port][/path]` or `wss://host[:port][/path]`.
 *
 * @throws LocalError ARGUMENT
 */
export function parseRelayUrl(text: string): RelayLocation {
  const ascii = asciiHost(text);
  if (ascii === undefined || !text.includes('://') || !URL.canParse(ascii)) throw invalid(text, flawOf(text));
  const url = new URL(ascii);
  const transport = url.protocol.slice(0, -1);
  if (!isTransport(transport)) throw invalid(text, `has a transport other than ${TRANSPORTS.join(', ')}`);
  if (url.username !== '' || url.password !== '')
    throw invalid(text.replace(/\/\/.*@/, '//'), 'must not carry credentials');
  if (url.hostname === '') throw invalid(text, 'has no host');
  if (/^[^/]*:\/\/[^/]*%/.test(text)) throw invalid(text, 'has a percent-encoded host; write the name itself');
  const port = url.port === '' ? DEFAULT_PORTS[transport] : Number(url.port);
  if (port === undefined) throw invalid(text, 'has no port');
  if (port === 0) throw invalid(text, `has the port 0, which is out of range: 1 to ${PORT_MAX}`);
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
