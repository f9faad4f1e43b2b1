/**
 * Interfaces of SASL mechanisms: steps from octets to octets, without sockets, clocks or BEEP (RFC 4422 §3, RFC 3080
 * §4).
 */

import type { Reply } from '../errors.js';

/**
 * A negotiated security layer (RFC 2831 §2.3, §2.4). Octets before and after it are two transports: it starts right
 * after the frame that carried the server's completion (RFC 3080 §4.1).
 */
export interface SecurityLayer {
  /** `auth-int` protects against change, `auth-conf` also against reading. */
  readonly qop: 'auth-int' | 'auth-conf';
  /**
   * Protects octets. Returns one or more whole packets, each preceded by its length in 4 octets, none longer than the
   * peer's maxbuf. Empty input gives empty output.
   */
  wrap(plain: Buffer): Buffer;
  /**
   * Takes octets as they arrive, in any pieces, and returns the plain octets of all packets completed by them.
   *
   * @throws RemoteProtocolError SASL_INVALID without reply: a packet is too long, too short, out of sequence or altered.
   *   The stream cannot continue then: end the session.
   */
  unwrap(octets: Buffer): Buffer;
}

/** Who was proven, as the mechanism saw it. `identityOf` (identity.ts) makes an identity of it. */
export interface Authentication {
  /** The name that was proven, exactly as the peer wrote it. */
  readonly username: string;
  readonly realm: string | undefined;
  /** Whom the peer wants to act as; already permitted by the server's policy. */
  readonly authzid: string | undefined;
  /**
   * The account the proof belongs to: an address, or a domain for a relay. It comes from the verifier (or from the
   * external service), so two ways of writing a user name give the same account.
   */
  readonly account: string | undefined;
  /** As registered with IANA, e.g. `DIGEST-MD5`. */
  readonly mechanism: string;
  readonly layer: SecurityLayer | undefined;
}

/** The side that authenticates itself. One object per exchange. */
export interface ClientMechanism {
  readonly name: string;
  /** The initial response, or `undefined` when the mechanism lets the server speak first. */
  initial(): Promise<Buffer | undefined>;
  /**
   * Answers a challenge, or takes the data that came with the completion; the result is empty when nothing is left to say.
   *
   * @throws RemoteProtocolError SASL_INVALID: the challenge is malformed or demands something that is not acceptable.
   * @throws RemoteProtocolError SASL_SERVER_UNPROVEN: the server does not know the password.
   */
  step(challenge: Buffer): Promise<Buffer>;
  /** True when nothing more is needed from the server: it proved itself, where the mechanism has it do so. */
  readonly complete: boolean;
  /** The layer to install after success. */
  readonly layer: SecurityLayer | undefined;
}

export type ServerStep =
  | { readonly type: 'challenge'; readonly data: Buffer }
  | {
      readonly type: 'success';
      readonly data: Buffer | undefined;
      readonly authentication: Authentication;
    }
  | {
      readonly type: 'failure';
      readonly reply: Reply;
      /** For the operator's log only: it may reveal more than peers should know. */
      readonly reason: string;
    };

/** The side that verifies. One object per exchange. */
export interface ServerMechanism {
  readonly name: string;
  /**
   * True when the client speaks first: without an initial response the server has nothing to send yet (RFC 4422 §3).
   */
  readonly clientFirst: boolean;
  /**
   * Takes the client's next response; `undefined` when the exchange begins without one.
   *
   * @throws RemoteProtocolError SASL_INVALID (reply 535): the response is malformed. Anything else thrown comes from the
   *   credential store and is temporary (454). `ServerExchange` turns both into answers.
   */
  step(response: Buffer | undefined): Promise<ServerStep>;
}

/** Properties of the session that a mechanism needs. */
export interface SessionConditions {
  /** True when the session is under TLS. */
  readonly privacy: boolean;
  /** Channel binding data by type (`tls-exporter`, `tls-server-end-point`); empty or absent without TLS (RFC 5929, RFC 9266). */
  readonly channelBindings?: ReadonlyMap<string, Buffer>;
  /**
   * Server side: the identities an external service proved for the peer (of its TLS certificate), best first: addresses,
   * `imxp=mesh@domain`, or bare domains. Empty or absent: no external service is active (RFC 3080 §4.1.3).
   */
  readonly external?: readonly string[];
}
