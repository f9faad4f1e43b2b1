/** Client's side of a WebSocket over an open connection: TLS for wss, and the HTTP request. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { Limits } from '../../config/limits.js';
import { type RelayLocation, writeRelayUrl } from '../../config/relay-url.js';
import { type ImxpError, RemoteProtocolError, TransportError } from '../../errors.js';
import { addressOfRelay } from '../network.js';
import type { SecuredStream } from '../tls/secured-stream.js';
import type { TlsService, TlsStack } from '../tls/service.js';
import { WebSocketStream, webSocketSettings } from './websocket.js';

export interface WebClientOptions {
  readonly domain: string;
  readonly tls: 'off' | 'prefer' | 'require';
  readonly service: TlsService;
  readonly limits: {
    readonly session: Pick<Limits['session'], 'connectTimeoutMs'>;
    readonly websocket: Limits['websocket'];
  };
}

/** What BEEP runs over, and the protection it has. */
export interface Reached {
  readonly stream: Duplex;
  readonly security?: SecuredStream;
}

/**
 * Brings a TCP connection to a relay that takes WebSockets to where BEEP begins.
 *
 * @throws RemoteProtocolError TLS_FAILED | WEBSOCKET_INVALID, TransportError TIMED_OUT | CONNECTION_LOST; the connection is
 *   closed then
 */
export async function reach(
  relay: RelayLocation,
  socket: Socket,
  options: WebClientOptions,
  stack: TlsStack,
): Promise<Reached> {
  if (relay.transport === 'ws') return { stream: await openWebSocket(relay, socket, options.limits) };
  // The URL says TLS; only `prefer` takes a certificate that cannot be verified.
  const lenient = options.tls === 'prefer';
  const security = await options.service.connect(socket, options.domain, lenient, stack, addressOfRelay(relay, socket));
  return { stream: await openWebSocket(relay, security.stream, options.limits), security };
}

/** Asks for a WebSocket. `Origin` is sent because some relays want one (LibVortex does); it names the relay itself. */
export function openWebSocket(
  { transport, host, port, path = '/', url }: RelayLocation,
  under: Duplex,
  limits: WebClientOptions['limits'],
): Promise<WebSocketStream> {
  const { messageOctets, upgradeTimeoutMs, pingMs } = limits.websocket;
  const timeoutMs = Math.min(limits.session.connectTimeoutMs, upgradeTimeoutMs);
  return new Promise((resolve, reject) => {
    // TLS, if any, is done already: to `ws` every connection is a plain one.
    const place = writeRelayUrl('ws', host, port);
    const origin = new URL(writeRelayUrl(transport === 'wss' ? 'https' : 'http', host, port)).origin;
    const socket = new WebSocket(`${place}${path}`, {
      ...webSocketSettings(messageOctets),
      origin,
      headers: { Host: new URL(origin).host },
      // Any stream is accepted, although the type says otherwise.
      createConnection: () => under as Socket,
    });
    const fail = (error: ImxpError): void => {
      clearTimeout(timer);
      socket.off('error', failed);
      socket.on('error', ignore);
      socket.terminate();
      under.destroy();
      reject(error);
    };
    const failed = (cause: Error): void =>
      fail(new TransportError('CONNECTION_LOST', `cannot open a WebSocket to ${url}: ${cause.message}`, { cause }));
    const timer = setTimeout(
      () => fail(new TransportError('TIMED_OUT', `cannot open a WebSocket to ${url} within ${timeoutMs} ms`)),
      timeoutMs,
    );
    socket.once('error', failed);
    socket.once('unexpected-response', (_request, response) => {
      const told = (body: string): void => {
        const text = `cannot open a WebSocket to ${url}: ${response.statusCode} ${response.statusMessage} ${body.slice(0, 200)}`;
        fail(new RemoteProtocolError('WEBSOCKET_INVALID', text.trim()));
      };
      // The first octets of an explanation are enough.
      response.setEncoding('utf8').once('data', told);
      response.once('end', () => told(''));
    });
    socket.once('open', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      resolve(new WebSocketStream(socket, under, { pingMs }));
    });
  });
}

/** The reason was told already. */
function ignore(): void {}
