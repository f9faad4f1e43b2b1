/** TLS for a session of the raw peer: node:tls as the client, or the engine that is given. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { Chopper } from './segments.js';
import { within } from './within.js';

/** Performs a TLS handshake over a connection and returns the decrypted stream. */
export type Engine = (plain: Socket) => Promise<Duplex>;

export interface TlsOptions {
  /** Undefined where the peer is known by its address alone. */
  readonly serverName: string | undefined;
  readonly authority?: Buffer | string | undefined;
  /** The peer's own certificate, versions and the like. */
  readonly more?: ConnectionOptions;
  /** Called with the socket when its handshake is done. */
  readonly look?: (socket: TLSSocket) => void;
  /** Another TLS implementation than node:tls; it looks after everything above. */
  readonly engine?: Engine;
}

/** @param segment octets written at once during the handshake; 0 for as it comes */
export function nodeClient(
  { serverName, authority, more, look }: TlsOptions,
  segment: number,
  deadlineMs: number,
  what: () => string,
): Engine {
  return async (plain) => {
    const chopper = segment > 0 ? new Chopper(plain, segment) : undefined;
    const named = serverName === undefined ? {} : { servername: serverName };
    const secure = connectTls({ socket: chopper ?? plain, ca: authority, ...named, ...more });
    const done = new Promise<void>((resolve, reject) => {
      secure.once('secureConnect', resolve);
      secure.once('error', reject);
      secure.once('close', () => reject(new Error('closed during the handshake')));
    });
    try {
      await within(deadlineMs, done, what);
    } catch (cause) {
      secure.on('error', () => {});
      secure.destroy();
      throw cause;
    }
    look?.(secure);
    secure.removeAllListeners('error');
    secure.removeAllListeners('close');
    // From here on each octet is a record of its own; cutting the records as well would only cost time.
    if (chopper !== undefined) chopper.segment = 0;
    return secure;
  };
}
