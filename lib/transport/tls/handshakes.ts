/**
 * TLS handshakes in progress, which cost this side more than the peer. Beyond the limit, the oldest one of the host
 * with the most is ended.
 */

import type { Duplex } from 'node:stream';
import { type ImxpError, TransportError } from '../../errors.js';
import { FairLimit, type FairLimits } from '../fair-limit.js';
import { hostPrefix, type NetworkAddress } from '../network.js';
import { TurnQueue } from '../turn-queue.js';

/** A connection with a handshake in progress. */
interface HandshakeConnection {
  readonly remote: NetworkAddress;
  destroy(error: ImxpError): void;
}

/** A handshake computes for about a millisecond once its ClientHello is there. */
const PER_TURN = 1;

export class Handshakes {
  readonly #turns = new TurnQueue(PER_TURN);
  readonly #connections = new FairLimit<HandshakeConnection>();
  readonly #limits: FairLimits;

  /** @param most that may be in progress at one time; as many as there are sessions unless given */
  constructor(most = Number.MAX_SAFE_INTEGER) {
    this.#limits = { all: most, perHost: Math.ceil(most / 2) };
  }

  /**
   * Resolves when a handshake whose ClientHello was read from the stream may compute.
   *
   * @throws TransportError CONNECTION_LOST when the stream closes first
   */
  async turn({ remote }: HandshakeConnection, stream: Duplex): Promise<void> {
    if (stream.closed) throw closedBefore();
    // Whoever reads the stream next says what became of it.
    const ignore = (): void => {};
    stream.on('error', ignore);
    await new Promise<void>((resolve, reject) => {
      const leave = this.#turns.run(hostPrefix(remote.address), resolve);
      if (leave === undefined) return;
      stream.once('close', () => {
        leave();
        reject(closedBefore());
      });
    });
    stream.off('error', ignore);
  }

  /** Counts a handshake while it is in progress. */
  async admit<Result>(connection: HandshakeConnection, handshake: () => Promise<Result>): Promise<Result> {
    const host = hostPrefix(connection.remote.address);
    const oldest = this.#connections.memberToEvict(host, this.#limits);
    if (oldest !== undefined) {
      this.#connections.remove(oldest);
      oldest.destroy(new TransportError('BUSY', 'disconnected for a newer TLS handshake: too many are in progress'));
    }
    this.#connections.add(connection, host);
    try {
      return await handshake();
    } finally {
      this.#connections.remove(connection);
    }
  }
}

function closedBefore(): TransportError {
  return new TransportError('CONNECTION_LOST', 'the connection was closed before the TLS handshake');
}
