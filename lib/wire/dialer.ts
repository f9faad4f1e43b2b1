/**
 * Opens sessions: TCP, greeting, TLS as demanded, authentication. Tries the alternatives in order. What the session is
 * then used for is not decided here.
 */
import { connect, type Socket } from 'node:net';
import type { Limits } from '../config/limits.js';
import type { RelayLocation } from '../config/relay-url.js';
import { ImxpError, LocalError, RefusedError, TransportError } from '../errors.js';
import { events } from '../ops/events.js';
import { Driver, type DriverOwner } from './driver.js';
import type { ProfileTable } from './profile.js';
import { authenticate, type Credentials } from './sasl-client.js';
import { secure } from './tls-client.js';
import type { TlsService, TlsStack } from './tls-service.js';

export interface DialOptions {
  /** Tried in this order. */
  readonly relays: readonly RelayLocation[];
  /** The domain whose relay is wanted: its certificate must name it, and it goes into serverName. */
  readonly domain: string;
  readonly tls: 'off' | 'prefer' | 'require';
  readonly service: TlsService;
  /** Without any the session stays anonymous. */
  readonly credentials?: Credentials;
  /** What this side serves on the session. */
  readonly profiles: ProfileTable;
  readonly limits: Limits;
  readonly owner: DriverOwner;
}

const KEEP_ALIVE_MS = 60_000;

/**
 * Opens a session that is ready for use.
 *
 * @throws the error of the last alternative: TransportError CONNECT_FAILED | TIMED_OUT, RefusedError BEEP_UNAVAILABLE |
 * SASL_REFUSED | TLS_REFUSED, RemoteProtocolError TLS_FAILED …
 */
export async function dial(options: DialOptions): Promise<Driver> {
  let last: ImxpError = new LocalError('ARGUMENT', 'no relay to connect to');
  for (const relay of options.relays) {
    try {
      return await dialRelay(relay, options);
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
      last = error;
      // Another relay of the same domain knows the same passwords.
      if (error.code === 'SASL_REFUSED' || error.code === 'SASL_NO_MECHANISM') break;
    }
  }
  throw last;
}

/** Tries the TLS stacks from the best on, as far as the configuration allows, each on a connection of its own. */
async function dialRelay(relay: RelayLocation, options: DialOptions): Promise<Driver> {
  const stacks: readonly TlsStack[] = options.tls === 'off' ? ['modern'] : options.service.clientStacks;
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

async function dialOne(relay: RelayLocation, options: DialOptions, stack: TlsStack): Promise<Driver> {
  const socket = await open(relay, options.limits.connectTimeoutMs);
  const { localAddress, localPort } = socket;
  const driver = new Driver(socket, {
    role: 'initiator',
    profiles: options.profiles,
    limits: options.limits,
    remote: { address: socket.remoteAddress ?? relay.host, port: relay.port },
    local: { address: localAddress ?? '', port: localPort ?? 0 },
    owner: options.owner,
  });
  events.opened.publish({ session: driver.id, remote: driver.remote.address, port: relay.port, role: 'initiator' });
  try {
    await driver.greeted();
    await secure(driver, options, stack);
    if (options.credentials !== undefined) await authenticate(driver, options.credentials, options);
    return driver;
  } catch (error) {
    driver.destroy(error instanceof ImxpError ? error : new LocalError('CLOSED', String(error), { cause: error }));
    throw error;
  }
}

function open(relay: RelayLocation, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: relay.host,
      port: relay.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new TransportError('TIMED_OUT', `no connection to ${relay.url} within ${timeoutMs} ms`));
    }, timeoutMs);
    const failed = (cause: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      reject(new TransportError('CONNECT_FAILED', `cannot connect to ${relay.url}: ${explain(cause)}`, { cause }));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

function explain(error: NodeJS.ErrnoException): string {
  if (error.code === 'ECONNREFUSED') return 'nobody listens there';
  if (error.code === 'ENOTFOUND') return 'the host name is not known';
  return error.message || (error.code ?? 'unknown reason');
}

/** An error that another attempt, later or elsewhere, may not meet. */
export function isTransient(error: ImxpError): boolean {
  if (error instanceof RefusedError) return error.reply.code < 500;
  return error instanceof TransportError;
}
