/**
 * Looks at the ClientHello that follows `proceed` and gives every octet back to the stream, so that the TLS stack that
 * suits the peer can read it from the start.
 */
import type { Duplex } from 'node:stream';
import { ImxpError, LocalError, TransportError } from '../../errors.js';
import { LateSequences } from '../../tls/tuning.js';
import { type ClientHello, ClientHelloReader } from './client-hello.js';

/**
 * Waits for a whole ClientHello. Late SEQ frames before it are passed over (RFC 3080 §3.1.3.2); anything else is an
 * injection.
 *
 * @param leftover octets already read from the stream behind the last frame
 * @throws RemoteProtocolError TLS_INJECTED | TLS_FAILED, TransportError TIMED_OUT | CONNECTION_LOST; the stream is
 *   destroyed then
 */
export function peekHello(stream: Duplex, leftover: Buffer, signal: AbortSignal): Promise<ClientHello> {
  return new Promise((resolve, reject) => {
    const late = new LateSequences();
    const reader = new ClientHelloReader();
    let begun = false;
    const stop = (): void => {
      stream.off('data', take);
      stream.off('close', lost);
      signal.removeEventListener('abort', tooLate);
      stream.pause();
    };
    const fail = (error: ImxpError): void => {
      stop();
      stream.on('error', () => {}); // whatever still happens to it: the reason is known
      stream.destroy();
      reject(error);
    };
    const take = (chunk: Buffer): void => {
      try {
        const octets = begun ? chunk : late.push(chunk);
        if (octets === undefined) return;
        begun = true;
        const hello = reader.push(octets);
        if (hello === undefined) return;
        stop();
        stream.unshift(hello.received);
        resolve(hello);
      } catch (error) {
        fail(error instanceof ImxpError ? error : new LocalError('TLS_FAILED', String(error), { cause: error }));
      }
    };
    const lost = (): void =>
      fail(new TransportError('CONNECTION_LOST', 'the peer disconnected before the TLS handshake'));
    const tooLate = (): void => fail(new TransportError('TIMED_OUT', 'no TLS handshake followed proceed'));
    if (stream.destroyed) {
      lost();
      return;
    }
    stream.on('data', take);
    stream.on('close', lost);
    signal.addEventListener('abort', tooLate);
    if (leftover.length > 0) take(leftover);
    // Attaching a listener does not make a paused stream flow.
    if (stream.listeners('data').includes(take)) stream.resume();
  });
}
