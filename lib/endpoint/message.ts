/** Turns what an application wants to send into a Data operation. */

import { LocalError } from '../errors.js';
import { type MadeContent, makeData } from '../imxp/content.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { Data } from '../imxp/operation.js';
import type { HeaderField } from '../mime/headers.js';
import { type Payload, payloadOctets } from '../mime/payload.js';
import { givenAddress, wireAddress } from './address.js';
import { type Conditions, conditionsOf } from './conditions.js';
import {
  BINARY,
  type CpimObjectContent,
  JSON_TYPE,
  type JsonContent,
  type MessageContent,
  TEXT,
  type UriContent,
  type XmlContent,
} from './content.js';
import { madeCpim, madeMessage } from './instant.js';
import { checkKeys, type KnownKeys } from './keys.js';
import { type OptionInit, optionOf } from './option.js';
import { type ContentSecurity, sealed } from './secure.js';
import { type StampInit, stampOf } from './stamp.js';

/** A message for {@link Endpoint.send}. */
export interface Message extends Conditions, StampInit {
  readonly to: string | readonly string[];
  /**
   * A string is sent as UTF-8 text, a Buffer or other Uint8Array octet for octet, `{ json }` as JSON, XML inside the control
   * document, a URI as a reference, and an instant message with its header in the given form.
   */
  readonly content: string | Uint8Array | JsonContent | XmlContent | UriContent | MessageContent | CpimObjectContent;
  /** The media type of a string or Buffer; default: `text/plain; charset=UTF-8` and `application/octet-stream`. */
  readonly type?: string;
  /** Further MIME headers of a string or Buffer, such as Content-Language. */
  readonly headers?: readonly HeaderField[];
  /** The originator; default: the first attached address. */
  readonly from?: string;
  /** Options of the operation. */
  readonly options?: readonly OptionInit[];
  /** Sign the content (S/MIME) with the certificate in the endpoint's `secure` option. */
  readonly sign?: boolean;
  /** Encrypt the content for the recipients, whose certificates are in `secure`, and for the sender. */
  readonly encrypt?: boolean;
  /** Aborts the wait; a message that has not been sent yet is not sent. */
  readonly signal?: AbortSignal;
}

const KEYS: KnownKeys<Message> = {
  to: true,
  content: true,
  type: true,
  headers: true,
  from: true,
  options: true,
  sign: true,
  encrypt: true,
  hold: true,
  timing: true,
  hops: true,
  signal: true,
  id: true,
  time: true,
};
const CONTENT_KEYS: KnownKeys<JsonContent & XmlContent & UriContent & MessageContent & CpimObjectContent> = {
  json: true,
  xml: true,
  uri: true,
  message: true,
  form: true,
  cpim: true,
};

/** A message encoded for the relay by {@link Endpoint.encode}; it may be submitted more than once. */
export interface Encoded {
  readonly payload: Payload;
  readonly octets: number;
  /** Normalised addresses. */
  readonly recipients: readonly string[];
}

export function encodedOf(data: Data, dialect: Dialect): Encoded {
  const payload = data.source?.profile === dialect.profile ? data.source.payload : dialect.encodeData(data);
  const recipients = data.recipients.map(({ identity }) => givenAddress(identity).key);
  return { payload, octets: payloadOctets(payload), recipients };
}

/**
 * @param own the default originator
 * @throws LocalError ADDRESS_INVALID | ARGUMENT
 */
export function dataOf(message: Message, own: string, secure: ContentSecurity): Data {
  const { recipients, ...made } = contentsOf(message, own, secure);
  return makeData({ ...made, recipients });
}

/** Like {@link dataOf}, but one operation per recipient; an address given twice gets one. @throws as {@link dataOf} */
export function eachOf(
  message: Message,
  own: string,
  secure: ContentSecurity,
): readonly { readonly recipient: string; readonly data: Data }[] {
  const { recipients, ...made } = contentsOf(message, own, secure);
  if (recipients.length === 0) throw new LocalError('ARGUMENT', 'send: "to" is empty; name at least one recipient');
  const known = new Set<string>();
  const each: { recipient: string; data: Data }[] = [];
  for (const recipient of recipients) {
    const { key } = givenAddress(recipient);
    if (!known.has(key)) each.push({ recipient, data: makeData({ ...made, recipients: [recipient] }) });
    known.add(key);
  }
  return each;
}

function contentsOf(message: Message, own: string, secure: ContentSecurity) {
  checkKeys(message, KEYS, 'send');
  const { to, from, options = [] } = message;
  const given: readonly string[] = typeof to === 'string' ? [to] : to;
  if (!Array.isArray(given)) throw new LocalError('ARGUMENT', 'send: "to" must be an address or a list of addresses');
  const recipients = given.map(wireAddress);
  const originator = wireAddress(from ?? own);
  for (const address of [originator, ...recipients]) givenAddress(address);
  const content = sealed(madeOf(message, originator, recipients), message, originator, recipients, secure);
  return {
    originator,
    recipients,
    options: [...options, ...conditionsOf(message), ...stampOf(message)].map(optionOf),
    content,
  };
}

function madeOf(
  { content, type, headers = [] }: Message,
  originator: string,
  recipients: readonly string[],
): MadeContent {
  if (typeof content === 'string') return { type: type ?? TEXT, headers, body: Buffer.from(content) };
  if (content instanceof Uint8Array) return { type: type ?? BINARY, headers, body: bufferOf(content) };
  if (!isContent(content)) {
    throw new LocalError(
      'ARGUMENT',
      'send: "content" must be a string, a Buffer, or an object with json, xml, uri, message or cpim',
    );
  }
  checkKeys(content, CONTENT_KEYS, 'send: content');
  if ('json' in content) return { type: type ?? JSON_TYPE, headers, body: jsonOf(content) };
  if (type !== undefined || headers.length > 0) {
    throw new LocalError(
      'ARGUMENT',
      'send: "type" and "headers" apply only to content that is a string, a Buffer or JSON',
    );
  }
  if ('message' in content) return madeMessage(content, originator, recipients);
  if ('cpim' in content) return madeCpim(content, originator, recipients);
  return content;
}

/** @throws LocalError ARGUMENT when JSON cannot say it */
function jsonOf({ json }: JsonContent): Buffer {
  let text: string | undefined;
  try {
    text = JSON.stringify(json);
  } catch (cause) {
    throw new LocalError('ARGUMENT', `send: "json" cannot be written as JSON: ${String(cause)}`, { cause });
  }
  if (text === undefined)
    throw new LocalError('ARGUMENT', 'send: "json" is undefined or a function, which JSON has not');
  return Buffer.from(text);
}

/** Wraps octets in a Buffer without copying them. */
function bufferOf(octets: Uint8Array): Buffer {
  return Buffer.isBuffer(octets) ? octets : Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
}

/** Checks programs without types; other values would fail later with an obscure error. */
function isContent(content: unknown): boolean {
  if (typeof content !== 'object' || content === null) return false;
  return ['json', 'xml', 'uri', 'message', 'cpim'].some((key) => key in content);
}
