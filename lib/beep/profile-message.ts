/**
 * Messages of the tuning profiles TLS and SASL (RFC 3080 §3.1, §4.1): an XML document of type `application/beep+xml`,
 * and the `error` element that either may answer with. What the documents mean is not known here.
 */
import type { Reply } from '../errors.js';
import { decodedBody, parseEntity } from '../mime/entity.js';
import { escapeText, legible } from '../xml/write.js';

const HEADER = 'Content-Type: application/beep+xml\r\n\r\n';

/** Returns the payload of a message that carries a document. */
export function profileMessage(document: string): Buffer {
  return Buffer.from(HEADER + document, 'utf8');
}

/**
 * Returns the document of a message, whatever its headers say: peers send `application/beep+xml`, `text/xml`, or none.
 *
 * @throws RemoteProtocolError MIME_INVALID with reply 500 or 501
 */
export function profileDocument(payload: Buffer): Buffer {
  return decodedBody(parseEntity(payload));
}

/** Returns the `error` element for a reply; it also serves as the content of a `profile` element. */
export function errorElement(reply: Reply): string {
  return `<error code='${reply.code}'>${escapeText(legible(reply.text))}</error>`;
}
