/**
 * Elements of an XMPP stream as values, with their namespaces: what the mapping reads and makes. The connection converts
 * those of its library; nothing here knows it.
 */
import { escapeAttribute, escapeText } from '../../xml/write.js';

/** The namespace of stanzas between a server and a component (XEP-0114). */
export const COMPONENT_NAMESPACE = 'jabber:component:accept';

export interface XmppElement {
  /** Without a prefix. */
  readonly name: string;
  readonly namespace: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (XmppElement | string)[];
}

/** An attribute without a value is left out. */
export type XmppAttributes = Readonly<Record<string, string | undefined>>;

export function xmppElement(
  name: string,
  namespace: string,
  attributes: XmppAttributes = {},
  ...children: readonly (XmppElement | string | undefined)[]
): XmppElement {
  return {
    name,
    namespace,
    attributes: Object.fromEntries(
      Object.entries(attributes).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
    children: children.filter((child): child is XmppElement | string => child !== undefined && child !== ''),
  };
}

/** Makes a stanza: an element in the namespace of the stream. */
export function stanza(
  name: 'message' | 'presence' | 'iq',
  attributes: XmppAttributes,
  ...children: readonly (XmppElement | string | undefined)[]
): XmppElement {
  return xmppElement(name, COMPONENT_NAMESPACE, attributes, ...children);
}

/**
 * Writes a stanza for a stream whose default namespace is {@link COMPONENT_NAMESPACE}.
 *
 * @throws LocalError ARGUMENT for a character that XML cannot carry
 */
export function writeStanza(element: XmppElement, outer: string = COMPONENT_NAMESPACE): string {
  const { name, namespace, attributes, children } = element;
  const declared = namespace === outer ? '' : ` xmlns='${escapeAttribute(namespace)}'`;
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}='${escapeAttribute(value)}'`);
  const inner = children.map((child) =>
    typeof child === 'string' ? escapeText(child) : writeStanza(child, namespace),
  );
  const tag = `<${name}${declared}${written.join('')}`;
  return inner.length === 0 ? `${tag}/>` : `${tag}>${inner.join('')}</${name}>`;
}

export function childElements({ children }: XmppElement): XmppElement[] {
  return children.filter((child) => typeof child !== 'string');
}

/** The first child of that name; by default in the namespace of its parent. */
export function childOf(parent: XmppElement, name: string, namespace = parent.namespace): XmppElement | undefined {
  return childElements(parent).find((child) => child.name === name && child.namespace === namespace);
}

/** The character data of an element, without that of its children. */
export function dataIn(element: XmppElement | undefined): string | undefined {
  return element?.children.filter((child) => typeof child === 'string').join('');
}
