/**
 * MIME entities: a header block, an empty line, and a body. The body is a view, never a copy. The caller decides the
 * default media type.
 */
import type { MimeLimits } from './fault.js';
import { MIME_LIMITS, malformedEntity, unacceptableEntity } from './fault.js';
import { Headers, parseHeaders } from './headers.js';
import { type MediaType, parseMediaType } from './media-type.js';
import { decodeLeniently, decodeTransfer, isKnownEncoding } from './transfer.js';

const CR = 0x0d;
const LF = 0x0a;
const CRLF = '\r\n';

export interface Entity {
  readonly headers: Headers;
  /** The octets after the header block, in their transfer encoding. */
  readonly body: Buffer;
  /** Offset of the body in the octets the entity was parsed from. */
  readonly bodyStart: number;
}

const NO_HEADERS = new Headers();

/**
 * Parses a MIME entity. Octets that begin with CRLF have no headers; no octets are an empty entity without headers, and
 * headers need no empty line when nothing follows them (RFC 2046 §5.1.1).
 *
 * @param lenient as for {@link parseHeaders}
 * @throws RemoteProtocolError MIME_INVALID: reply 500 when malformed, 501 when the headers exceed the limit.
 */
export function parseEntity(octets: Buffer, limits: MimeLimits = MIME_LIMITS, lenient = false): Entity {
  if (octets.length === 0) {
    return { headers: NO_HEADERS, body: octets, bodyStart: 0 };
  }
  if (octets[0] === CR && octets[1] === LF) {
    return { headers: NO_HEADERS, body: octets.subarray(2), bodyStart: 2 };
  }
  const block = headerEnd(octets, limits.headerOctets);
  const bodyStart = Math.min(octets.length, block + 4);
  return {
    headers: parseHeaders(octets.subarray(0, block), lenient),
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
    throw unacceptableEntity(`more than ${limit} octets of headers`);
  }
  if (octets.at(-1) !== LF || octets.at(-2) !== CR) {
    throw malformedEntity('no empty line after the headers');
  }
  return octets.length - 2;
}

/**
 * Decodes the Content-Transfer-Encoding of the body; returns the same buffer unless it is base64 or quoted-printable.
 *
 * @throws RemoteProtocolError MIME_INVALID: reply 500 when malformed, 501 for an unknown encoding.
 */
export function decodedBody(entity: Entity): Buffer {
  return decodeTransfer(entity.headers.single('Content-Transfer-Encoding'), entity.body);
}

/** The type that a peer's entity declares, with the defaults of RFC 2045 for headers that cannot be read. */
export interface EntityType {
  /** The whole Content-Type; the default of MIME where there is none or it cannot be read. */
  readonly contentType: string;
  readonly media: MediaType;
}

const TEXT: MediaType = { type: 'text/plain', parameters: new Map() };
const OPAQUE: MediaType = { type: 'application/octet-stream', parameters: new Map() };

/**
 * The type of an entity that is opaque to us: never a fault. One whose encoding is not known is `application/octet-stream`
 * (RFC 2045 §6.4), one whose Content-Type cannot be read `text/plain` (RFC 2045 §5.2).
 */
export function entityType(headers: Headers): EntityType {
  if (encodingOf(headers) === undefined) return { contentType: OPAQUE.type, media: OPAQUE };
  const [contentType, ...more] = headers.all('Content-Type');
  const media = contentType === undefined || more.length > 0 ? undefined : readableType(contentType);
  return contentType === undefined || media === undefined
    ? { contentType: TEXT.type, media: TEXT }
    : { contentType, media };
}

/**
 * The same with the body, its Content-Transfer-Encoding undone as far as it can be. For what must be understood as it is
 * meant there is {@link decodedBody}.
 */
export function entityBody({
  headers,
  body,
}: Pick<Entity, 'headers' | 'body'>): EntityType & { readonly octets: Buffer } {
  return { ...entityType(headers), octets: decodeLeniently(encodingOf(headers) ?? 'binary', body) };
}

/** Undefined for an encoding that is unknown or given twice. */
function encodingOf(headers: Headers): string | undefined {
  const [encoding = 'binary', ...others] = headers.all('Content-Transfer-Encoding');
  return others.length === 0 && isKnownEncoding(encoding) ? encoding : undefined;
}

/** The media type of a Content-Type; `text/plain` where there is none or it cannot be read (RFC 2045 §5.2). */
export function mediaTypeOf(contentType: string | undefined): MediaType {
  return (contentType === undefined ? undefined : readableType(contentType)) ?? TEXT;
}

function readableType(contentType: string): MediaType | undefined {
  try {
    return parseMediaType(contentType);
  } catch {
    return undefined;
  }
}
