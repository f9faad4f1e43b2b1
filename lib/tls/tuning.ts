/**
 * Rules for putting a session under TLS: when it is allowed, and what either side does at each step (RFC 3080 §3.1.3).
 * Pure functions; the caller changes the transport.
 *
 * ```
 *   sender of ready                                receiver of ready
 *   ready, then silence on the transport      ->   sends all replies it owes, then nothing but the answer
 *                                             <-   proceed, then silence        (or error: nothing changed)
 *   closes all channels, is the TLS client    ->   has closed all channels, is the TLS server
 *   ================= new session, new greetings, nothing remembered but the serverName =================
 * ```
 */

import { errorElement } from '../beep/profile-message.js';
import { ImxpError, RefusedError, RemoteProtocolError, type Reply } from '../errors.js';
import { PROCEED, parseReady, parseTlsAnswer, type TlsVersion } from './message.js';

/** What counts for tuning. */
export interface TuningState {
  /** True when this node has a certificate for the role, so that TLS can be served at all. */
  readonly available: boolean;
  /** True under TLS. */
  readonly privacy: boolean;
  /** True when a SASL exchange succeeded on this session, in either direction. */
  readonly authenticated: boolean;
  /** True under a SASL security layer. */
  readonly layered: boolean;
}

/** Why TLS may not be started now; `undefined`: it may. The greeting offers TLS exactly when it may. */
export function tlsRefusal(state: TuningState): Reply | undefined {
  if (state.privacy) return { code: 554, text: 'the session is already under TLS' };
  // RFC 3080 §4.1: once a SASL exchange succeeded, TLS must not be started.
  if (state.authenticated || state.layered) {
    return { code: 554, text: 'TLS cannot start after authentication; start it first on a new session' };
  }
  return state.available ? undefined : { code: 550, text: 'TLS is not available here' };
}

/** Why a SASL security layer may not be negotiated now (RFC 3080 §4.1: not over TLS, and one only). */
export function layerForbidden(state: Pick<TuningState, 'privacy' | 'layered'>): boolean {
  return state.privacy || state.layered;
}

export type ReadyAnswer =
  /** Send the content, nothing after it, close all channels, wait for the ClientHello. */
  | { readonly type: 'proceed'; readonly content: string; readonly earliest: TlsVersion }
  /** Nothing was closed; the session continues. */
  | { readonly type: 'error'; readonly content: string; readonly reply: Reply };

/**
 * Answers a `ready` (the document without MIME headers). Before calling it, send all replies that are owed.
 *
 * @param latest the latest version this node can do: an earliest one above it is refused with 504
 */
export function answerReady(content: Buffer, state: TuningState, latest: TlsVersion = 'TLSv1.3'): ReadyAnswer {
  const refusal = tlsRefusal(state);
  if (refusal !== undefined) return refuse(refusal);
  try {
    const { earliest } = parseReady(content);
    // The names sort as the versions do.
    if (earliest > latest) return refuse({ code: 504, text: `${earliest} or later is not supported here` });
    return { type: 'proceed', content: PROCEED, earliest };
  } catch (error) {
    if (error instanceof ImxpError && error.reply !== undefined) return refuse(error.reply);
    throw error;
  }
}

function refuse(reply: Reply): ReadyAnswer {
  return { type: 'error', content: errorElement(reply), reply };
}

/**
 * Takes the answer to our `ready` (the document without MIME headers). Returns when TLS is to be started: close all
 * channels without a word and begin the handshake as client.
 *
 * @throws RefusedError TLS_REFUSED: the session continues in the clear, if that is acceptable
 * @throws RemoteProtocolError XML_*: neither proceed nor error; whether TLS follows is unknown, so end the session
 */
export function acceptProceed(content: Buffer): void {
  const answer = parseTlsAnswer(content);
  if (answer.type === 'error') throw new RefusedError('TLS_REFUSED', answer.reply);
}

function injected(what: string): RemoteProtocolError {
  return new RemoteProtocolError('TLS_INJECTED', what);
}

/** A SEQ frame sent before its sender had seen our `proceed`. */
const LATE_SEQ = /^SEQ [0-9]{1,10} [0-9]{1,10} [0-9]{1,10}\r\n/;
/** The longest SEQ frame, in octets. */
const SEQ_OCTETS = 38;
/** Content type of a TLS handshake record. */
const HANDSHAKE = 0x16;

/**
 * Checks octets that were received but not parsed when the transport is swapped: plain text that an attacker puts there
 * must never be treated as received under TLS.
 *
 * @param role of this side in the TLS handshake
 * @returns what to give to the TLS engine: everything, or for a server all after late SEQ frames. `undefined`: more octets
 *   are needed to tell
 * @throws RemoteProtocolError TLS_INJECTED without reply
 */
export function octetsForTls(leftover: Buffer, role: 'client' | 'server'): Buffer | undefined {
  // RFC 3080 §3.1.3.2: the server speaks only after our ClientHello, so nothing can have come yet.
  if (role === 'client') {
    if (leftover.length > 0) throw injected('octets arrived between proceed and the handshake');
    return leftover;
  }
  const rest = behindSequences(leftover);
  return rest.length === 0 || rest[0] === HANDSHAKE ? rest : undefined;
}

/**
 * Late SEQ frames that are passed over, in octets: one of the longest for each of the 1,024 channels that a session may
 * have. More of them are no latecomers.
 */
export const LATE_SEQ_OCTETS = 1024 * SEQ_OCTETS;

/**
 * Passes over the late SEQ frames before a client's handshake as they arrive. Keeps the beginning of one frame at most,
 * so that neither memory nor the work for an octet grows with what has come.
 */
export class LateSequences {
  #kept: Buffer = Buffer.alloc(0);
  #passed = 0;

  /** Octets kept. */
  get kept(): number {
    return this.#kept.length;
  }

  /**
   * @returns the octets of the handshake once it has begun; `undefined` before that
   * @throws RemoteProtocolError TLS_INJECTED without reply
   */
  push(octets: Buffer): Buffer | undefined {
    const all = this.#kept.length === 0 ? octets : Buffer.concat([this.#kept, octets]);
    const rest = behindSequences(all);
    this.#passed += all.length - rest.length;
    if (this.#passed > LATE_SEQ_OCTETS) throw injected('more SEQ frames follow ready than there can be channels');
    if (rest[0] === HANDSHAKE) return rest;
    // A copy, because a view would hold the whole chunk.
    this.#kept = Buffer.from(rest);
    return undefined;
  }
}

/**
 * @returns the handshake, or the beginning of a SEQ frame
 * @throws RemoteProtocolError TLS_INJECTED without reply
 */
function behindSequences(octets: Buffer): Buffer {
  let rest = octets;
  for (;;) {
    if (rest.length === 0 || rest[0] === HANDSHAKE) return rest;
    const head = rest.subarray(0, SEQ_OCTETS).toString('latin1');
    const seq = LATE_SEQ.exec(head)?.[0];
    if (seq === undefined) {
      if (rest.length < SEQ_OCTETS && mayBecomeSeq(head)) return rest;
      throw injected('what follows ready is neither a handshake record nor a late SEQ');
    }
    rest = rest.subarray(seq.length);
  }
}

function mayBecomeSeq(head: string): boolean {
  return 'SEQ '.startsWith(head.slice(0, 4)) && /^(?:S|SE|SEQ|SEQ [0-9]{0,10}(?: [0-9]{0,10}){0,2}\r?)$/.test(head);
}
