/**
 * Envelope of a mesh payload: finds the control document, alone or as the root of a multipart/related (core-01 §4.1),
 * and replaces it without touching the rest. Shared by all dialects.
 */

import { newContentId } from '../../mime/content-id.js';
import { decodedBody, type Entity, parseEntity } from '../../mime/entity.js';
import { unacceptableEntity } from '../../mime/fault.js';
import type { MediaType } from '../../mime/media-type.js';
import { type Multipart, parseMultipart, relatedHeader } from '../../mime/multipart.js';

/** All are accepted, whatever the dialect writes (D-CORE-04). */
const CONTROL_TYPES = new Set(['text/xml', 'application/beep+xml']);
const CHARSETS = new Set(['utf-8', 'utf8', 'us-ascii']);
const LESS_THAN = 0x3c;
const SPACE = new Set([0x20, 0x09, 0x0d, 0x0a]);

export interface OpenPayload {
  /** The control document, with any transfer encoding undone. */
  readonly control: Buffer;
  /** Its position in the payload; undefined if it came in a transfer encoding. */
  readonly place: { readonly start: number; readonly end: number } | undefined;
  /** Set if the control document is the root of a multipart. */
  readonly multipart: Multipart | undefined;
  readonly type: MediaType | undefined;
}

/**
 * Finds the control document in a payload.
 *
 * @throws RemoteProtocolError MIME_INVALID: reply 500 if malformed, 501 if it is no mesh payload
 */
export function openPayload(payload: Buffer): OpenPayload {
  const entity = parseEntity(payload);
  const type = entity.headers.mediaType();
  if (type?.type !== 'multipart/related') {
    checkControl(type, entity.body);
    return { ...placed(entity, payload.length), multipart: undefined, type };
  }
  const rootType = type.parameters.get('type');
  if (rootType !== undefined && !CONTROL_TYPES.has(rootType.toLowerCase())) {
    throw unacceptableEntity('the type of a multipart/related must be text/xml');
  }
  if (entity.headers.single('Content-Transfer-Encoding') !== undefined) {
    // RFC 2045 §6.4: a multipart may only have 7bit, 8bit or binary.
    if (decodedBody(entity) !== entity.body) {
      throw unacceptableEntity('a multipart must not have a Content-Transfer-Encoding');
    }
  }
  const multipart = parseMultipart(payload, entity.bodyStart, type);
  checkControl(multipart.root.headers.mediaType(), multipart.root.body);
  return { ...placed(multipart.root, multipart.root.end), multipart, type };
}

function placed(entity: Entity, end: number): Pick<OpenPayload, 'control' | 'place'> {
  const control = decodedBody(entity);
  // An entity without an empty line has an empty body after its end.
  const start = Math.min(entity.bodyStart, end);
  return { control, place: control === entity.body ? { start, end } : undefined };
}

function checkControl(type: MediaType | undefined, body: Buffer): void {
  if (type === undefined) {
    // D-CORE-04: without a Content-Type, a payload that begins with "<" is text/xml; XML 1.0 §2.8 lets white space
    // precede it.
    if (body[afterSpace(body)] !== LESS_THAN) {
      throw unacceptableEntity('no Content-Type');
    }
    return;
  }
  if (!CONTROL_TYPES.has(type.type)) {
    throw unacceptableEntity('Content-Type must be text/xml, or multipart/related with such a root');
  }
  const charset = type.parameters.get('charset');
  if (charset !== undefined && !CHARSETS.has(charset.toLowerCase())) {
    throw unacceptableEntity('only UTF-8 is supported as charset of the control document');
  }
}

/** Returns the offset of the first octet that is not white space of XML. */
function afterSpace(octets: Buffer): number {
  let at = 0;
  while (at < octets.length && SPACE.has(octets[at] ?? 0)) {
    at += 1;
  }
  return at;
}

/** Returns the header block of a payload that is only a control document. */
export function controlHeader(type: string): string {
  return `Content-Type: ${type}\r\n\r\n`;
}

/**
 * Returns a payload with a control document of another dialect: a new content type outside, the other parts unchanged.
 *
 * @param document the pieces of the new control document
 * @param type its media type
 * @param domain for the Content-ID of the root if it had none
 */
export function exchangeControl(
  payload: Buffer,
  opened: OpenPayload,
  document: readonly Buffer[],
  type: string,
  domain: string,
): Buffer[] {
  const { multipart } = opened;
  const boundary = opened.type?.parameters.get('boundary');
  if (multipart === undefined || boundary === undefined) {
    return [Buffer.from(controlHeader(type)), ...document, Buffer.from('\r\n')];
  }
  const id = multipart.root.id ?? newContentId(domain);
  const header = `${relatedHeader(boundary, id, type)}--${boundary}\r\nContent-Type: ${type}\r\n`;
  const pieces = [Buffer.from(`${header}Content-ID: <${id}>\r\n\r\n`), ...document];
  const delimiter = Buffer.from(`\r\n--${boundary}\r\n`);
  for (const part of multipart.parts) {
    if (part !== multipart.root) {
      pieces.push(delimiter, payload.subarray(part.start, part.end));
    }
  }
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`));
  return pieces;
}
