/**
 * Elements and attributes of other namespaces in a document: what this program does not know is kept and passed on as it
 * came (RFC 2779 §3.1.3). Kept in a form that stands alone: each element declares the prefixes that it uses, so that it means
 * the same wherever it is put.
 */
import { isName } from '../../xml/lexis.js';
import { parseXml, type XmlElement } from '../../xml/parse.js';
import { escapeAttribute, escapeText } from '../../xml/write.js';
import { invalid } from '../dialect/document.js';

export interface ForeignAttribute {
  /** With its prefix: `x:mood`. */
  readonly name: string;
  /** What the prefix stands for. */
  readonly namespace: string;
  readonly value: string;
}

export interface Extension {
  readonly attributes: readonly ForeignAttribute[];
  /** Each is the text of one element. */
  readonly elements: readonly string[];
}

/** The namespaces of prefixes; that of elements without a prefix is under the empty one. */
export type NamespaceScope = ReadonlyMap<string, string>;

export const NO_SCOPE: NamespaceScope = new Map();

const XMLNS = 'xmlns';
/** Characters of a namespace: each element that is kept has a copy of all that it uses. */
const NAMESPACE_LENGTH = 512;
/** RFC 2779 §3.1.3 extends an entry; the attributes of XML itself do not. */
const XML = 'xml';
const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';

/** Whether an attribute declares a namespace, or has one. */
export function isQualified(name: string): boolean {
  return name === XMLNS || name.includes(':');
}

/**
 * Returns the namespaces in an element: those around it, and those that it declares.
 *
 * @throws RemoteProtocolError XML_INVALID, reply 501
 */
export function scopeIn(element: XmlElement, around: NamespaceScope = NO_SCOPE): NamespaceScope {
  const declared = declarationsOf(element);
  return declared.size === 0 ? around : new Map([...around, ...declared]);
}

function declarationsOf({ name: element, attributes }: XmlElement): Map<string, string> {
  const declared = new Map<string, string>();
  for (const [name, namespace] of attributes) {
    if (name !== XMLNS && !name.startsWith(`${XMLNS}:`)) continue;
    const prefix = name.slice(XMLNS.length + 1);
    // Namespaces in XML: a prefix stands for something, and these two for what they always do.
    const wrong = name !== XMLNS && (namespace === '' || !isPart(prefix) || prefix === XMLNS || prefix === XML);
    if (wrong) throw invalid(`element ${element}: ${name} cannot be declared like this`);
    if (namespace.length > NAMESPACE_LENGTH) {
      throw invalid(`element ${element}: a namespace is longer than ${NAMESPACE_LENGTH} characters`);
    }
    declared.set(prefix, namespace);
  }
  return declared;
}

/** Whether an element belongs to another namespace. @throws RemoteProtocolError XML_INVALID, reply 501 */
export function isForeign(element: XmlElement, around: NamespaceScope): boolean {
  const { prefix } = partsOf(element.name);
  return namespaceOf(element.name, prefix, scopeIn(element, around)) !== '';
}

/**
 * Reads what is foreign in an element of ours: its qualified attributes, and the children that the caller has found.
 *
 * @param elements see {@link isForeign}
 * @returns undefined for nothing
 * @throws RemoteProtocolError XML_INVALID, reply 501
 */
export function extensionOf(
  element: XmlElement,
  elements: readonly XmlElement[],
  around: NamespaceScope,
): Extension | undefined {
  const scope = scopeIn(element, around);
  const attributes = foreignAttributes(element, scope);
  if (attributes.length === 0 && elements.length === 0) return undefined;
  return { attributes, elements: elements.map((one) => standingAlone(one, scope)) };
}

function foreignAttributes({ name: element, attributes }: XmlElement, scope: NamespaceScope): ForeignAttribute[] {
  const found: ForeignAttribute[] = [];
  for (const [name, value] of attributes) {
    const { prefix } = partsOf(name);
    if (prefix === '' || prefix === XMLNS || prefix === XML) continue;
    found.push({ name, namespace: namespaceOf(name, prefix, scope), value });
  }
  const names = found.map(({ name, namespace }) => `${namespace} ${partsOf(name).local}`);
  if (new Set(names).size < names.length) throw invalid(`element ${element}: an attribute is there twice`);
  return found;
}

