/**
 * What a parsed document is made of, and the limits it must keep. Knows no parser and no vocabulary.
 */

/** An element with the octet offsets of its parts in the buffer it was parsed from. */
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
  /** Elements within each other, the root counted. */
  readonly depth: number;
  /** Attributes of one element. */
  readonly attributes: number;
  /** Elements of the whole document. */
  readonly elements: number;
}

/** A control document is small; what is larger belongs into a MIME part of its own, which no parser reads. */
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

/** The child elements, text left out. */
export function elementsOf(element: XmlElement): XmlElement[] {
  return element.children.filter((child): child is XmlElement => typeof child !== 'string');
}
