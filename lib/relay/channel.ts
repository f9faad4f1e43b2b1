/** Interface of a BEEP channel that runs an IMXP profile, as the relay sees it. `lib/transport` implements it. */

import type { Unanswered } from '../imxp/certainty.js';
import type { Identity } from '../imxp/identity.js';
import type { Payload } from '../mime/payload.js';

/** Told the result of a request, exactly once. */
export interface ReplySink {
  /** The peer replied: RPY or ERR with its payload (MIME headers and body). */
  replied(kind: 'RPY' | 'ERR', payload: Buffer): void;
  /** There is no reply. The reason must be exact, because it decides whether the sender may repeat the request. */
  failed(reason: Exclude<Unanswered, 'unreadable'>): void;
}

/** Handle of the relay on one channel. */
export interface MeshChannel {
  /** Unique in this process; for logs. */
  readonly id: string;
  /** The session of the channel, unique in this process. */
  readonly session: string;
  /** Profile URI of the channel, which names the dialect. */
  readonly profile: string;
  /** Identity of the peer of the session. */
  readonly identity: Identity;
  /** True while TLS protects the session. */
  readonly privacy: boolean;
  readonly remote: { readonly address: string; readonly port: number };
  /** True if this side opened the BEEP session (BEEP initiator). */
  readonly initiator: boolean;
  /** Requests that were sent and not answered, and the octets of their payloads. */
  readonly outstanding: number;
  readonly outstandingOctets: number;
  readonly open: boolean;
  /** Sends a MSG. The sink is told exactly once, never before this call returns. */
  request(payload: Payload, sink: ReplySink): void;
  /**
   * Takes back requests of which no octet has been written. Their sinks are not told.
   *
   * @param picked selects the requests by their sinks
   * @returns the sinks, in the order of the requests
   */
  recall(picked: (sink: ReplySink) => boolean): ReplySink[];
  /** Answers a MSG. Answers may be given in any order and leave in the order of the MSGs (RFC 3080 §2.6.1). */
  reply(msgno: number, kind: 'RPY' | 'ERR', payload: Payload): void;
  /** Gives back payload octets that were received here and are no longer needed, so that the window may open. */
  consume(octets: number): void;
  /** Closes the channel in order, with a reply code for the peer's program and a text for its users. */
  close(code: number, text: string): void;
}

/** Callbacks of the relay for a channel, in the order of arrival. */
export interface MeshHandler {
  /** A complete MSG arrived. It must be answered through `reply` and given back through `consume`. */
  readonly message: (msgno: number, payload: Payload) => void;
  /** The channel was closed by either side, or the session ended. No further call follows. */
  closed(): void;
}
