/**
 * HTTP side of a listener: upgrades requests for a WebSocket, serves the files of a page if there is one, and answers
 * all others briefly. Time limits are the caller's.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Limits } from '../../config/limits.js';
import { RemoteProtocolError, TransportError } from '../../errors.js';
import { pathOf, type WebRefusal, type WebRules, webRefusal } from './upgrade-policy.js';
import { WebSocketStream, webSocketSettings } from './websocket.js';

export interface WebLimits {
  readonly websocket: Limits['websocket'];
  readonly unauthenticated: Pick<Limits['unauthenticated'], 'octets'>;
}

interface Visit {
  enter(stream: WebSocketStream): void;
  /** A file of the page was asked for. */
  served(): void;
  /** The HTTP response sent instead. */
  refused: WebRefusal | { readonly status: number; readonly text: string } | undefined;
}

/** Browsers ask for the next file within moments; each connection of theirs is a session here. */
const KEEP_ALIVE_MS = 2000;
const REQUESTS_PER_CONNECTION = 100;

export class UpgradeServer {
  readonly #rules: WebRules;
  readonly #limits: WebLimits;
  readonly #http: Server;
  readonly #webSockets: WebSocketServer;
  readonly #visits = new WeakMap<Duplex, Visit>();

  constructor(rules: WebRules, limits: WebLimits) {
    this.#rules = rules;
    this.#limits = limits;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      ...webSocketSettings(limits.websocket.messageOctets),
    });
    this.#http = createServer({
      maxHeaderSize: limits.websocket.upgradeOctets,
      keepAlive: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
    });
    this.#http.maxRequestsPerSocket = REQUESTS_PER_CONNECTION;
    this.#http.on('request', (request, response) => this.#request(request, response));
    this.#http.on('upgrade', (request, stream, head) => this.#upgrade(request, stream, head));
    this.#http.on('clientError', (error: Error, stream) => this.#fault(error, stream));
  }

  /**
   * Takes a connection and upgrades it.
   *
   * @param stream a connection of which nothing was read, or everything was put back; destroying it ends the wait
   * @param served called for each file of the page that the peer asks for
   * @throws RemoteProtocolError WEBSOCKET_INVALID when the request is refused, TransportError CONNECTION_LOST when the peer leaves
   */
  receive(stream: Duplex, served: () => void = ignore): Promise<WebSocketStream> {
    return new Promise((resolve, reject) => {
      const visit: Visit = {
        refused: undefined,
        served,
        enter: (entered) => {
          stream.off('close', left);
          resolve(entered);
        },
      };
      const left = (): void => {
        const { refused } = visit;
        reject(
          refused === undefined
            ? new TransportError('CONNECTION_LOST', 'the peer disconnected before it asked for a WebSocket')
            : new RemoteProtocolError(
                'WEBSOCKET_INVALID',
                `the peer was refused with ${refused.status}: ${refused.text}`,
              ),
        );
      };
      this.#visits.set(stream, visit);
      stream.on('error', ignore);
      stream.once('close', left);
      if (stream.destroyed) {
        left();
        return;
      }
      this.#http.emit('connection', stream);
      // Octets that were put back wait in a paused stream; node:http reads only flowing ones.
      stream.resume();
    });
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const { page } = this.#rules;
    const file = page?.answer(request.method, pathOf(request.url ?? '/') ?? '', request.headers);
    if (file !== undefined) {
      this.#visits.get(request.socket)?.served();
      response.writeHead(file.status, file.headers).end(file.body);
      request.resume();
      return;
    }
    const refusal = webRefusal(request.url ?? '/', { ...request.headers, upgrade: undefined }, this.#rules);
    if (refusal !== undefined) {
      this.#refused(request.socket, refusal);
      response.writeHead(refusal.status, { ...headersOf(refusal), Connection: 'close' });
      response.end(bodyOf(refusal));
    }
    // A body is not wanted; reading it lets the peer see the answer.
    request.resume();
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const refusal = webRefusal(request.url ?? '/', request.headers, this.#rules) ?? faultOf(request);
    if (refusal !== undefined) {
      this.#answer(stream, refusal);
      return;
    }
    this.#webSockets.handleUpgrade(request, stream, head, (socket) => {
      const { websocket, unauthenticated } = this.#limits;
      const { pingMs } = websocket;
      this.#visits
        .get(stream)
        ?.enter(new WebSocketStream(socket, stream, { pingMs, unfinishedOctets: unauthenticated.octets }));
    });
  }

  #fault(error: Error, stream: Duplex): void {
    const code = 'code' in error ? error.code : undefined;
    if (!stream.writable || code === 'ECONNRESET') {
      stream.destroy();
    } else if (code === 'HPE_HEADER_OVERFLOW') {
      this.#answer(stream, {
        status: 431,
        text: `more than ${this.#limits.websocket.upgradeOctets} octets in the request`,
      });
    } else {
      this.#answer(stream, { status: 400, text: 'this is not an HTTP request' });
    }
  }

  /** Answers where node:http has given the connection away. */
  #answer(stream: Duplex, refusal: { readonly status: number; readonly text: string }): void {
    this.#refused(stream, refusal);
    const body = bodyOf(refusal);
    const headers = Object.entries({ ...headersOf(refusal), Connection: 'close' });
    const head = [`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`, ...headers.map((it) => it.join(': '))];
    stream.end(`${head.join('\r\n')}\r\n\r\n${body}`);
    stream.resume();
  }

  #refused(stream: Duplex, refusal: { readonly status: number; readonly text: string }): void {
    const visit = this.#visits.get(stream);
    if (visit !== undefined) visit.refused = refusal;
  }
}

/** RFC 6455 §4.2.1: what `ws` would answer with a page. */
function faultOf({ method, headers }: IncomingMessage): WebRefusal | undefined {
  if (method !== 'GET') return { status: 400, text: 'a WebSocket handshake uses GET' };
  if (headers['sec-websocket-version'] !== '13') return { status: 426, text: 'Sec-WebSocket-Version must be 13' };
  const key = headers['sec-websocket-key'] ?? '';
  if (!/^[+/0-9A-Za-z]{22}==$/.test(key)) return { status: 400, text: 'Sec-WebSocket-Key is not 16 octets in base64' };
  return undefined;
}

function headersOf({ status, text }: { readonly status: number; readonly text: string }): Record<string, string> {
  return {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(bodyOf({ text }))),
    // RFC 9110 §15.5.22, RFC 6455 §4.4.
    ...(status === 426 ? { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' } : {}),
  };
}

function bodyOf({ text }: { readonly text: string }): string {
  return `${text}\n`;
}

/** The end of the connection says all, and most peers ask for no page. */
function ignore(): void {}
