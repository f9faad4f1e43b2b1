/**
 * Parser from octets to elements. Splits the document into text and pieces of markup, builds the tree with octet offsets,
 * enforces the limits, and checks every piece with `lexis.ts`. Knows nothing of the meaning of elements.
 *
 * It is strict, and small because a DOCTYPE is refused: only the five predefined entities exist. It is written for the
 * short documents of which a login has half a dozen; a general tokenizer took twice the CPU time.
 */
import { isUtf8 } from 'node:buffer';
import { RemoteProtocolError } from '../errors.js';
import type { XmlElement, XmlLimits } from './element.js';
import { XML_LIMITS } from './element.js';
import {
  characterData,
  checkInstruction,
  commentEnd,
  ILLEGAL_CHARACTER,
  isSpace,
  lines,
  notWellFormed,
  overLimit,
  readStartTag,
} from './lexis.js';

export type { XmlElement, XmlLimits } from './element.js';
export { elementsOf, textOf, XML_LIMITS } from './element.js';

/** An element under construction. */
interface OpenElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: (XmlElement | string)[];
  readonly start: number;
  end: number;
  innerStart: number;
  innerEnd: number;
}

/**
 * Parses a whole document.
 *
 * @throws RemoteProtocolError XML_NOT_WELL_FORMED (reply 500), XML_INVALID for a DOCTYPE or another encoding (reply
 *   501), XML_LIMIT (reply 501). No other error, whatever the octets are.
 */
export function parseXml(octets: Buffer, limits: Partial<XmlLimits> = {}): XmlElement {
  const bounds = { ...XML_LIMITS, ...limits };
  if (octets.length > bounds.octets) {
    throw overLimit('octets', bounds.octets);
  }
  if (!isUtf8(octets)) {
    throw notWellFormed('octets that are not UTF-8', 0);
  }
  const text = octets.toString('utf8');
  const illegal = text.search(ILLEGAL_CHARACTER);
  if (illegal >= 0) {
    throw notWellFormed('a character that XML does not allow', illegal);
  }
  return new Tree(text, octets.length, bounds).build();
}

const BYTE_ORDER_MARK = '\uFEFF';
const COMMENT = '<!--';
const CDATA = '<![CDATA[';

class Tree {
  readonly #text: string;
  readonly #offsets: Offsets;
  readonly #limits: XmlLimits;
  readonly #open: OpenElement[] = [];
  #root: XmlElement | undefined;
  #elements = 0;
  /** Text of the innermost element since its last child element. */
  #pending = '';

  constructor(text: string, octets: number, limits: XmlLimits) {
    this.#text = text;
    this.#offsets = new Offsets(text, octets);
    this.#limits = limits;
  }

  build(): XmlElement {
    const text = this.#text;
    let at = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
    while (at < text.length) {
      const markup = indexOr(text, '<', at, text.length);
      if (markup > at) {
        this.#take(at, markup);
      }
      at = markup < text.length ? this.#markup(markup) : markup;
    }
    if (this.#open.length > 0) {
      throw notWellFormed('an element that does not end', text.length);
    }
    if (this.#root === undefined) {
      throw notWellFormed('no element', text.length);
    }
    return this.#root;
  }

