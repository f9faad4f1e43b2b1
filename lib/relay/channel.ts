/**
 * A BEEP channel that runs an IMXP profile, as the relay sees it. `wire` implements it; the relay knows no sockets.
 */
import type { Payload } from '../beep/payload.js';
import type { Unanswered } from '../imxp/certainty.js';
import type { Identity } from '../imxp/identity.js';

/** Told exactly once what became of a request. */
export interface ReplySink {
  /** The peer's reply: RPY or ERR with its payload (MIME headers and body). */
  replied(kind: 'RPY' | 'ERR', payload: Buffer): void;
  /** There is no reply; told truly, because what the sender may do depends on it. */
  failed(reason: Exclude<Unanswered, 'unreadable'>): void;
}

/** The relay's handle on one channel. */
export interface MeshChannel {
  /** Unique in this process; for logs. */
  readonly id: string;
  /** The session it belongs to, unique in this process. */
  readonly session: string;
  /** The channel's profile URI, which names the dialect. */
  readonly profile: string;
  /** Who the peer of the session is. */
  readonly identity: Identity;
  /** True while TLS protects the session. */
  readonly privacy: boolean;
  readonly remote: { readonly address: string; readonly port: number };
  /** True when this side opened the BEEP session (BEEP initiator). */
  readonly initiator: boolean;
  /** Requests sent and not yet answered, and the octets of their payloads. */
  readonly outstanding: number;
  readonly outstandingOctets: number;
  readonly open: boolean;
  /** Sends a MSG. The sink is told exactly once, never before this call returns. */
  request(payload: Payload, sink: ReplySink): void;
  /**
   * Takes back requests of which no octet has been written. Their sinks are told nothing.
   *
   * @param picked which of them, by their sinks
   * @returns the sinks, in the order of the requests
   */
  recall(picked: (sink: ReplySink) => boolean): ReplySink[];
  /** Answers a MSG; answers may be given in any order and leave in the order of the MSGs (RFC 3080 §2.6.1). */
  reply(msgno: number, kind: 'RPY' | 'ERR', payload: Payload): void;
  /** The relay is done with that many payload octets received here: the window may open again. */
  consume(octets: number): void;
  /** Closes the channel in order, reply code for the peer's program and text for its people. */
  close(code: number, text: string): void;
}

/** What the relay gives the wire for a channel. Calls come in the order of arrival. */
export interface MeshHandler {
  /** A complete MSG. Must be answered through `reply` and given back through `consume`. */
  message(msgno: number, payload: Buffer): void;
  /** The channel is gone: closed by either side, or the session ended. Nothing comes after. */
  closed(): void;
}
