/**
 * References in the `content` attribute of a Data operation (core-01 §4.1): to an element within the control document,
 * to a part of the same message, or to something elsewhere.
 */
import { RemoteProtocolError } from '../../errors.js';
import { idOfCid } from '../../mime/content-id.js';
import type { Multipart, Part } from '../../mime/multipart.js';
import { invalid, isAbsoluteUri } from './document.js';

/**
 * Checks a reference at the relay, so that recipients can read what is delivered.
 *
 * @param inline the Name of the data-content element, if there is one
 * @throws RemoteProtocolError XML_INVALID | CONTENT_UNRESOLVED, reply 501
 */
export function checkReference(content: string, inline: string | undefined, multipart: Multipart | undefined): void {
  if (content.startsWith('#')) {
    if (inline === undefined || content.slice(1) !== inline) {
      throw unresolved('element data: attribute content names no data-content element with that Name');
    }
  } else if (!isAbsoluteUri(content)) {
    throw invalid('element data: attribute content must be an absolute URI or # and a Name');
  } else if (/^cid:/i.test(content)) {
    partOf(content, multipart);
  }
}

/**
 * Returns the part that a `cid:` URL refers to; the control document itself is no content.
 *
 * @throws RemoteProtocolError CONTENT_UNRESOLVED, reply 501
 */
export function partOf(content: string, multipart: Multipart | undefined): Part {
  const id = idOfCid(content);
  const part = id === undefined ? undefined : multipart?.part(id);
  if (part === undefined || part === multipart?.root) {
    throw unresolved('element data: attribute content names no part of the message with that Content-ID');
  }
  return part;
}

function unresolved(text: string): RemoteProtocolError {
  return new RemoteProtocolError('CONTENT_UNRESOLVED', text, { reply: { code: 501, text } });
}
