/**
 * Writes an {@link InstantMessage} as message/RFC822+XML, and in the three forms that a Data operation can carry
 * (message-service-01 §3): a nested multipart/related, a part with the content inline, or everything inside
 * data-content. Messages are never flattened.
 */
import { LocalError } from '../errors.js';
import type { MadeContent } from '../imxp/content.js';
import { cidUrl, newContentId } from '../mime/content-id.js';
import { mediaTypeOf, parseEntity } from '../mime/entity.js';
import type { HeaderField } from '../mime/headers.js';
import { buildMultipart } from '../mime/multipart.js';
import { isName } from '../xml/lexis.js';
import { parseXml } from '../xml/parse.js';
import { escapeAttribute, escapeText } from '../xml/write.js';
import { classOfField, isMessageNamespace, MESSAGE_NAMESPACE, type MessageField } from './field.js';
import type { EntityContent, InlineContent, InstantContent, InstantMessage } from './instant-message.js';
import { isText, readText } from './text.js';

export const MESSAGE_TYPE = 'message/RFC822+XML';

/**
 * `nested`: header and content as parts of a multipart/related, for content of any type. `part`: one part, with text or
 * XML content inside the header. `inline`: the same inside the control document.
 */
export type MessageForm = 'nested' | 'part' | 'inline';

const INLINE_NAME = 'body';
const NONE: ReadonlyMap<string, string> = new Map();

/**
 * Makes the content of an operation that carries a message.
 *
 * @param domain domain of the sender, for Content-IDs
 * @throws LocalError ARGUMENT for content that the form cannot carry
 */
export function madeContent(message: InstantMessage, form: MessageForm, domain: string): MadeContent {
  const { content } = message;
  if (form === 'nested' && content?.kind === 'entity') return nested(message, content, domain);
  const xml = content?.kind === 'entity' ? inlined(message, content) : writeInline(message, content);
  return form === 'inline' ? { xml, name: 'message' } : { type: MESSAGE_TYPE, body: Buffer.from(xml) };
}

function nested(message: InstantMessage, content: EntityContent, domain: string): MadeContent {
  const [rootId, id] = [newContentId(domain), newContentId(domain)];
  const root = { id: rootId, type: MESSAGE_TYPE, body: Buffer.from(document(message, cidUrl(id))) };
  const part = { id, type: content.type, headers: ownHeaders(content, message.lang), body: content.body };
  // buildMultipart writes a header block; makeData needs it as a media type.
  const [head = Buffer.alloc(0), ...rest] = buildMultipart(MESSAGE_TYPE, root, [part]);
  const { headers, body } = parseEntity(head);
  return { type: headers.get('Content-Type') ?? '', body: Buffer.concat([body, ...rest]) };
}

const WRITTEN_ANEW = new Set(['content-type', 'content-id', 'content-transfer-encoding']);

/** REQ-MSG-008: headers about the content stay with the content. */
function ownHeaders({ headers, type }: EntityContent, lang: string | undefined): HeaderField[] {
  const own = headers?.fields.filter(({ name }) => !WRITTEN_ANEW.has(name.toLowerCase())) ?? [];
  const language = lang !== undefined && headers === undefined && isText(mediaTypeOf(type));
  return language ? [{ name: 'Content-Language', value: lang }] : own;
}

/** The one language of a content, as its header says it or the message around it; xml:lang cannot name several. */
function languageOf({ headers, type }: EntityContent, lang: string | undefined): string | undefined {
  if (headers === undefined) return isText(mediaTypeOf(type)) ? lang : undefined;
  const said = headers.get('Content-Language')?.trim();
  return said !== undefined && /^[A-Za-z0-9-]+$/.test(said) ? said : undefined;
}

/** Writes an entity inside the XML: text is decoded, XML is inserted without its declaration. */
function inlined(message: InstantMessage, content: EntityContent): string {
  const media = mediaTypeOf(content.type);
  const text = readText(content.body, media);
  if (text === undefined) {
    throw new LocalError(
      'ARGUMENT',
      `content of type ${media.type} cannot be placed inside XML; use the form "nested"`,
    );
  }
  // A charset has no meaning within XML, and the text is no longer flowed.
  const { type } = media;
  const inner = type === 'text/xml' ? elementOf(content.body) : Buffer.from(escapeText(text));
  return writeInline(message, {
    kind: 'inline',
    name: INLINE_NAME,
    type,
    // message-service-01 §5: within a header the language of the content is an xml:lang of its own.
    lang: languageOf(content, message.lang),
    text,
    inner,
    namespaces: NONE,
  });
}

