/**
 * Octets to an entity: a header block, an empty line, a body. The body is a view, never a copy. Knows no BEEP: who calls
 * decides which media type holds when none is named.
 */
import type { MimeLimits } from './fault.js';
import { MIME_LIMITS, malformed, unacceptable } from './fault.js';
import { Headers, parseHeaders } from './headers.js';
import { decodeTransfer } from './transfer.js';

const CR = 0x0d;
const LF = 0x0a;
const CRLF = '\r\n';

export interface Entity {
  readonly headers: Headers;
  /** The octets after the header block, in the encoding they came in. */
  readonly body: Buffer;
  /** Offset of the body in the octets the entity was parsed from. */
  readonly bodyStart: number;
}

const NO_HEADERS = new Headers();

/**
 * Parses a MIME entity. Octets that begin with CRLF have no headers; no octets are an empty entity without headers, and
 * headers need no empty line when nothing follows them (RFC 2046 §5.1.1).
 *
 * @throws RemoteProtocolError MIME_INVALID: reply 500 when malformed, 501 when the headers exceed the limit.
 */
export function parseEntity(octets: Buffer, limits: MimeLimits = MIME_LIMITS): Entity {
  if (octets.length === 0) {
    return { headers: NO_HEADERS, body: octets, bodyStart: 0 };
  }
  if (octets[0] === CR && octets[1] === LF) {
    return { headers: NO_HEADERS, body: octets.subarray(2), bodyStart: 2 };
  }
  const block = headerEnd(octets, limits.headerOctets);
  const bodyStart = Math.min(octets.length, block + 4);
  return {
    headers: parseHeaders(octets.subarray(0, block)),
    body: octets.subarray(bodyStart),
    bodyStart,
  };
}

/** Where the CRLF of the last header line begins. */
function headerEnd(octets: Buffer, limit: number): number {
  const head = octets.subarray(0, limit + 4);
  const end = head.indexOf(CRLF + CRLF);
  if (end >= 0) {
    return end;
  }
  if (octets.length > limit + 2) {
    throw unacceptable(`more than ${limit} octets of headers`);
  }
  if (octets.at(-1) !== LF || octets.at(-2) !== CR) {
    throw malformed('no empty line after the headers');
  }
  return octets.length - 2;
}

/**
 * The body with its Content-Transfer-Encoding undone; the very same buffer unless it is base64 or quoted-printable.
 *
 * @throws RemoteProtocolError MIME_INVALID: reply 500 when malformed, 501 for an encoding that is not known.
 */
export function decodedBody(entity: Entity): Buffer {
  return decodeTransfer(entity.headers.single('Content-Transfer-Encoding'), entity.body);
}
