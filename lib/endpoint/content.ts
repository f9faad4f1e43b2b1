/**
 * The two directions between what applications hold (strings, buffers, XML) and the content of a Data.
 */
import { isUtf8 } from 'node:buffer';
import type { Content } from '../imxp/content.js';
import type { CpimInit } from '../message/cpim/document.js';
import type { InstantMessage, InstantMessageInit } from '../message/instant-message.js';
import { isFlowed, readText } from '../message/text.js';
import type { MessageForm } from '../message/write.js';

/** XML that goes inside the control document, in a `data-content` element. Well-formed: one element. */
export interface XmlContent {
  readonly xml: string | Buffer;
}

/** Content that is elsewhere: an absolute URI. */
export interface UriContent {
  readonly uri: string;
}

/**
 * An instant message (message/RFC822+XML). `from`, `to`, `date` and `message-id` are filled in from the Data unless it has them.
 */
export interface MessageContent {
  readonly message: InstantMessage | InstantMessageInit;
  /** Default `nested`, which carries content of any type. */
  readonly form?: MessageForm;
}

/** A message/cpim object, for those beyond a gateway; what is left out is filled in from the Data. */
export interface CpimObjectContent {
  readonly cpim: Omit<CpimInit, 'from' | 'to' | 'dateTime'> & Partial<Pick<CpimInit, 'from' | 'to' | 'dateTime'>>;
}

export const TEXT = 'text/plain; charset=UTF-8';
export const BINARY = 'application/octet-stream';

/** The media type for octets of which nothing is known. */
export function guessedType(octets: Buffer): string {
  return isUtf8(octets) ? TEXT : BINARY;
}

/** Content as text: a part by its charset, XML as written, a reference as its URI. */
export function textOfContent(content: Content): string {
  switch (content.kind) {
    case 'part': {
      const type = content.headers.mediaType();
      if (type !== undefined && isFlowed(type)) return readText(content.body, type) ?? '';
      return decoder(type?.parameters.get('charset')).decode(content.body);
    }
    case 'inline':
      return content.inner.toString('utf8');
    default:
      return content.uri;
  }
}

const utf8 = new TextDecoder('utf-8');

function decoder(charset: string | undefined): { decode(octets: Buffer): string } {
  if (charset === undefined) return utf8;
  try {
    return new TextDecoder(charset);
  } catch {
    // A charset nobody knows here: most texts are readable all the same.
    return utf8;
  }
}
