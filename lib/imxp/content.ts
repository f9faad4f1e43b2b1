/** Content of a Data operation: finds it in what was received, and puts it into what is made here. */

import { LocalError } from '../errors.js';
import { cidUrl, newContentId } from '../mime/content-id.js';
import { entityBody } from '../mime/entity.js';
import type { HeaderField, Headers } from '../mime/headers.js';
import { parseMediaType } from '../mime/media-type.js';
import { buildMultipart } from '../mime/multipart.js';
import { contiguous } from '../mime/payload.js';
import { parseXml } from '../xml/parse.js';
import { isAbsoluteUri } from './dialect/document.js';
import { IMXP_PROFILE } from './dialect/imxp.js';
import { writeImxpData } from './dialect/imxp-write.js';
import { openPayload } from './dialect/payload.js';
import { checkReference, partOf } from './dialect/reference.js';
import type { Data, Option, Recipient } from './operation.js';

/** A part of the message. */
export interface PartContent {
  readonly kind: 'part';
  readonly headers: Headers;
  /** `type/subtype` in lower case; `text/plain` if the part does not say (RFC 2045 §5.2). */
  readonly type: string;
  /** With any transfer encoding undone; a view of the received octets if there was none. */
  readonly body: Buffer;
}

/** XML within the control document. */
export interface InnerContent {
  readonly kind: 'inline';
  /** The octets between the tags of data-content. */
  readonly inner: Buffer;
}

/** Content that is not in the message. */
export interface ReferencedContent {
  readonly kind: 'uri';
  readonly uri: string;
}

export type Content = PartContent | InnerContent | ReferencedContent;

/**
 * Resolves the `content` attribute of a Data operation.
 *
 * @throws RemoteProtocolError CONTENT_UNRESOLVED | XML_INVALID | MIME_INVALID, reply 500 or 501
 */
export function contentOf(data: Data): Content {
  const { content, dataContent, source } = data;
  if (!/^cid:/i.test(content)) {
    checkReference(content, dataContent?.name, undefined);
    return content.startsWith('#') && dataContent !== undefined
      ? { kind: 'inline', inner: dataContent.inner }
      : { kind: 'uri', uri: content };
  }
  const part = partOf(content, source === undefined ? undefined : openPayload(contiguous(source.payload)).multipart);
  const { media, octets } = entityBody(part);
  return { kind: 'part', headers: part.headers, type: media.type, body: octets };
}

/** Content to send, in one of the three forms of core-01 §4.1. */
export type MadeContent =
  /** XML for the inside of the control document; any well-formed content of an element. */
  | { readonly xml: string | Buffer; readonly name?: string }
  /** Any octets, as a part of their own; `type` is a whole Content-Type. */
  | { readonly type: string; readonly body: Buffer; readonly headers?: readonly HeaderField[] }
  | { readonly uri: string };

export interface MadeData {
  readonly originator: string;
  readonly recipients: readonly (string | Recipient)[];
  readonly options?: readonly Option[];
  readonly content: MadeContent;
}

/**
 * Makes a Data operation to send. Addresses are not checked.
 *
 * @throws LocalError ARGUMENT if there is no recipient, inline XML is not well-formed, or something cannot be written
 */
export function makeData(made: MadeData): Data {
  const { originator, content } = made;
  const recipients = made.recipients.map((one) => (typeof one === 'string' ? { identity: one, options: [] } : one));
  if (recipients.length === 0) {
    throw new LocalError('ARGUMENT', 'a Data needs at least one recipient');
  }
  const base = { type: 'data', originator, recipients, options: made.options ?? [] } as const;
  if ('xml' in content) {
    const name = content.name ?? 'Content';
    const dataContent = { name, inner: wellFormed(content.xml) };
    return { ...base, content: `#${name}`, dataContent, source: undefined };
  }
  if ('uri' in content) {
    if (!isAbsoluteUri(content.uri) || /^cid:/i.test(content.uri)) {
      throw new LocalError('ARGUMENT', 'a reference to content elsewhere must be an absolute URI');
    }
    return { ...base, content: content.uri, dataContent: undefined, source: undefined };
  }
  return withPart(base, content);
}

type PartMade = Extract<MadeContent, { type: string }>;
/** A body of that many octets is not copied beside its headers. */
const LARGE_OCTETS = 65_536;

type DataBase = Pick<Data, 'type' | 'originator' | 'recipients' | 'options'>;

function withPart(base: DataBase, { type, body, headers }: PartMade): Data {
  checkType(type);
  // REQ-IMXP-007: Content-IDs are globally unique, so they contain the originator's domain.
  const at = base.originator.lastIndexOf('@');
  const written = base.originator.slice(at + 1);
  const domain = at >= 0 && /^[A-Za-z0-9.-]+$/.test(written) ? written : 'localhost';
  const id = newContentId(domain);
  const data = { ...base, content: cidUrl(id), dataContent: undefined, source: undefined };
  const document = Buffer.from(writeImxpData(data).join(''));
  const root = { id: newContentId(domain), type: 'text/xml', body: document };
  const part = headers === undefined ? { id, type, body } : { id, type, body, headers };
  const pieces = buildMultipart('text/xml', root, [part]);
  const controlStart = pieces[0]?.length ?? 0;
  const place = { controlStart, controlEnd: controlStart + document.length };
  const payload = body.length < LARGE_OCTETS ? Buffer.concat(pieces) : pieces;
  return { ...data, source: { profile: IMXP_PROFILE, payload, ...place } };
}

function checkType(type: string): void {
  try {
    parseMediaType(type);
  } catch (cause) {
    throw new LocalError('ARGUMENT', `not a media type: ${JSON.stringify(type)}`, { cause });
  }
}

function wellFormed(xml: string | Buffer): Buffer {
  const inner = typeof xml === 'string' ? Buffer.from(xml) : xml;
  try {
    parseXml(Buffer.concat([Buffer.from('<x>'), inner, Buffer.from('</x>')]));
  } catch (cause) {
    throw new LocalError('ARGUMENT', 'content to be sent inline is not well-formed XML', { cause });
  }
  return inner;
}
