/**
 * Result of a TLS handshake, whatever the stack: a plain stream and the facts of the handshake, read once. Also words
 * failures and time limits.
 */
import type { Duplex } from 'node:stream';
import { type ErrorDetails, ImxpError, RemoteProtocolError, TransportError } from '../../errors.js';

/** A stream under TLS. The facts were read when the handshake ended: TLS objects may not be asked later. */
export interface SecuredStream {
  readonly stream: Duplex;
  /** As OpenSSL spells it: `TLSv1`, `TLSv1.1`, `TLSv1.2`, `TLSv1.3`. */
  readonly protocol: string;
  /** IANA name of the cipher suite. */
  readonly cipher: string;
  /** Whether the handshake resumed an earlier session; the stacks of the year 2000 never do. */
  readonly resumed?: boolean;
  /** DER of the peer's own certificate, when it showed one; trust it only when `authorized`. */
  readonly peerCertificate?: Buffer;
  /** True when the peer's certificate was verified: authority, time, purpose, revocation and, as a client, the name. */
  readonly authorized: boolean;
  /** The TLSA record that proved the peer instead of an authority. */
  readonly provenBy?: string;
  /** Why not authorized; for the log, not for the peer. */
  readonly reason?: string;
  /**
   * Keying material for channel binding (RFC 5705; RFC 9266 for TLS 1.3); absent where the stack has none.
   * @throws LocalError CLOSED when the stream is closed.
   */
  exporter?(label: string, octets: number, context?: Buffer): Buffer;
}

/** The error of a handshake that failed: whose fault it was as far as it can be told. */
export function handshakeError(cause: unknown): ImxpError {
  if (cause instanceof ImxpError) return cause;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const text = cause instanceof Error ? cause.message : String(cause);
  const details: ErrorDetails = { cause, fields: { reason: code === '' ? text : code } };
  // A connection that ends or times out is not a protocol error; everything else that OpenSSL reports is.
  if (/^(ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM_|ENOTCONN|ETIMEDOUT|ERR_TLS_HANDSHAKE_TIMEOUT)/.test(code)) {
    return new TransportError('TLS_FAILED', `the connection ended during the TLS handshake: ${text}`, details);
  }
  return new RemoteProtocolError('TLS_FAILED', `the TLS handshake failed: ${text}`, details);
}

/** The error for a handshake given up because of a signal: past the time limit, or closed by this side. */
export function abortError(signal: AbortSignal): TransportError {
  const reason: unknown = signal.reason;
  const timed = reason instanceof Error && reason.name === 'TimeoutError';
  return timed
    ? new TransportError('TIMED_OUT', 'the TLS handshake took too long', { cause: reason })
    : new TransportError('CLOSED', 'the TLS handshake was cancelled', { cause: reason });
}

/** What OpenSSL's most common verdicts mean to the person who has to act on them. */
const VERDICTS: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: 'signed by an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'signed by an authority that is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'signed by an authority that is not trusted here',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed, and not trusted here',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet; compare the clocks',
  CERT_REVOKED: 'revoked by its authority',
};

/** A peer's certificate that is not acceptable. */
export function unacceptableTls(reason: string): RemoteProtocolError {
  const verdict = VERDICTS[reason];
  const said = verdict === undefined ? reason : `${verdict} (${reason})`;
  return new RemoteProtocolError('TLS_FAILED', `the peer's certificate is not acceptable: ${said}`, {
    fields: { reason, certificate: true },
  });
}

/**
 * Settles a handshake once: by its outcome, by the stream's end, or by the signal. On failure both streams are destroyed
 * and later errors on the plain one are ignored, because there is no listener for them any more.
 */
export function settled(
  stream: Duplex,
  signal: AbortSignal | undefined,
  begin: (done: (secured: SecuredStream) => void, fail: (cause: unknown) => void) => void,
): Promise<SecuredStream> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      release();
      stream.on('error', () => {});
      stream.destroy();
      reject(handshakeError(cause));
    };
    const abort = (): void => fail(signal === undefined ? undefined : abortError(signal));
    const closed = (): void => fail(ended());
    const release = (): void => {
      signal?.removeEventListener('abort', abort);
      stream.off('error', fail);
      stream.off('end', closed);
      stream.off('close', closed);
    };
    if (signal?.aborted) return abort();
    if (stream.destroyed) return closed();
    signal?.addEventListener('abort', abort, { once: true });
    stream.on('error', fail);
    // A stream that is no socket may end without closing, and node:tls would wait for ever.
    stream.on('end', closed);
    stream.on('close', closed);
    try {
      begin((secured) => {
        release();
        // What follows the handshake at once may break the stream before it has an owner; the owner checks (see
        // TransportStream.open).
        secured.stream.on('error', ignore);
        resolve(secured);
      }, fail);
    } catch (error) {
      fail(error);
    }
  });
}

/** Shared by all streams. */
function ignore(): void {}

function ended(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' });
}
