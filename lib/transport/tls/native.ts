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
import { constants, type X509Certificate } from 'node:crypto';
import type { Duplex } from 'node:stream';
import {
  type ConnectionOptions,
  connect,
  createServer,
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

// Sessions are few and long, so resumption gains nothing; without it every session proves its certificate again.
const OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_COMPRESSION;

/** Options of a context for today's peers: TLS 1.2 and 1.3, authenticated encryption and forward secrecy only. */
export function strictContext(material: TlsMaterial): SecureContextOptions {
  return {
    ...pems(material),
    minVersion: 'TLSv1.2',
    ciphers: material.ciphers ?? STRICT_CIPHERS,
    secureOptions: OPTIONS,
  };
}

/**
 * Options of a context for TLS 1.0 and 1.1 peers with AES. Security level 0 weakens the whole context, so it is used
 * only for a peer that can do no better. A server stops at TLS 1.2; a client offers all versions, because it cannot see
 * what the server can do.
 */
export function legacyContext(material: TlsMaterial, role: 'server' | 'client'): SecureContextOptions {
  const options: SecureContextOptions = {
    ...pems(material),
    minVersion: 'TLSv1',
    ciphers: `${material.ciphers ?? 'DEFAULT:!aNULL:!eNULL'}:@SECLEVEL=0`,
    secureOptions: role === 'client' ? OPTIONS | constants.SSL_OP_LEGACY_SERVER_CONNECT : OPTIONS,
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
 * close; replace it when certificates are read again.
 */
export class TlsAcceptor {
  readonly #server: Server;
  readonly #options: AcceptorOptions;
  /** Whether SHA-1 signatures are accepted, which OpenSSL does where the security level is lowered for old peers. */
  readonly #sha1: boolean;
  /** Read when they are first needed. */
  #trusted: readonly X509Certificate[] | undefined;

  /** @throws LocalError CONFIGURATION when certificate, key or authority are not usable. */
  constructor(options: AcceptorOptions) {
    const asks = options.clientCertificate === 'request' || options.clientCertificate === 'require';
    this.#options = options;
    this.#sha1 = options.context.minVersion === 'TLSv1';
    this.#server = contextChecked(() =>
      // Node would destroy the socket without a word when rejectUnauthorized is set; we refuse with the reason.
      createServer({ ...options.context, requestCert: asks, rejectUnauthorized: false }),
    );
  }

  /**
   * Does the server's handshake over the stream, a socket or any other Duplex. What was read from it too early must have
   * been unshifted before.
   * @throws RemoteProtocolError TLS_FAILED, TransportError TLS_FAILED | TIMED_OUT | CLOSED; the stream is then destroyed.
   */
  upgrade(stream: Duplex, { signal }: UpgradeOptions = {}): Promise<SecuredStream> {
    return settled(stream, signal, (done, fail) => {
      const view = viewOf(this.#server, {
        secureConnection: (socket) => {
          try {
            done(this.#accept(socket));
          } catch (error) {
            discard(socket);
            fail(error);
          }
        },
        tlsClientError: (error, socket) => {
          discard(socket);
          fail(error);
        },
      });
      view.emit('connection', stream);
    });
  }

  #accept(socket: TLSSocket): SecuredStream {
    const { clientCertificate, revocations } = this.#options;
    const chain = peerChain(socket);
    const fault = this.#chainFault(socket, chain) ?? revocationFault(chain, revocations?.() ?? [], Date.now());
    if (fault !== undefined && clientCertificate === 'require') throw unacceptableTls(fault);
    return securedBy(
      socket,
      chain,
      clientCertificate === undefined || clientCertificate === 'none' ? undefined : fault,
    );
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

interface ServerEvents {
  secureConnection(socket: TLSSocket): void;
  tlsClientError(error: Error, socket: TLSSocket): void;
}

/**
 * The shared server as one connection sees it. A tls.Server tells all its connections' outcomes through its own `emit`
 * without saying which stream they belong to; every connection therefore gets an object that inherits everything from
 * the server but hears its own events.
 */
function viewOf(server: Server, events: ServerEvents): Server {
  const view: Server = Object.create(server, {
    emit: {
      value: (event: string, ...values: unknown[]): boolean => {
        const [first, second] = values;
        if (event === 'secureConnection') events.secureConnection(first as TLSSocket);
        else if (event === 'tlsClientError') events.tlsClientError(first as Error, second as TLSSocket);
        else if (event === 'connection') for (const listener of server.listeners(event)) listener.apply(view, values);
        return true;
      },
    },
  });
  return view;
}

export interface ClientUpgrade extends UpgradeOptions {
  /** From {@link strictContext} or {@link legacyContext}. */
  readonly context: SecureContextOptions;
  /** The domain whose server it must be; also the server name asked for. */
  readonly domain: string;
  readonly revocations?: () => readonly RevocationList[];
  /** True: a server that cannot be verified is accepted, and the result says so. For opportunistic privacy only. */
  readonly allowUnauthorized?: boolean;
  /** How certificates name servers; by default as hosts. */
  readonly naming?: ServerNaming;
}

/**
 * Does the client's handshake over a connected stream.
 * @throws RemoteProtocolError TLS_FAILED, TransportError TLS_FAILED | TIMED_OUT | CLOSED; the stream is then destroyed.
 * @throws LocalError CONFIGURATION when the context is not usable.
 */
export function upgradeClient(stream: Duplex, options: ClientUpgrade): Promise<SecuredStream> {
  return settled(stream, options.signal, (done, fail) => {
    const socket = contextChecked(() => connect(connection(stream, options)));
    const refused = (error: unknown): void => {
      discard(socket);
      fail(error);
    };
    socket.on('error', refused);
    socket.once('secureConnect', () => {
      try {
        const secured = verifiedServer(socket, options);
        socket.off('error', refused);
        done(secured);
      } catch (error) {
        refused(error);
      }
    });
  });
}

function connection(stream: Duplex, { context, domain, naming = HOST_NAMING }: ClientUpgrade): ConnectionOptions {
  return {
    ...context,
    socket: stream,
    // RFC 6066 §3: a server name is a host name; a single label or an address is not sent.
    ...(/^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*$/i.test(domain) ? { servername: domain } : {}),
    // verifiedServer() refuses: node would do so without telling the reason in one place.
    rejectUnauthorized: false,
    // D-TLS-02: the certificate names a domain's relay, which is not a matter of host names.
    checkServerIdentity: (_host, certificate) =>
      naming.names(certificateNames(certificate.raw), domain) ? undefined : new Error(NOT_NAMED),
  };
}

const NOT_NAMED = 'the certificate does not name the domain';

function verifiedServer(socket: TLSSocket, options: ClientUpgrade): SecuredStream {
  const chain = peerChain(socket);
  const [certificate] = chain;
  const { domain, naming = HOST_NAMING } = options;
  const fault =
    (socket.authorized ? undefined : reasonOf(socket, chain)) ??
    leafFault(chain, 'server') ??
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

function reasonOf(socket: TLSSocket, chain: readonly X509Certificate[]): string {
  if (chain.length === 0) return 'no certificate';
  const error: unknown = socket.authorizationError;
  return error instanceof Error ? error.message : String(error ?? 'not verified');
}

function securedBy(socket: TLSSocket, chain: X509Certificate[], fault: string | undefined): SecuredStream {
  const [certificate] = chain;
  return {
    stream: socket,
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().standardName,
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
