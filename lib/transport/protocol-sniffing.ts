/** Tells BEEP, HTTP and TLS apart by the first octet of a new connection, and puts the octet back. */
import type { Duplex } from 'node:stream';
import { ImxpError, TransportError } from '../errors.js';

export type SniffedProtocol = 'beep' | 'http' | 'tls';

/** RFC 5246 §6.2.1: the type of a handshake record. */
const HANDSHAKE = 0x16;
/** What the methods of HTTP begin with: GET, POST, PUT, HEAD, OPTIONS, DELETE, CONNECT, TRACE, PATCH. */
const METHODS = new Set(Buffer.from('GPHODCT'));

/**
 * Waits for the first octet. Who says nothing for a moment waits for the greeting of a BEEP listener: in TLS and HTTP it is
 * the client that begins.
 *
 * @throws TransportError CONNECTION_LOST
 */
export async function sniffProtocol(stream: Duplex, waitMs: number): Promise<SniffedProtocol> {
  return speechOf(await firstOctet(stream, waitMs));
}

/**
 * Waits until the peer says something, or for a moment. The stream is paused then, with everything in it.
 *
 * @returns undefined when nothing has come
 * @throws TransportError CONNECTION_LOST, or the ImxpError that the stream ended with
 */
export function firstOctet(stream: Duplex, waitMs: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      stream.off('data', take);
      stream.off('end', lost);
      stream.off('close', lost);
      stream.pause();
    };
    const take = (octets: Buffer): void => {
      stop();
      stream.unshift(octets);
      resolve(octets[0]);
    };
    const lost = (): void => {
      stop();
      const cause = stream.errored;
      // A WebSocket that broke says what was wrong with it.
      if (cause instanceof ImxpError) reject(cause);
      else reject(new TransportError('CONNECTION_LOST', 'the peer disconnected without sending anything', { cause }));
    };
    const timer = setTimeout(() => {
      stop();
      resolve(undefined);
    }, waitMs);
    if (stream.destroyed) {
      lost();
      return;
    }
    stream.on('data', take);
    stream.once('end', lost);
    stream.once('close', lost);
  });
}

/** No keyword of BEEP (MSG, RPY, ERR, ANS, NUL, SEQ) begins with a letter of the others. */
function speechOf(octet: number | undefined): SniffedProtocol {
  if (octet === HANDSHAKE) return 'tls';
  return octet !== undefined && METHODS.has(octet) ? 'http' : 'beep';
}
