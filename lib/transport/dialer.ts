/** Opens sessions: TCP or WebSocket, greeting, TLS as demanded, authentication. Tries the alternatives in order. */
import { lookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import type { DialectName } from '../config/dialects.js';
import type { Limits } from '../config/limits.js';
import type { RelayLocation } from '../config/relay-url.js';
import { ImxpError, LocalError, RefusedError, TransportError } from '../errors.js';
import { events } from '../ops/events.js';
import { type Alternatives, dialAlternatives } from './alternatives.js';
import { Connection, type ConnectionOwner } from './connection.js';
import { connectFirst } from './happy-eyeballs.js';
import { addressOfRelay } from './network.js';
import type { ProfileTable } from './profile.js';
import type { ReassemblyBudget } from './reassembly-budget.js';
import { authenticate, type Credentials } from './sasl/client.js';
import { secure } from './tls/client.js';
import type { DaneProof } from './tls/dane.js';
import { announceTls } from './tls/profile.js';
import type { TlsService, TlsStack } from './tls/service.js';

/** A relay, with its addresses where they are known already. */
export interface DialTarget extends RelayLocation {
  readonly addresses?: readonly string[];
  /** The only dialect it may be spoken to in, where that is known. */
  readonly dialect?: DialectName;
  /** Of its SRV record: the lowest is preferred. */
  readonly priority?: number;
  /** TLSA records that prove it instead of an authority; TLS is required then. */
  readonly dane?: DaneProof;
}

export interface DialOptions extends Alternatives<DialTarget> {
  /** The domain whose relay is wanted: its certificate must name it, and it goes into serverName. */
  readonly domain: string;
  readonly tls: 'off' | 'prefer' | 'require';
  readonly service: TlsService;
  /** Without any the session stays anonymous. */
  readonly credentials?: Credentials;
  /** What this side serves on the session. */
  readonly profiles: ProfileTable;
  readonly limits: Limits;
  /** Where it is counted what sessions hold of messages that are not complete. */
  readonly reassembly?: ReassemblyBudget;
  /** Largest payload of one frame in octets; by the network unless given. */
  readonly frameOctets?: number;
  readonly owner: ConnectionOwner;
}

/** Time limits for a relay that is not the last alternative. */
const ALTERNATIVE_CONNECT_MS = 3000;
const ALTERNATIVE_GREETING_MS = 5000;

/**
 * Opens a session that is ready for use.
 *
 * @throws the error of the last alternative: TransportError CONNECT_FAILED | TIMED_OUT, RefusedError BEEP_UNAVAILABLE |
 * SASL_REFUSED | TLS_REFUSED, RemoteProtocolError TLS_FAILED …
 */
export function dial(options: DialOptions): Promise<Connection> {
  return dialAlternatives(options, (relay, last) => dialRelay(relay, last ? options : withShortTimeouts(options)));
}

/** A relay that hangs must not keep senders from the next one. */
function withShortTimeouts(options: DialOptions): DialOptions {
  const { limits } = options;
  const connectTimeoutMs = Math.min(limits.session.connectTimeoutMs, ALTERNATIVE_CONNECT_MS);
  const greetingTimeoutMs = Math.min(limits.session.greetingTimeoutMs, ALTERNATIVE_GREETING_MS);
  return { ...options, limits: { ...limits, session: { ...limits.session, connectTimeoutMs, greetingTimeoutMs } } };
}

/** Tries the TLS stacks from the best on, as far as the configuration allows, each on a connection of its own. */
async function dialRelay(relay: DialTarget, options: DialOptions): Promise<Connection> {
  const stacks: readonly TlsStack[] =
    options.tls === 'off' || relay.dane !== undefined ? ['modern'] : options.service.clientStacks;
  let failure: unknown;
  for (const stack of stacks) {
    try {
      return await dialOne(relay, options, stack);
    } catch (error) {
      if (!handshakeFailed(error)) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/** An older stack may do better; it never makes a certificate better. */
function handshakeFailed(error: unknown): boolean {
  return error instanceof ImxpError && error.code === 'TLS_FAILED' && error.fields['certificate'] !== true;
}

async function dialOne(relay: DialTarget, options: DialOptions, stack: TlsStack): Promise<Connection> {
  // Few relays are reached over WebSocket. Loaded before there is a connection whose end nobody would see meanwhile.
  const web = relay.transport === 'tcp' ? undefined : await import('./web/client.js');
  const socket = await open(relay, options.limits.session.connectTimeoutMs);
  const { localAddress, localPort } = socket;
  const remote = addressOfRelay(relay, socket);
  const { stream, security } =
    web === undefined ? { stream: socket, security: undefined } : await web.reach(relay, socket, options, stack);
  const { profiles, limits, reassembly, frameOctets } = options;
  const rules = {
    role: 'initiator',
    profiles,
    limits,
    ...(reassembly === undefined ? {} : { reassembly }),
    ...(frameOctets === undefined ? {} : { frameOctets }),
  } as const;
  const connection = new Connection(stream, rules, {
    remote,
    local: { address: localAddress ?? '', port: localPort ?? 0 },
    owner: options.owner,
    ...(security === undefined ? {} : { security }),
  });
  events.opened.publish({
    session: connection.id,
    remote: connection.remote.address,
    port: relay.port,
    role: 'initiator',
  });
  if (security !== undefined) announceTls(connection, security);
  try {
    await connection.greeted();
    const { dane } = relay;
    // RFC 7673 §3.4: records that prove a server also say that it has TLS.
    await secure(
      connection,
      dane === undefined || options.tls === 'off' ? options : { ...options, tls: 'require', dane },
      stack,
    );
    if (options.credentials !== undefined) await authenticate(connection, options.credentials, options);
    return connection;
  } catch (error) {
    options.service.forget(options.domain, remote);
    connection.destroy(error instanceof ImxpError ? error : new LocalError('CLOSED', String(error), { cause: error }));
    throw error;
  }
}

async function open(relay: DialTarget, timeoutMs: number): Promise<Socket> {
  const addresses = relay.addresses ?? (await addressesOf(relay, timeoutMs));
  return connectFirst(addresses, relay.port, { timeoutMs, name: relay.url });
}

/** The addresses of a host that a configuration names, as everything on this machine sees them. */
async function addressesOf({ host, url }: RelayLocation, timeoutMs: number): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const text = `the address of ${url} was not found within ${timeoutMs} ms`;
    timer = setTimeout(() => reject(new TransportError('TIMED_OUT', text)), timeoutMs);
  });
  try {
    return (await Promise.race([lookup(host, { all: true }), late])).map(({ address }) => address);
  } catch (cause) {
    if (cause instanceof ImxpError) throw cause;
    const unknown = cause instanceof Error && 'code' in cause && cause.code === 'ENOTFOUND';
    const why = unknown ? 'the host name is not known' : 'its address cannot be looked up';
    throw new TransportError('CONNECT_FAILED', `cannot connect to ${url}: ${why}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

/** An error that another attempt, later or elsewhere, may not meet. */
export function isTransientFailure(error: ImxpError): boolean {
  if (error instanceof RefusedError) return error.reply.code < 500;
  return error instanceof TransportError;
}
