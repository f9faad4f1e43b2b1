/** Converts between what applications hold (strings, buffers, XML) and the content of a Data operation. */
import { isUtf8 } from 'node:buffer';
import type { Content } from '../imxp/content.js';
import type { CpimInit } from '../message/cpim/document.js';
import type { InstantMessage, InstantMessageInit } from '../message/instant-message.js';
import { decodeText, isFlowed, readText } from '../message/text.js';
import type { MessageForm } from '../message/write.js';
import { entityType } from '../mime/entity.js';

/** XML placed inside the control document, in a `data-content` element: one well-formed element. */
export interface XmlContent {
  readonly xml: string | Buffer;
}

/** A reference to content stored elsewhere: an absolute URI. */
export interface UriContent {
  readonly uri: string;
}

/**
 * An instant message (message/RFC822+XML). `from`, `to`, `date` and `message-id` are filled in from the operation where
 * they are missing.
 */
export interface MessageContent {
  readonly message: InstantMessage | InstantMessageInit;
  /** Default: `nested`, which carries content of any type. */
  readonly form?: MessageForm;
}

/** A message/cpim object, for recipients behind a gateway; missing fields are filled in from the operation. */
export interface CpimObjectContent {
  readonly cpim: Omit<CpimInit, 'from' | 'to' | 'dateTime'> & Partial<Pick<CpimInit, 'from' | 'to' | 'dateTime'>>;
}

/** A value that is sent as JSON (application/json). */
export interface JsonContent {
  readonly json: unknown;
}

export const TEXT = 'text/plain; charset=UTF-8';
export const JSON_TYPE = 'application/json';
export const BINARY = 'application/octet-stream';

/** The media type to declare for octets of unknown type. */
export function guessedType(octets: Buffer): string {
  return isUtf8(octets) ? TEXT : BINARY;
}

/** Content as text: a part decoded by its charset, XML as written, a reference as its URI; in an unknown charset as UTF-8. */
export function textOfContent(content: Content): string {
  switch (content.kind) {
    case 'part': {
      const { media } = entityType(content.headers);
      if (isFlowed(media)) return readText(content.body, media) ?? '';
      return decodeText(content.body, media.parameters.get('charset')) ?? content.body.toString('utf8');
    }
    case 'inline':
      return content.inner.toString('utf8');
    default:
      return content.uri;
  }
}