/**
 * Returns the text of an element with the declarations of all prefixes in it.
 *
 * @throws RemoteProtocolError XML_INVALID, reply 501
 */
export function standingAlone(element: XmlElement, around: NamespaceScope): string {
  const needed = new Map<string, string>();
  const inner = written(element, around, new Set(), needed);
  const declarations = [...needed].map(([prefix, namespace]) => declaration(prefix, namespace)).join('');
  const at = 1 + element.name.length;
  return inner.slice(0, at) + declarations + inner.slice(at);
}

/**
 * @param bound prefixes declared within what is written
 * @param needed receives those that are not
 */
function written(
  element: XmlElement,
  around: NamespaceScope,
  bound: ReadonlySet<string>,
  needed: Map<string, string>,
): string {
  const scope = scopeIn(element, around);
  const here = new Set([...bound, ...declarationsOf(element).keys()]);
  const use = (name: string, prefix: string): void => {
    const namespace = namespaceOf(name, prefix, scope);
    if (!here.has(prefix) && namespace !== '' && prefix !== XML) needed.set(prefix, namespace);
  };
  use(element.name, partsOf(element.name).prefix);
  let tag = `<${element.name}`;
  foreignAttributes(element, scope);
  for (const [name, value] of element.attributes) {
    const { prefix } = partsOf(name);
    if (prefix !== '' && prefix !== XMLNS) use(name, prefix);
    tag += ` ${name}='${escapeAttribute(value)}'`;
  }
  const inner = element.children
    .map((child) => (typeof child === 'string' ? escapeText(child) : written(child, scope, here, needed)))
    .join('');
  return inner === '' ? `${tag} />` : `${tag}>${inner}</${element.name}>`;
}

/** Namespaces in XML: at most one colon, with a name on both sides. */
function partsOf(name: string): { readonly prefix: string; readonly local: string } {
  const [first = '', second, ...more] = name.split(':');
  if (second === undefined) return { prefix: '', local: first };
  if (more.length > 0 || !isPart(first) || !isPart(second)) throw invalid(`${name} is no name with a prefix`);
  return { prefix: first, local: second };
}

function isPart(text: string): boolean {
  return isName(text) && !text.includes(':');
}

function namespaceOf(name: string, prefix: string, scope: NamespaceScope): string {
  if (prefix === XML) return XML_NAMESPACE;
  const namespace = scope.get(prefix);
  if (namespace !== undefined || prefix === '') return namespace ?? '';
  throw invalid(`the prefix of ${name} is not declared in the document`);
}

function declaration(prefix: string, namespace: string): string {
  return ` ${prefix === '' ? XMLNS : `${XMLNS}:${prefix}`}='${escapeAttribute(namespace)}'`;
}

/**
 * Checks an extension that an application has made.
 *
 * @throws RemoteProtocolError XML_NOT_WELL_FORMED | XML_INVALID; LocalError ARGUMENT for what XML cannot carry
 */
export function extensionGiven({ attributes, elements }: Extension): Extension | undefined {
  if (attributes.length === 0 && elements.length === 0) return undefined;
  // As it would be read again: nothing may pass for a part of the entry itself.
  const text = `<e${writeAttributes({ attributes, elements })}>${elements.join('')}</e>`;
  const element = parseXml(Buffer.from(text));
  const children = element.children.filter((child) => typeof child !== 'string');
  if (children.length !== element.children.length || !children.every((child) => isForeign(child, NO_SCOPE))) {
    throw invalid('an element of an extension has to declare its namespace');
  }
  const read = extensionOf(element, children, NO_SCOPE);
  if (read?.attributes.length !== attributes.length) throw invalid('an attribute of an extension needs a prefix');
  return read;
}

/** Writes the attributes, with the declarations of their prefixes. */
export function writeAttributes(extension: Extension | undefined): string {
  const { attributes = [] } = extension ?? {};
  const prefixes = new Map(attributes.map(({ name, namespace }) => [partsOf(name).prefix, namespace]));
  const declarations = [...prefixes].map(([prefix, namespace]) => declaration(prefix, namespace));
  const values = attributes.map(({ name, value }) => ` ${name}='${escapeAttribute(value)}'`);
  return [...declarations, ...values].join('');
}

export function writeElements(extension: Extension | undefined): string {
  return extension?.elements.join('') ?? '';
}
