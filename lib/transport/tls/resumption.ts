/**
 * What resumed TLS sessions need of the full handshakes before them (RFC 8446 §4.6.1, RFC 9325 §3.4): a client's tickets, and the
 * certificates that a ticket does not carry. Both are bounded, and dropped when certificates are read again (D-TLS-04).
 */
import type { X509Certificate } from 'node:crypto';

/** How long a session may be resumed; then the peers prove their certificates anew. */
export const TICKET_LIFETIME_SECONDS = 3600;
/** How long tickets are protected by the same key: who learns it can read no session that began earlier (RFC 9325 §3.4). */
export const TICKET_KEY_MS = 12 * 3_600_000;
/** Servers whose ticket a client keeps; some 3 KB each. */
const SERVERS = 256;
/** Clients' chains that a server remembers; some 10 KB each. */
const CHAINS = 512;

/** A session that a client may resume. */
export interface ResumableSession {
  /** The ticket and its secret, as node:tls gives them. */
  readonly session: Buffer;
  /** The chain of the server, which was verified; its own certificate first. */
  readonly chain: readonly X509Certificate[];
}

/** A bounded map that forgets what was not used for the longest time. */
class Recent<Value> {
  readonly #most: number;
  readonly #values = new Map<string, Value>();

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    const [oldest] = this.#values.keys();
    if (this.#values.size > this.#most && oldest !== undefined) this.#values.delete(oldest);
  }

  delete(key: string): void {
    this.#values.delete(key);
  }
}

/**
 * The sessions that a client may resume, by server. A server that gives no newer ticket is shown the same one until it
 * expires: relays know each other by name, so that there is nothing to link (RFC 8446 appendix C.4).
 */
export class ResumableSessions {
  readonly #sessions = new Recent<ResumableSession>(SERVERS);

  of(server: string): ResumableSession | undefined {
    return this.#sessions.get(server);
  }

  keep(server: string, session: ResumableSession): void {
    this.#sessions.set(server, session);
  }

  /** The next handshake with the server is a full one. */
  forget(server: string): void {
    this.#sessions.delete(server);
  }
}

/** Chains of clients that were verified in a full handshake: a ticket carries the client's own certificate alone. */
export class VerifiedChains {
  readonly #chains = new Recent<readonly X509Certificate[]>(CHAINS);

  of(leaf: X509Certificate): readonly X509Certificate[] | undefined {
    return this.#chains.get(leaf.fingerprint256);
  }

  keep(chain: readonly X509Certificate[]): void {
    const [leaf] = chain;
    if (leaf !== undefined) this.#chains.set(leaf.fingerprint256, chain);
  }
}
