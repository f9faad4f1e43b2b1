/**
 * Reads message/RFC822+XML into an {@link InstantMessage} (rfc822-xml-00 §2, §3). Rejects documents that are not valid
 * and mandatory fields that are not understood. The caller resolves `cid:` references.
 */
import { elementsOf, parseXml, textOf, type XmlElement, type XmlLimits } from '../xml/parse.js';
import { invalidMessage, notUnderstood, shown, unresolved } from './fault.js';
import { isMessageNamespace, type MessageField, type Understanding, understood } from './field.js';
import { type EntityContent, type InlineContent, type InstantContent, InstantMessage } from './instant-message.js';
import { Scope } from './namespace.js';

export interface ReadOptions {
  /** Finds the entity of a `cid:` URL. @returns undefined when there is none */
  readonly resolve?: (cid: string) => EntityContent | undefined;
  /** Fields that the application understands besides those of the message namespace. */
  readonly understands?: Understanding | undefined;
  readonly limits?: Partial<XmlLimits>;
}

// rfc822-xml-00 §2.4: a declaration and a DOCTYPE are allowed but not needed. A plain DOCTYPE defines no entities and
// nothing is fetched, so it is skipped; one with an internal subset is passed to the parser, which rejects it.
const DOCTYPE =
  /^(\uFEFF?(?:<\?xml[^>]*\?>)?(?:\s|<!--(?:[^-]|-(?!-))*-->)*)(<!DOCTYPE\s+[^\s<>[\]"']+(?:\s+(?:SYSTEM|PUBLIC\s+(?:"[^"<>]*"|'[^'<>]*'))\s+(?:"[^"<>]*"|'[^'<>]*'))?\s*>)/;
const PROLOG_OCTETS = 2048;

/** Overwrites a plain DOCTYPE with spaces, so that offsets stay unchanged. */
function withoutDoctype(octets: Buffer): Buffer {
  const found = DOCTYPE.exec(octets.subarray(0, PROLOG_OCTETS).toString('latin1'));
  if (found === null) return octets;
  const [, before = '', doctype = ''] = found;
  return Buffer.from(octets).fill(' ', before.length, before.length + doctype.length);
}

/**
 * Reads a header document with its inline content or the entity that it refers to.
 *
 * @throws RemoteProtocolError XML_NOT_WELL_FORMED (reply 500); XML_INVALID | XML_LIMIT | MESSAGE_INVALID |
 *   CONTENT_UNRESOLVED | MIME_INVALID (reply 500 or 501); MESSAGE_NOT_UNDERSTOOD (reply 504)
 */
export function readMessage(octets: Buffer, options: ReadOptions = {}): InstantMessage {
  const document = withoutDoctype(octets);
  return readMessageElement(parseXml(document, options.limits), document, options);
}

/** Whether an element at the top of a document is a message (D-MSG-01). */
export function isMessageElement(element: XmlElement): boolean {
  try {
    const { namespace, local } = Scope.TOP.within(element).resolve(element.name);
    return local === 'message' && isMessageNamespace(namespace);
  } catch {
    return false;
  }
}

/** Like {@link readMessage}, for a parsed document, which cannot have a DOCTYPE. */
export function readMessageElement(root: XmlElement, document: Buffer, options: ReadOptions = {}): InstantMessage {
  if (!isMessageElement(root)) throw invalidMessage('the root element is not message in the namespace of messages');
  const scope = Scope.TOP.within(root);
  if (root.children.some((child) => typeof child === 'string' && child.trim() !== '')) {
    throw invalidMessage('element message: text is not allowed between its elements');
  }
  const fields: MessageField[] = [];
  let inline: InlineContent | undefined;
  for (const child of elementsOf(root)) {
    // REQ-MSG-001: nothing follows message-content, so there is at most one
    if (inline !== undefined) throw invalidMessage('element message: message-content must be its last element');
    const own = scope.within(child);
    const { namespace, local } = own.resolve(child.name);
    if (local === 'message-content' && isMessageNamespace(namespace)) inline = inlineOf(child, document, own);
    else fields.push(fieldOf(child, namespace, local, options.understands));
  }
  const lang = root.attributes.get('xml:lang') || undefined;
  return new InstantMessage({ fields, lang, content: contentOf(root.attributes.get('content'), inline, options) });
}

function fieldOf(element: XmlElement, namespace: string, name: string, more: Understanding | undefined): MessageField {
  const seeNoEvil = flagOf(element);
  if (!seeNoEvil && !understood(namespace, name) && more?.(namespace, name) !== true) {
    // rfc822-xml-00 §3.10.1: processing of the whole message is abandoned
    throw notUnderstood(`field ${shown(name)} is mandatory and not understood`);
  }
  // rfc822-xml-00 §3.5: the value of a header field is character data; fields in other namespaces may contain anything
  if (isMessageNamespace(namespace) && elementsOf(element).length > 0) {
    throw invalidMessage(`field ${shown(name)}: only text is allowed in it`);
  }
  return { namespace, name, value: textOf(element), lang: element.attributes.get('xml:lang') || undefined, seeNoEvil };
}

function flagOf(element: XmlElement): boolean {
  const value = element.attributes.get('seeNoEvil') ?? 'true';
  if (value !== 'true' && value !== 'false') {
    throw invalidMessage(`element ${shown(element.name)}: attribute seeNoEvil must be true or false`);
  }
  return value === 'true';
}

function inlineOf(element: XmlElement, document: Buffer, scope: Scope): InlineContent {
  const { attributes } = element;
  // D-MSG-02: the capital is that of data-content in the control document, and a common slip
  const name = attributes.get('name') ?? attributes.get('Name');
  if (name === undefined || name === '') throw invalidMessage('element message-content: attribute name is missing');
  return {
    kind: 'inline',
    name,
    // D-MSG-06
    type: attributes.get('type') || 'text/xml',
    lang: attributes.get('xml:lang') || undefined,
    text: textOf(element),
    inner: document.subarray(element.innerStart, element.innerEnd),
    namespaces: scope.prefixes,
  };
}

function contentOf(
  reference: string | undefined,
  inline: InlineContent | undefined,
  { resolve }: ReadOptions,
): InstantContent | undefined {
  if (reference === undefined || reference === '') return inline;
  if (reference.startsWith('#')) {
    if (reference.slice(1) !== inline?.name) {
      throw unresolved('element message: attribute content names no message-content with that name');
    }
    return inline;
  }
  if (inline !== undefined) {
    // Two contents: different readers would choose different ones.
    throw invalidMessage('element message: attribute content refers to something else than its message-content');
  }
  if (!/^cid:/i.test(reference)) return { kind: 'elsewhere', uri: reference };
  const entity = resolve?.(reference);
  if (entity === undefined) {
    throw unresolved('element message: attribute content names no part of the message with that Content-ID');
  }
  return entity;
}
