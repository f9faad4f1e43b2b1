/**
 * TLS by node:tls over an open stream: the contexts, the upgrade on either side, and the facts read at the end of the
 * handshake. `choice.ts` decides which stack suits a ClientHello.
 *
 * Two rules of this file come from faults that were found:
 * - A server is `tls.createServer` with the connection emitted into it. A `TLSSocket` made by hand with
 *   `isServer: true` never refuses a client certificate and never says whether it was good.
 * - `getProtocol`, `getCipher` and their like are called when the handshake ends and never again: after a failed one they
 *   end the whole process.
 */
import { constants, randomBytes, type X509Certificate } from 'node:crypto';
import type { Duplex } from 'node:stream';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { LocalError } from '../../errors.js';
import { trustedAuthorities } from './authorities.js';
import {
  certificateNames,
  HOST_NAMING,
  initiatorPurpose,
  purposeFault,
  type ServerNaming,
  validityFault,
  verifyChain,
} from './certificate.js';
import { type DaneProof, verifyByDane } from './dane.js';
import {
  type ResumableSession,
  type ResumableSessions,
  TICKET_KEY_MS,
  TICKET_LIFETIME_SECONDS,
  VerifiedChains,
} from './resumption.js';
import { type RevocationList, revocationFault } from './revocation.js';
import { type SecuredStream, settled, unacceptableTls } from './secured-stream.js';

/** PEM texts. Without an authority the runtime's public ones are trusted. */
export interface TlsMaterial {
  /** This side's chain, its own certificate first. */
  readonly certificate?: string | Buffer;
  readonly key?: string | Buffer;
  readonly authority?: string | Buffer;
  /** Suites in OpenSSL's notation, instead of those chosen here (RFC 3080 §9: configuration may exclude weak ones). */
  readonly ciphers?: string;
}

const STRICT_CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE+AESGCM',
  'ECDHE+CHACHA20',
  'DHE+AESGCM',
  'DHE+CHACHA20',
  '!aDSS',
].join(':');

const OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION;

/** Options of a context for today's peers: TLS 1.2 and 1.3, authenticated encryption and forward secrecy only. */
export function strictContext(material: TlsMaterial): SecureContextOptions {
  return {
    ...pems(material),
    minVersion: 'TLSv1.2',
    ciphers: material.ciphers ?? STRICT_CIPHERS,
    secureOptions: OPTIONS,
    sessionTimeout: TICKET_LIFETIME_SECONDS,
  };
}

/**
 * Options of a context for TLS 1.0 and 1.1 peers with AES. Security level 0 weakens the whole context, so it is used
 * only for a peer that can do no better. A server stops at TLS 1.2; a client offers all versions, because it cannot see
 * what the server can do. Its sessions are never resumed.
 */
export function legacyContext(material: TlsMaterial, role: 'server' | 'client'): SecureContextOptions {
  const secureOptions = OPTIONS | constants.SSL_OP_NO_TICKET;
  const options: SecureContextOptions = {
    ...pems(material),
    minVersion: 'TLSv1',
    ciphers: `${material.ciphers ?? 'DEFAULT:!aNULL:!eNULL'}:@SECLEVEL=0`,
    secureOptions: role === 'client' ? secureOptions | constants.SSL_OP_LEGACY_SERVER_CONNECT : secureOptions,
  };
  return role === 'server' ? { ...options, maxVersion: 'TLSv1.2' } : options;
}

function pems(material: TlsMaterial): SecureContextOptions {
  const { certificate, key, authority } = material;
  return {
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(authority === undefined ? {} : { ca: authority }),
  };
}

export interface AcceptorOptions {
  /** From {@link strictContext} or {@link legacyContext}. */
  readonly context: SecureContextOptions;
  /**
   * `request`: a client may come without certificate or with a bad one and is then not `authorized`;
   * `require`: such a client is refused; `none` (the default): none is asked for.
   */
  readonly clientCertificate?: 'none' | 'request' | 'require';
  /** How certificates name servers; by default as hosts. */
  readonly naming?: ServerNaming;
  /** Asked at each handshake, so that lists can be read again while running. */
  readonly revocations?: () => readonly RevocationList[];
}

export interface UpgradeOptions {
  /** Ends the handshake; `AbortSignal.timeout()` makes it TIMED_OUT. */
  readonly signal?: AbortSignal;
}

/**
 * The server's side, for any number of connections with one context. Holds no socket of its own, so there is nothing to
 * close; replace it when certificates are read again. Its tickets are of no use to another one, not even to one with the
 * same certificates (D-TLS-04).
 */
