/** Elements of a parsed document, and the limits on documents. */

/** An element, with the octet offsets of its parts in the parsed buffer. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** Elements and text in document order; comments and processing instructions are left out, CDATA is text. */
  readonly children: readonly (XmlElement | string)[];
  /** Octet offset of the `<` of the start tag. */
  readonly start: number;
  /** Octet offset after the `>` of the end tag. */
  readonly end: number;
  /** Octets between the tags; both are `end` for an element written as an empty tag. */
  readonly innerStart: number;
  readonly innerEnd: number;
}

export interface XmlLimits {
  /** Octets of the whole document. */
  readonly octets: number;
  /** Nesting depth, including the root. */
  readonly depth: number;
  /** Attributes of one element. */
  readonly attributes: number;
  /** Elements of the whole document. */
  readonly elements: number;
}

/** Defaults: control documents are small; larger content belongs in a MIME part of its own, which is not parsed. */
export const XML_LIMITS: XmlLimits = Object.freeze({
  octets: 1_048_576,
  depth: 64,
  attributes: 64,
  elements: 10_000,
});

/** The text of an element and of all elements within it. */
export function textOf(element: XmlElement): string {
  let text = '';
  for (const child of element.children) {
    text += typeof child === 'string' ? child : textOf(child);
  }
  return text;
}

/** The child elements, without text. */
export function elementsOf(element: XmlElement): XmlElement[] {
  return element.children.filter((child): child is XmlElement => typeof child !== 'string');
}