/** The root element of a document, without prolog and epilog. */
function elementOf(octets: Buffer): Buffer {
  try {
    const { start, end } = parseXml(octets);
    return octets.subarray(start, end);
  } catch (cause) {
    throw new LocalError('ARGUMENT', 'content of type text/xml is not well-formed XML', { cause });
  }
}

function writeInline(message: InstantMessage, content: Exclude<InstantContent, EntityContent> | undefined): string {
  if (content === undefined) return document(message, undefined);
  if (content.kind === 'elsewhere') return document(message, content.uri);
  const prefix = freePrefix(content.namespaces);
  const type = attribute('type', content.type);
  const lang = attribute('xml:lang', content.lang);
  const declared = isXml(content) ? [...content.namespaces].map(declaration).join('') : '';
  const tag = `${prefix}:message-content`;
  const element = `<${tag} name='${escapeAttribute(content.name)}'${type}${lang}${declared}>${content.inner}</${tag}>\r\n`;
  return document(message, `#${content.name}`, element, prefix);
}

function isXml({ type }: InlineContent): boolean {
  return mediaTypeOf(type).type !== 'text/plain';
}

/** A prefix for the message namespace that the content does not use otherwise. */
function freePrefix(namespaces: ReadonlyMap<string, string>): string {
  let prefix = 'm';
  while ((namespaces.get(prefix) ?? MESSAGE_NAMESPACE) !== MESSAGE_NAMESPACE) prefix += 'm';
  return prefix;
}

function declaration([prefix, namespace]: readonly [string, string]): string {
  return `${prefix === '' ? ' xmlns' : ` xmlns:${prefix}`}='${escapeAttribute(namespace)}'`;
}

/**
 * Writes the XML without declaration and DOCTYPE, which are not allowed inside data-content. The namespace has a
 * prefix, because a default namespace would also apply to unprefixed elements of the content.
 */
function document(message: InstantMessage, reference: string | undefined, content = '', prefix = 'm'): string {
  const attributes = `${attribute('content', reference)}${attribute('xml:lang', message.lang)}`;
  const fields = message.fields.map((field) => writeField(field, prefix)).join('');
  const tag = `${prefix}:message`;
  return `<${tag} xmlns:${prefix}='${MESSAGE_NAMESPACE}'${attributes}>\r\n${fields}${content}</${tag}>`;
}

function writeField({ namespace, name, value, lang, seeNoEvil }: MessageField, prefix: string): string {
  const own = isMessageNamespace(namespace);
  if (!isName(name) || name.includes(':')) {
    throw new LocalError('ARGUMENT', `${JSON.stringify(name)} is not a valid field name`);
  }
  if (own && classOfField(name) === undefined) {
    // rfc822-xml-00 §3.10: other fields have other namespaces
    throw new LocalError(
      'ARGUMENT',
      `field ${JSON.stringify(name)} is not defined for messages; give it a namespace of its own`,
    );
  }
  if (!own && namespace === '') throw new LocalError('ARGUMENT', `field ${JSON.stringify(name)} needs a namespace`);
  const [tag, declared] = own ? [`${prefix}:${name}`, ''] : [`x:${name}`, declaration(['x', namespace])];
  const flag = seeNoEvil ? '' : " seeNoEvil='false'";
  return `  <${tag}${declared}${attribute('xml:lang', lang)}${flag}>${escapeText(value)}</${tag}>\r\n`;
}

function attribute(name: string, value: string | undefined): string {
  return value === undefined ? '' : ` ${name}='${escapeAttribute(value)}'`;
}

/** Writes the header document of a message; an entity is referred to by `cid`. */
export function writeMessage(message: InstantMessage, cid?: string): string {
  const { content } = message;
  if (content?.kind === 'entity') return cid === undefined ? inlined(message, content) : document(message, cid);
  return writeInline(message, content);
}
