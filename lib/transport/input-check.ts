/**
 * Checks received octets before a session reads them: that a peer sends little before it has authenticated, and that its
 * first octets are not those of another service.
 */
import type { Role } from '../beep/session.js';
import { type ImxpError, TransportError } from '../errors.js';
import { foreignService } from './foreign-service.js';
import type { NetworkAddress } from './network.js';

export class InputCheck {
  readonly #role: Role;
  readonly #remote: NetworkAddress;
  readonly #limit: number;
  /** Whether anything has been received. */
  #received = false;
  #unauthenticatedOctets = 0;

  /** @param limit octets that a peer may send before it has authenticated */
  constructor(role: Role, remote: NetworkAddress, limit: number) {
    this.#role = role;
    this.#remote = remote;
    this.#limit = limit;
  }

  /**
   * Checks what has been received.
   *
   * @param known whether the peer has authenticated, or need not
   * @returns why the connection has to end, if it has to
   */
  fault(chunk: Buffer, known: boolean): ImxpError | undefined {
    if (!known) {
      this.#unauthenticatedOctets += chunk.length;
      if (this.#unauthenticatedOctets > this.#limit) {
        return new TransportError('TOO_LARGE', `more than ${this.#limit} octets without authentication`);
      }
    }
    if (this.#received) return undefined;
    this.#received = true;
    return this.#foreign(chunk);
  }

  /** What it means that the peer closes the connection now without having released the session. */
  get meaningOfClose(): string {
    return this.#role === 'initiator' && !this.#received
      ? 'the peer closed the connection without sending anything: it is no BEEP listener, or it expects TLS first (wss://)'
      : 'the peer closed the connection without releasing the session';
  }

  /** Names the service that the first octets are of, instead of a fault of its frames. */
  #foreign(chunk: Buffer): ImxpError | undefined {
    const service = this.#role === 'initiator' ? foreignService(chunk) : undefined;
    if (service === undefined) return undefined;
    const { address, port } = this.#remote;
    return new TransportError('CONNECT_FAILED', `no BEEP listener answers at ${address} port ${port}, but ${service}`);
  }
}