  /** Takes the piece of markup that begins here. @returns where it ends */
  #markup(start: number): number {
    const second = this.#text[start + 1];
    if (second === '/') {
      return this.#endTag(start);
    }
    if (second === '?') {
      return this.#instruction(start);
    }
    return second === '!' ? this.#declaration(start) : this.#startTag(start);
  }

  #take(start: number, end: number): void {
    const text = this.#text.slice(start, end);
    if (this.#open.length > 0) {
      this.#pending += characterData(text, start);
    } else if (!isSpace(text)) {
      throw notWellFormed('text outside the root element', start);
    }
  }

  #declaration(start: number): number {
    const text = this.#text;
    if (text.startsWith(COMMENT, start)) {
      return commentEnd(text, start);
    }
    if (text.startsWith(CDATA, start)) {
      return this.#cdata(start);
    }
    if (/^doctype$/i.test(text.slice(start + 2, start + 9))) {
      throw new RemoteProtocolError('XML_INVALID', 'XML with a DOCTYPE', {
        reply: { code: 501, text: 'a DOCTYPE is not allowed' },
      });
    }
    throw notWellFormed('markup that is not an element, comment, CDATA section or processing instruction', start);
  }

  #cdata(start: number): number {
    const end = this.#endOf(']]>', start + CDATA.length);
    if (this.#open.length === 0) {
      throw notWellFormed('text outside the root element', start);
    }
    this.#pending += lines(this.#text.slice(start + CDATA.length, end - ']]>'.length));
    return end;
  }

  #startTag(start: number): number {
    const end = tagEnd(this.#text, start);
    const { name, attributes } = readStartTag(this.#text.slice(start, end), start, this.#limits.attributes);
    if (this.#open.length === 0 && this.#root !== undefined) {
      throw notWellFormed('more than one root element', start);
    }
    if (this.#open.length >= this.#limits.depth) {
      throw overLimit('elements within each other', this.#limits.depth);
    }
    this.#elements += 1;
    if (this.#elements > this.#limits.elements) {
      throw overLimit('elements', this.#limits.elements);
    }
    const from = this.#offsets.at(start);
    const inner = this.#offsets.at(end);
    const element = { name, attributes, children: [], start: from, end: inner, innerStart: inner, innerEnd: inner };
    this.#flush();
    this.#open.push(element);
    if (this.#text[end - 2] === '/') {
      this.#finish();
    }
    return end;
  }

  #endTag(start: number): number {
    const end = this.#endOf('>', start);
    const element = this.#open.at(-1);
    const name = this.#text.slice(start + 2, end - 1);
    if (element === undefined || !name.startsWith(element.name) || !isSpace(name.slice(element.name.length))) {
      throw notWellFormed('an end tag that does not match', start);
    }
    this.#flush();
    element.innerEnd = this.#offsets.at(start);
    element.end = this.#offsets.at(end);
    this.#finish();
    return end;
  }

  #finish(): void {
    const element = this.#open.pop();
    const parent = this.#open.at(-1);
    if (parent !== undefined && element !== undefined) {
      parent.children.push(element);
    } else {
      this.#root = element;
    }
  }

  #flush(): void {
    if (this.#pending !== '') {
      this.#open.at(-1)?.children.push(this.#pending);
      this.#pending = '';
    }
  }

  #instruction(start: number): number {
    const end = this.#endOf('?>', start + 2);
    const first = start === 0 || (start === 1 && this.#text.startsWith(BYTE_ORDER_MARK));
    checkInstruction(this.#text.slice(start, end), start, first, this.#offsets.ascii);
    return end;
  }

  /** Where the first of these characters end. */
  #endOf(what: string, from: number): number {
    const index = this.#text.indexOf(what, from);
    if (index < 0) {
      throw notWellFormed('markup that does not end', from);
    }
    return index + what.length;
  }
}

const DOUBLE_QUOTE = 0x22;
const SINGLE_QUOTE = 0x27;
const GREATER = 0x3e;

/** Where a start tag or empty-element tag ends; its attribute values may contain `>`. */
function tagEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === GREATER) {
      return at + 1;
    }
    if (code === DOUBLE_QUOTE || code === SINGLE_QUOTE) {
      at = indexOr(text, code === DOUBLE_QUOTE ? '"' : "'", at + 1, text.length);
    }
  }
  throw notWellFormed('a tag that does not end', start);
}

/** Character positions to octet offsets; must be asked in ascending order. */
class Offsets {
  readonly #text: string;
  /** Whether each character is one octet. */
  readonly ascii: boolean;
  #character = 0;
  #octet = 0;

  constructor(text: string, octets: number) {
    this.#text = text;
    this.ascii = text.length === octets;
  }

  at(character: number): number {
    if (this.ascii) {
      return character;
    }
    this.#octet += Buffer.byteLength(this.#text.slice(this.#character, character));
    this.#character = character;
    return this.#octet;
  }
}

function indexOr(text: string, what: string, from: number, otherwise: number): number {
  const index = text.indexOf(what, from);
  return index < 0 ? otherwise : index;
}