export class TlsAcceptor {
  readonly #server: Server;
  readonly #enter: (stream: Duplex, outcome: Outcome) => void;
  readonly #options: AcceptorOptions;
  /** Whether SHA-1 signatures are accepted, which OpenSSL does where the security level is lowered for old peers. */
  readonly #sha1: boolean;
  /** Read when they are first needed. */
  #trusted: readonly X509Certificate[] | undefined;
  /** What clients may resume without showing their intermediate certificates again. */
  readonly #chains = new VerifiedChains();
  /** When the key of the tickets is replaced, on the clock of `performance.now`. */
  #nextKeyAt = performance.now() + TICKET_KEY_MS;

  /** @throws LocalError CONFIGURATION when certificate, key or authority are not usable. */
  constructor(options: AcceptorOptions) {
    const asks = options.clientCertificate === 'request' || options.clientCertificate === 'require';
    this.#options = options;
    this.#sha1 = options.context.minVersion === 'TLSv1';
    this.#server = contextChecked(() =>
      // Node would destroy the socket without a word when rejectUnauthorized is set; we refuse with the reason.
      createServer({ ...options.context, requestCert: asks, rejectUnauthorized: false }),
    );
    this.#enter = enter(this.#server);
  }

  /**
   * Does the server's handshake over the stream, a socket or any other Duplex. What was read from it too early must have
   * been unshifted before.
   * @throws RemoteProtocolError TLS_FAILED, TransportError TLS_FAILED | TIMED_OUT | CLOSED; the stream is then destroyed.
   */
  upgrade(stream: Duplex, { signal }: UpgradeOptions = {}): Promise<SecuredStream> {
    this.#renewTicketKey();
    return settled(stream, signal, (done, fail) => {
      this.#enter(stream, {
        secured: (socket) => {
          try {
            done(this.#accept(socket));
          } catch (error) {
            discard(socket);
            fail(error);
          }
        },
        failed: (error, socket) => {
          discard(socket);
          fail(error);
        },
      });
    });
  }

  #renewTicketKey(): void {
    const now = performance.now();
    if (now < this.#nextKeyAt) return;
    this.#nextKeyAt = now + TICKET_KEY_MS;
    this.#server.setTicketKeys(randomBytes(TICKET_KEY_OCTETS));
  }

  #accept(socket: TLSSocket): SecuredStream {
    const { clientCertificate, revocations } = this.#options;
    const chain = peerChain(socket);
    const path = socket.isSessionReused() ? this.#resumedPath(chain) : chain;
    const fault =
      typeof path === 'string'
        ? path
        : (this.#chainFault(socket, path) ?? revocationFault(path, revocations?.() ?? [], Date.now()));
    if (fault === undefined && typeof path !== 'string') this.#chains.keep(path);
    if (fault !== undefined && clientCertificate === 'require') throw unacceptableTls(fault);
    return securedBy(
      socket,
      chain,
      clientCertificate === undefined || clientCertificate === 'none' ? undefined : fault,
    );
  }

  /**
   * The path from a client's certificate to the authority where the session is resumed. The certificate comes out of the
   * ticket, the rest is that of the full handshake; if it is not known any more, the certificate has to lead to an
   * authority by itself. OpenSSL looked at the times when the session began, so they are looked at again.
   *
   * @returns the reason if there is no path
   */
  #resumedPath([leaf]: readonly X509Certificate[]): readonly X509Certificate[] | string {
    if (leaf === undefined) return [];
    const path =
      this.#chains.of(leaf) ??
      verifyChain([leaf.raw], {
        authorities: this.#authorities(),
        purpose: 'initiator',
        nowMs: Date.now(),
        sha1: this.#sha1,
        ...(this.#options.naming === undefined ? {} : { naming: this.#options.naming }),
      });
    return typeof path === 'string' ? path : (validityFaultIn(path) ?? path);
  }

  /**
   * OpenSSL verifies every chain of a client for the purpose `client`, and a chain that is bad for the purpose looks to
   * node like one that is bad for that reason alone: the verdict replaces earlier ones. A relay's chain that is for
   * servers is therefore verified here, whatever OpenSSL says.
   */
  #chainFault(socket: TLSSocket, chain: readonly X509Certificate[]): string | undefined {
    const [leaf] = chain;
    if (leaf !== undefined && initiatorPurpose(leaf, this.#options.naming) === 'server') {
      const ders = chain.map(({ raw }) => raw);
      const path = verifyChain(ders, {
        authorities: this.#authorities(),
        purpose: 'server',
        nowMs: Date.now(),
        sha1: this.#sha1,
      });
      return typeof path === 'string' ? path : undefined;
    }
    return socket.authorized ? leafFault(chain, 'client') : reasonOf(socket, chain);
  }

  #authorities(): readonly X509Certificate[] {
    const { ca } = this.#options.context;
    this.#trusted ??= trustedAuthorities(Array.isArray(ca) ? ca.join('\n') : ca);
    return this.#trusted;
  }
}

