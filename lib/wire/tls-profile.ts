/**
 * The TLS profile as its server (RFC 3080 §3.1.3.2): `ready` comes, everything owed is sent, `proceed` leaves, and the
 * connection is handed to TLS. Its vocabulary and rules are `tls/`'s, the handshake is TlsService's.
 */
import type { Duplex } from 'node:stream';
import type { StartEvent } from '../beep/event.js';
import { ImxpError, LocalError, TransportError } from '../errors.js';
import { events } from '../ops/events.js';
import { documentOf, errorContent, TLS_DRAFT_URI, TLS_URI, tlsMessage } from '../tls/message.js';
import { answerReady, octetsForTls } from '../tls/tuning.js';
import { ChannelHandle, type ErrorCodec } from './channel-handle.js';
import type { Driver, HandedOver } from './driver.js';
import type { Condition, Proposal, ServedProfile } from './profile.js';
import type { SecuredStream } from './secured-stream.js';
import type { TlsService } from './tls-service.js';

/** How errors are written on a TLS channel. */
export const TLS_ERRORS: ErrorCodec = { encodeError: (reply) => tlsMessage(errorContent(reply)) };

export class TlsProfile implements ServedProfile {
  readonly uris: readonly string[] = [TLS_URI, TLS_DRAFT_URI];
  readonly offered: readonly string[] = [TLS_URI];
  readonly tuning = true;
  readonly needs: readonly Condition[] = [];
  // RFC 3080 §4.1: not after SASL; and TLS within TLS makes no sense.
  readonly forbids: readonly Condition[] = ['private', 'authenticated'];
  readonly #service: TlsService;

  constructor(service: TlsService) {
    this.#service = service;
  }

  start(driver: Driver, event: StartEvent, { uri, content }: Proposal): void {
    const channel = new ChannelHandle(driver, event.channel, uri, TLS_ERRORS);
    channel.handler = { message: (msgno, payload) => this.#message(driver, channel, msgno, payload), closed: () => {} };
    if (content === undefined || content.length === 0) {
      driver.accept(event, uri, undefined, channel);
      return;
    }
    const answer = answerReady(content, this.#state(driver));
    const accept = (): void => driver.accept(event, uri, answer.content, channel);
    // RFC 3080 §3.1.1: when `ready` is refused the channel exists all the same, and the error is its first answer.
    if (answer.type === 'error') accept();
    else this.#proceed(driver, event.serverName, accept);
  }

  #message(driver: Driver, channel: ChannelHandle, msgno: number, payload: Buffer): void {
    channel.consume(payload.length);
    const answer = answerReady(documentOf(payload), this.#state(driver));
    if (answer.type === 'error') channel.reply(msgno, 'ERR', tlsMessage(answer.content));
    else {
      this.#proceed(driver, driver.serverName, () => channel.reply(msgno, 'RPY', tlsMessage(answer.content)));
    }
  }

  #state(driver: Driver) {
    const { private: privacy, authenticated } = driver.conditions;
    return { available: this.#service.canServe, privacy, authenticated, layered: false };
  }

  #proceed(driver: Driver, serverName: string | undefined, answer: () => void): void {
    driver
      .handOver(1, answer)
      .then((handed) => this.#negotiate(driver, handed, serverName))
      .catch((error: unknown) => {
        driver.destroy(
          error instanceof ImxpError ? error : new LocalError('TLS_FAILED', String(error), { cause: error }),
        );
      });
  }

  async #negotiate(driver: Driver, { stream, leftover }: HandedOver, serverName: string | undefined): Promise<void> {
    const signal = AbortSignal.timeout(this.#service.timeoutMs);
    await handshakeBegins(stream, leftover, signal);
    tuned(driver, await this.#service.accept(stream, serverName, signal));
  }
}

/** Begins the protected session. */
export function tuned(driver: Driver, secured: SecuredStream): void {
  const { protocol, cipher, authorized } = secured;
  const legacy = protocol === 'TLSv1' || protocol === 'TLSv1.1';
  events.tuned.publish({ session: driver.id, remote: driver.remote.address, protocol, cipher, authorized, legacy });
  driver.renew(secured.stream, { security: secured });
}

/**
 * Waits for the first octets behind `ready` and looks at them: a handshake record, or late SEQ frames before it. They
 * are given back to the stream for TLS to read.
 *
 * @throws RemoteProtocolError TLS_INJECTED, TransportError TIMED_OUT | CONNECTION_LOST; the stream is destroyed then
 */
function handshakeBegins(stream: Duplex, leftover: Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let octets = leftover;
    const finish = (error?: ImxpError): void => {
      stream.off('data', take);
      stream.off('close', lost);
      stream.off('error', lost);
      signal.removeEventListener('abort', late);
      stream.pause();
      if (error === undefined) {
        resolve();
        return;
      }
      stream.on('error', () => {}); // whatever still happens to it: the reason is known
      stream.destroy();
      reject(error);
    };
    const look = (): void => {
      try {
        const rest = octetsForTls(octets, 'server');
        if (rest === undefined || rest.length === 0) return;
        finish();
        stream.unshift(rest);
      } catch (error) {
        finish(error instanceof ImxpError ? error : new LocalError('TLS_FAILED', String(error), { cause: error }));
      }
    };
    const take = (chunk: Buffer): void => {
      octets = octets.length === 0 ? chunk : Buffer.concat([octets, chunk]);
      look();
    };
    const lost = (): void => finish(new TransportError('CONNECTION_LOST', 'the peer left before the TLS handshake'));
    const late = (): void => finish(new TransportError('TIMED_OUT', 'no TLS handshake followed proceed'));
    stream.on('data', take);
    stream.on('close', lost);
    stream.on('error', lost);
    signal.addEventListener('abort', late);
    if (octets.length > 0) look();
    if (stream.listeners('data').includes(take)) stream.resume();
  });
}
