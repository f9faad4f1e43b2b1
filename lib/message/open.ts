/**
 * Opens the content of a Data operation (D-MSG-11): an instant message in any of its forms, a message/cpim object, or
 * something else, returned as it is. The only file here that looks into operations.
 */

import { type Content, contentOf, type PartContent } from '../imxp/content.js';
import { openPayload } from '../imxp/dialect/payload.js';
import type { Data } from '../imxp/operation.js';
import { idOfCid } from '../mime/content-id.js';
import { type Entity, entityBody, entityType } from '../mime/entity.js';
import { unacceptableEntity } from '../mime/fault.js';
import { type MediaType, parseMediaType } from '../mime/media-type.js';
import { type Multipart, parseMultipart } from '../mime/multipart.js';
import { contiguous } from '../mime/payload.js';
import { elementsOf, parseXml } from '../xml/parse.js';
import { type CpimMessage, parseCpim } from './cpim/document.js';
import type { Understanding } from './field.js';
import type { EntityContent, InstantMessage } from './instant-message.js';
import { isMessageElement, type ReadOptions, readMessage, readMessageElement } from './read.js';

/** The opened content. */
export type Opened =
  | { readonly kind: 'message'; readonly message: InstantMessage }
  | { readonly kind: 'cpim'; readonly message: CpimMessage }
  | { readonly kind: 'other'; readonly content: Content };

export interface OpenOptions {
  /** Fields that the application understands besides those of RFC 822; see `seeNoEvil`. */
  readonly understands?: Understanding;
}

/** Media types in lower case. The second one is from the first draft of the service. */
const MESSAGE_TYPES = new Set(['message/rfc822+xml', 'message/rfc822|xml']);
const CHARSETS = new Set(['utf-8', 'utf8', 'us-ascii']);

/**
 * Opens the content of a Data operation.
 *
 * @param content the content of the operation, if already extracted
 * @throws RemoteProtocolError with the reply to refuse the operation with: 500 or 501 when it is not valid, 504 when a
 *   mandatory item is not understood
 */
export function openMessage(data: Data, options: OpenOptions = {}, content: Content = contentOf(data)): Opened {
  switch (content.kind) {
    case 'inline':
      return openInline(content.inner, data, options) ?? { kind: 'other', content };
    case 'part':
      return openPart(content, data, options) ?? { kind: 'other', content };
    default:
      return { kind: 'other', content };
  }
}

/** Opens content that was not received directly in an operation. @throws as {@link openMessage} */
export function openEntity(content: PartContent, options: OpenOptions = {}): Opened {
  return openPart(content, undefined, options) ?? { kind: 'other', content };
}

function openInline(inner: Buffer, data: Data, options: OpenOptions): Opened | undefined {
  if (!inner.includes('message')) return undefined;
  const document = Buffer.concat([Buffer.from('<x>'), inner, Buffer.from('</x>')]);
  const [element, ...more] = elementsOf(parseXml(document));
  if (element === undefined || more.length > 0 || !isMessageElement(element)) return undefined;
  return { kind: 'message', message: readMessageElement(element, document, reading(data, undefined, options)) };
}

function openPart(
  { type, headers, body }: PartContent,
  data: Data | undefined,
  options: OpenOptions,
): Opened | undefined {
  const { media } = entityType(headers);
  if (MESSAGE_TYPES.has(type)) return opened(media, body, data, undefined, options);
  if (type === 'message/cpim') return { kind: 'cpim', message: parseCpim(body) };
  if (type !== 'multipart/related' || !isMessageRoot(media)) return undefined;
  const multipart = parseMultipart(body, 0, media);
  const { root } = multipart;
  const { media: rootType, octets } = entityBody(root);
  if (!MESSAGE_TYPES.has(rootType.type)) return undefined;
  return opened(rootType, octets, data, multipart, options);
}

/** Whether to parse a multipart: its root is a message or of unknown type. */
function isMessageRoot({ parameters }: MediaType): boolean {
  const root = parameters.get('type');
  if (root === undefined) return true;
  try {
    return MESSAGE_TYPES.has(parseMediaType(root).type);
  } catch {
    return false;
  }
}

function opened(
  media: MediaType,
  octets: Buffer,
  data: Data | undefined,
  multipart: Multipart | undefined,
  options: OpenOptions,
): Opened {
  const charset = media.parameters.get('charset')?.toLowerCase();
  // REQ-MSG-003: it is UTF-8, which includes US-ASCII
  if (charset !== undefined && !CHARSETS.has(charset)) {
    throw unacceptableEntity('only UTF-8 is supported as charset of message/RFC822+XML');
  }
  return { kind: 'message', message: readMessage(octets, reading(data, multipart, options)) };
}

/**
 * A `cid:` refers to a part beside the header; in a flattened message, which is never sent here, to one beside the
 * control document.
 */
function reading(data: Data | undefined, multipart: Multipart | undefined, { understands }: OpenOptions): ReadOptions {
  const resolve = (cid: string): EntityContent | undefined => {
    const id = idOfCid(cid);
    if (id === undefined) return undefined;
    const part = multipart?.part(id) ?? (data === undefined ? undefined : siblingOf(data, id));
    return part === undefined || part === multipart?.root ? undefined : entityOf(part);
  };
  return { resolve, understands };
}

function siblingOf({ source, content }: Data, id: string): Entity | undefined {
  const outer = source === undefined ? undefined : openPayload(contiguous(source.payload)).multipart;
  const part = outer?.part(id);
  // Neither the control document nor the header itself can be the content.
  return part === outer?.root || idOfCid(content) === id ? undefined : part;
}

function entityOf(entity: Entity): EntityContent {
  const { contentType, octets } = entityBody(entity);
  return { kind: 'entity', type: contentType, headers: entity.headers, body: octets };
}