/** Node takes them in one piece: name, HMAC key and AES key of 16 octets each. */
const TICKET_KEY_OCTETS = 48;

/** Told once what became of one connection's handshake. */
interface Outcome {
  secured(socket: TLSSocket): void;
  failed(error: Error, socket: TLSSocket): void;
}

/** The shared server as one connection sees it. */
interface ServerView {
  /** Undefined once it has been told: node keeps the view for as long as the connection lives. */
  outcome: Outcome | undefined;
}

/**
 * Gives connections to the shared server. A tls.Server tells all its connections' outcomes through its own `emit` without
 * saying which stream they belong to; every connection therefore gets an object that inherits everything from the
 * server but hears its own events.
 */
function enter(server: Server): (stream: Duplex, outcome: Outcome) => void {
  const listeners = server.listeners('connection');
  const viewed: Server = Object.create(server, { emit: { value: heard } });
  return (stream, outcome) => {
    const view: Server & ServerView = Object.create(viewed);
    view.outcome = outcome;
    for (const listener of listeners) listener.call(view, stream);
  };
}

function heard(this: ServerView, event: string, first: unknown, second: unknown): boolean {
  const { outcome } = this;
  if (outcome === undefined) return true;
  if (event === 'secureConnection') {
    this.outcome = undefined;
    outcome.secured(first as TLSSocket);
  } else if (event === 'tlsClientError') {
    this.outcome = undefined;
    outcome.failed(first as Error, second as TLSSocket);
  }
  return true;
}

/** Whose tickets a client keeps, and under which name those of this server are. */
export interface Resumption {
  readonly sessions: ResumableSessions;
  readonly server: string;
}

export interface ClientUpgrade extends UpgradeOptions {
  /** From {@link clientContext}. */
  readonly context: SecureContext;
  /** Without it every handshake is a full one. */
  readonly resumption?: Resumption;
  /** The domain whose server it must be; also the server name asked for. */
  readonly domain: string;
  readonly revocations?: () => readonly RevocationList[];
  /** True: a server that cannot be verified is accepted, and the result says so. For opportunistic privacy only. */
  readonly allowUnauthorized?: boolean;
  /** How certificates name servers; by default as hosts. */
  readonly naming?: ServerNaming;
  /** What proves the server instead of an authority. */
  readonly dane?: DaneProof;
}

/**
 * Reads certificates and key once for all connections of a client.
 * @param options from {@link strictContext} or {@link legacyContext}
 * @throws LocalError CONFIGURATION when they are not usable
 */
export function clientContext(options: SecureContextOptions): SecureContext {
  return contextChecked(() => createSecureContext(options));
}

/**
 * Does the client's handshake over a connected stream, which resumes the last session with the server if it can.
 * @throws RemoteProtocolError TLS_FAILED, TransportError TLS_FAILED | TIMED_OUT | CLOSED; the stream is then destroyed.
 */
export async function upgradeClient(stream: Duplex, options: ClientUpgrade): Promise<SecuredStream> {
  const { resumption } = options;
  const earlier = resumption?.sessions.of(resumption.server);
  try {
    return await handshake(stream, options, earlier);
  } catch (error) {
    resumption?.sessions.forget(resumption.server);
    throw error;
  }
}

function handshake(
  stream: Duplex,
  options: ClientUpgrade,
  earlier: ResumableSession | undefined,
): Promise<SecuredStream> {
  const { resumption } = options;
  return settled(stream, options.signal, (done, fail) => {
    const socket = connect(connection(stream, options, earlier?.session));
    const refused = (error: unknown): void => {
      discard(socket);
      fail(error);
    };
    socket.on('error', refused);
    // What could not be verified is not resumed.
    let verified: readonly X509Certificate[] | undefined;
    if (resumption !== undefined) {
      // Node asks OpenSSL for tickets only if there is a listener from the beginning. They come after the handshake.
      socket.on('session', (session) => {
        if (verified !== undefined) resumption.sessions.keep(resumption.server, { session, chain: verified });
      });
    }
    socket.once('secureConnect', () => {
      try {
        const chain = socket.isSessionReused() ? (earlier?.chain ?? []) : peerChain(socket);
        const secured = verifiedServer(socket, chain, options);
        if (secured.authorized) verified = chain;
        socket.off('error', refused);
        done(secured);
      } catch (error) {
        refused(error);
      }
    });
  });
}

