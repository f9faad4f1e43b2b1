/**
 * TLS between the nodes of a cluster on different machines: both ends show a certificate of the domain. One port serves
 * the node and, while it is the center, the center beside it; the protocol agreed on (ALPN) says whom a connection is for.
 */
import { readFile } from 'node:fs/promises';
import {
  checkServerIdentity,
  connect,
  createServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import type { ClusterConfig, TlsConfig } from '../config/schema.js';
import { LocalError, TransportError } from '../errors.js';
import { events } from '../ops/events.js';
import type { NodeStream } from './node-socket.js';

/** Whom a connection is for. */
export type NodePart = 'node' | 'center';

const PROTOCOLS: Readonly<Record<NodePart, string>> = { node: 'imxp-node', center: 'imxp-center' };
const HANDSHAKE_MS = 5000;

/** Certificate, key and trusted authorities of a node. */
export type NodeCertificate = Required<Pick<SecureContextOptions, 'cert' | 'key'>> & Pick<SecureContextOptions, 'ca'>;

/** @throws LocalError CONFIGURATION */
export async function readNodeCertificate(cluster: ClusterConfig, tls: TlsConfig): Promise<NodeCertificate> {
  const own = cluster.certificate === undefined ? tls : cluster;
  const authority = cluster.authority ?? tls.authority;
  const [cert, key] = await Promise.all([read('certificate', own.certificate), read('key', own.key)]);
  return { cert, key, ...(authority === undefined ? {} : { ca: await read('authority', authority) }) };
}

async function read(name: string, path: string | undefined): Promise<Buffer> {
  try {
    return await readFile(path ?? '');
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new LocalError('CONFIGURATION', `cluster.${name}: ${text}`, { cause });
  }
}

/** Opens connections to other nodes, and accepts theirs. */
export class NodeTls {
  readonly #domain: string;
  readonly #server: Server;
  readonly #served = new Map<string, (stream: NodeStream) => void>();
  readonly #sockets = new Set<TLSSocket>();
  #certificate: NodeCertificate;

  /** @throws LocalError CONFIGURATION when the certificate cannot be used */
  constructor(domain: string, certificate: NodeCertificate) {
    this.#domain = domain;
    this.#certificate = certificate;
    try {
      this.#server = createServer({
        ...certificate,
        minVersion: 'TLSv1.2',
        requestCert: true,
        rejectUnauthorized: true,
        handshakeTimeout: HANDSHAKE_MS,
        ALPNProtocols: Object.values(PROTOCOLS),
      });
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new LocalError('CONFIGURATION', `cluster: the certificate cannot be used: ${text}`, { cause });
    }
    this.#server.on('secureConnection', (socket) => this.#accept(socket));
    this.#server.on('tlsClientError', (error) => events.fault.publish({ session: 'cluster', error }));
  }

  /** Uses another certificate from now on; connections that exist continue. */
  replace(certificate: NodeCertificate): void {
    this.#server.setSecureContext({ ...certificate, minVersion: 'TLSv1.2' });
    this.#certificate = certificate;
  }

  /** @throws LocalError LISTEN_FAILED */
  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) =>
        reject(new LocalError('LISTEN_FAILED', `cluster: ${host}:${port}: ${cause.message}`, { cause })),
      );
      this.#server.listen(port, host, resolve);
    });
    this.#server.on('error', (error) => events.fault.publish({ session: 'cluster', error }));
  }

  /** Gives the connections for a part to it from now on; undefined when it is not there. */
  serve(part: NodePart, accept: ((stream: NodeStream) => void) | undefined): void {
    if (accept === undefined) this.#served.delete(PROTOCOLS[part]);
    else this.#served.set(PROTOCOLS[part], accept);
  }

  /** @throws TransportError CONNECT_FAILED | TIMED_OUT */
  async connect(path: string, part: NodePart, peer: string, timeoutMs: number): Promise<NodeStream> {
    const { hostname, port } = new URL(`tls://${path}`);
    const socket = connect({
      ...this.#certificate,
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port),
      servername: this.#domain,
      minVersion: 'TLSv1.2',
      ALPNProtocols: [PROTOCOLS[part]],
    });
    this.#keep(socket);
    return await new Promise((resolve, reject) => {
      const failed = (error: TransportError): void => {
        clearTimeout(limit);
        socket.destroy();
        reject(error);
      };
      const limit = setTimeout(
        () => failed(new TransportError('TIMED_OUT', `no connection to ${peer} within ${timeoutMs} ms`)),
        timeoutMs,
      );
      const refused = (cause: Error): void =>
        failed(new TransportError('CONNECT_FAILED', `cannot connect to ${peer}: ${cause.message}`, { cause }));
      socket.once('error', refused);
      socket.once('secureConnect', () => {
        clearTimeout(limit);
        socket.off('error', refused);
        resolve(streamOf(socket));
      });
    });
  }

  /** Cuts all connections. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: TLSSocket): void {
    this.#keep(socket);
    // What goes wrong with a connection that nobody takes is of no interest.
    socket.on('error', () => {});
    const served = this.#served.get(socket.alpnProtocol === false ? '' : (socket.alpnProtocol ?? ''));
    const stranger = checkServerIdentity(this.#domain, socket.getPeerCertificate());
    if (stranger !== undefined) events.fault.publish({ session: 'cluster', error: stranger });
    if (served === undefined || stranger !== undefined) socket.destroy();
    else served(streamOf(socket));
  }

  #keep(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

function streamOf(socket: TLSSocket): NodeStream {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
  return {
    stream: socket,
    remote: { address: remoteAddress, port: remotePort },
    local: { address: localAddress, port: localPort },
  };
}
