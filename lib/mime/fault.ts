/** Errors and limits of MIME sent by peers. */
import { RemoteProtocolError } from '../errors.js';

export interface MimeLimits {
  /** Octets of one header block. */
  readonly headerOctets: number;
  /** Parts of one multipart. */
  readonly parts: number;
}

/**
 * Headers of a mesh message take a few hundred octets; a relayed mail (message/rfc822) has its own headers within the
 * body.
 */
export const MIME_LIMITS: MimeLimits = Object.freeze({
  headerOctets: 16_384,
  parts: 100,
});

/** @returns an error to throw for invalid syntax: reply 500. */
export function malformedEntity(what: string): RemoteProtocolError {
  return fault(500, `the MIME is malformed: ${what}`);
}

/** @returns an error to throw for valid syntax with unacceptable values: reply 501. */
export function unacceptableEntity(what: string): RemoteProtocolError {
  return fault(501, `the MIME is not acceptable: ${what}`);
}

function fault(code: number, text: string): RemoteProtocolError {
  return new RemoteProtocolError('MIME_INVALID', text, {
    reply: { code, text },
  });
}