function connection(
  stream: Duplex,
  { context, domain }: ClientUpgrade,
  session: Buffer | undefined,
): ConnectionOptions {
  return {
    secureContext: context,
    socket: stream,
    ...(session === undefined ? {} : { session }),
    // RFC 6066 §3: a server name is a host name; a single label or an address is not sent.
    ...(/^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*$/i.test(domain) ? { servername: domain } : {}),
    // verifiedServer() refuses: node would do so without telling the reason in one place. It also checks the name:
    // D-TLS-02: the certificate names a domain's relay, which is not a matter of host names.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  };
}

const NOT_NAMED = 'the certificate does not name the domain';

/** @param chain the server's, of the full handshake if the session is resumed */
function verifiedServer(socket: TLSSocket, chain: readonly X509Certificate[], options: ClientUpgrade): SecuredStream {
  const [certificate] = chain;
  const { domain, naming = HOST_NAMING, dane } = options;
  if (dane !== undefined) {
    const verdict = verifyByDane(chain, dane, { domain, naming, nowMs: Date.now() });
    const fault =
      'fault' in verdict ? verdict.fault : revocationFault(chain, options.revocations?.() ?? [], Date.now());
    if (fault !== undefined) throw unacceptableTls(fault);
    return { ...securedBy(socket, chain, undefined), ...('by' in verdict ? { provenBy: verdict.by } : {}) };
  }
  const fault =
    (socket.authorized ? undefined : reasonOf(socket, chain)) ??
    leafFault(chain, 'server') ??
    (socket.isSessionReused() ? validityFaultIn(chain) : undefined) ??
    (certificate !== undefined && naming.names(certificateNames(certificate), domain) ? undefined : NOT_NAMED) ??
    revocationFault(chain, options.revocations?.() ?? [], Date.now());
  if (fault !== undefined && options.allowUnauthorized !== true) throw unacceptableTls(fault);
  return securedBy(socket, chain, fault);
}

/** The peer's certificate and its issuers as far as OpenSSL found them. */
function peerChain(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = socket.getPeerX509Certificate(); next !== undefined; next = next.issuerCertificate) {
    const found = next;
    if (chain.some((certificate) => certificate.raw.equals(found.raw))) break;
    chain.push(found);
  }
  return chain;
}

/** OpenSSL checked these already; asked again because the security of the mesh hangs on them. */
function leafFault([certificate]: readonly X509Certificate[], purpose: 'server' | 'client'): string | undefined {
  if (certificate === undefined) return 'no certificate';
  return purposeFault(certificate, purpose) ?? validityFault(certificate, Date.now());
}

/** Why a certificate of the chain is not valid at this time, or undefined when all are. */
function validityFaultIn(chain: readonly X509Certificate[]): string | undefined {
  for (const certificate of chain) {
    const fault = validityFault(certificate, Date.now());
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function reasonOf(socket: TLSSocket, chain: readonly X509Certificate[]): string {
  if (chain.length === 0) return 'no certificate';
  const error: unknown = socket.authorizationError;
  return error instanceof Error ? error.message : String(error ?? 'not verified');
}

function securedBy(
  socket: TLSSocket,
  [certificate]: readonly X509Certificate[],
  fault: string | undefined,
): SecuredStream {
  return {
    stream: socket,
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().standardName,
    resumed: socket.isSessionReused(),
    ...(certificate === undefined ? {} : { peerCertificate: certificate.raw }),
    authorized: certificate !== undefined && fault === undefined,
    ...(fault === undefined ? {} : { reason: fault }),
    exporter: (label, octets, context) => {
      if (socket.destroyed || socket.closed) throw new LocalError('CLOSED', 'the TLS session is closed');
      return socket.exportKeyingMaterial(octets, label, context ?? Buffer.alloc(0));
    },
  };
}

/** Ends a socket whose handshake failed; its later errors are ignored. */
function discard(socket: TLSSocket): void {
  socket.on('error', () => {});
  socket.destroy();
}

function contextChecked<Made>(make: () => Made): Made {
  try {
    return make();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new LocalError('CONFIGURATION', `the TLS certificate, key or authority is not usable: ${text}`, { cause });
  }
}
