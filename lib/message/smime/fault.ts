/**
 * Errors and limits of S/MIME content. Whatever the underlying libraries throw, received content causes only these
 * errors.
 */
import { ImxpError, RemoteProtocolError } from '../../errors.js';
import type { Work } from './work.js';

export interface SmimeLimits {
  /** Octets of one layer. */
  readonly octets: number;
  /** ASN.1 values in one layer; streamed content consists of many. */
  readonly values: number;
  /** Nesting of ASN.1. */
  readonly depth: number;
  /** Layers of signing and encryption around one content. */
  readonly layers: number;
  /** Certificates considered for one signature. */
  readonly certificates: number;
  /** Signers of one layer. */
  readonly signers: number;
  /** Recipients of one layer. */
  readonly recipients: number;
}

export const SMIME_LIMITS: SmimeLimits = Object.freeze({
  octets: 67_108_864,
  values: 100_000,
  depth: 32,
  // RFC 2634 §1.1: triple wrapping (signed, encrypted, signed again) is the most that is used
  layers: 4,
  certificates: 16,
  signers: 4,
  recipients: 2_000,
});

/** @returns an error to throw: reply 501. */
export function invalidSecured(what: string, cause?: unknown): RemoteProtocolError {
  const text = `the S/MIME content is not valid: ${what}`;
  return new RemoteProtocolError('SMIME_INVALID', text, { reply: { code: 501, text }, cause });
}

/**
 * The reply is always the same: telling senders how far decryption got would help them find out what others encrypted
 * (RFC 8551 §6).
 *
 * @returns an error to throw: reply 550.
 */
export function unreadable(what: string, cause?: unknown): RemoteProtocolError {
  const reply = { code: 550, text: 'the content is encrypted and cannot be read here' };
  return new RemoteProtocolError('SMIME_UNREADABLE', `the content is encrypted and cannot be read: ${what}`, {
    reply,
    cause,
  });
}

/** Runs a function that reads received octets. @throws ImxpError and nothing else */
export function guarded<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw cause instanceof ImxpError ? cause : invalidSecured(what, cause);
  }
}

/** Like {@link guarded}, for work. */
export function* guardedWork<T>(what: string, read: () => Work<T>): Work<T> {
  try {
    return yield* read();
  } catch (cause) {
    throw cause instanceof ImxpError ? cause : invalidSecured(what, cause);
  }
}
