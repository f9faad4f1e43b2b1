/**
 * TLS handshakes in progress, which cost this side more than the peer. Beyond the limit, the oldest one of the host
 * with the most is ended.
 */
import { type ImxpError, TransportError } from '../../errors.js';
import { FairLimit, type FairLimits } from '../fair-limit.js';
import { hostPrefix, type NetworkAddress } from '../network.js';

/** A connection on which a handshake goes on. */
interface HandshakeConnection {
  readonly remote: NetworkAddress;
  destroy(error: ImxpError): void;
}

export class Handshakes {
  readonly #connections = new FairLimit<HandshakeConnection>();
  readonly #limits: FairLimits;

  /** @param most that may be in progress at one time; as many as there are sessions unless given */
  constructor(most = Number.MAX_SAFE_INTEGER) {
    this.#limits = { all: most, perHost: Math.ceil(most / 2) };
  }

  /** Counts a handshake while it goes on. */
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
