/**
 * Parser from octets to elements. `sax` splits the document into pieces of markup; this file builds the tree with octet
 * offsets, enforces the limits, and checks every piece with `lexis.ts`. Knows nothing of the meaning of elements.
 *
 * Strictness: sax alone would accept `<` in attribute values, `<![cdata[`, duplicate attributes (the first wins),
 * `&LT;` or `&constructor;`, `]]>` in text, and several roots. All of these are rejected here, because each piece of
 * markup is checked against its grammar; a piece that sax delimits differently from XML (`<?a ??>`) fails that check. A
 * DOCTYPE is rejected, so only the five predefined entities exist.
 */
import { isUtf8 } from 'node:buffer';
import sax from 'sax';
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

const OPTIONS = { strictEntities: true, position: true };

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

class Tree {
  readonly #text: string;
  readonly #offsets: Offsets;
  readonly #limits: XmlLimits;
  readonly #parser = sax.parser(true, OPTIONS);
  readonly #open: OpenElement[] = [];
  #root: XmlElement | undefined;
  #elements = 0;
  /** End of the last piece of markup, where text starts. */
  #markupEnd = 0;
  /** Text of the innermost element since its last child element. */
  #pending = '';

  constructor(text: string, octets: number, limits: XmlLimits) {
    this.#text = text;
    this.#offsets = new Offsets(text, octets);
    this.#limits = limits;
  }

  build(): XmlElement {
    const parser = this.#parser;
    parser.onerror = (error) => {
      throw notWellFormed(plain(error), parser.position);
    };
    // sax keeps attributes in an ordinary object and asks it for hasOwnProperty, which an attribute of that name breaks.
    // Attributes are read from the markup itself, so sax is made to believe that it has seen them all.
    parser.onopentagstart = (tag) => {
      Object.defineProperty(tag.attributes, 'hasOwnProperty', { value: () => true });
    };
    parser.onopentag = (tag) => this.#openTag(tag.isSelfClosing);
    parser.onclosetag = () => this.#closeTag();
    parser.onprocessinginstruction = () => this.#instruction();
    parser.onclosecdata = () => this.#cdata();
    parser.ondoctype = () => {
      throw new RemoteProtocolError('XML_INVALID', 'XML with a DOCTYPE', {
        reply: { code: 501, text: 'a DOCTYPE is not allowed' },
      });
    };
    parser.write(this.#text).close();
    if (this.#root === undefined) {
      throw notWellFormed('no element', this.#text.length);
    }
    this.#between(this.#text.length);
    return this.#root;
  }

  #markupStart(): number {
    return this.#parser.startTagPosition - 1;
  }

  /** Takes the text before the current piece of markup, then gives the piece. */
  #markup(): string {
    const start = this.#markupStart();
    this.#between(start);
    this.#markupEnd = this.#parser.position;
    return this.#text.slice(start, this.#markupEnd);
  }

  /** Takes what is between two pieces of markup: text and comments, which sax does not report when they are empty. */
  #between(end: number): void {
    let at = this.#markupEnd;
    while (at < end) {
      const comment = this.#text.startsWith('<!--', at);
      const stop = comment ? commentEnd(this.#text, at) : Math.min(end, indexOr(this.#text, '<', at, end));
      if (!comment) {
        this.#take(at, stop);
      }
      if (stop === at || stop > end) {
        throw notWellFormed('markup that is not an element, comment or processing instruction', at);
      }
      at = stop;
    }
  }

  #take(start: number, end: number): void {
    const text = this.#text.slice(start, end);
    if (this.#open.length > 0) {
      this.#pending += characterData(text, start);
    } else if (!isSpace(start === 0 && text.startsWith('\uFEFF') ? text.slice(1) : text)) {
      throw notWellFormed('text outside the root element', start);
    }
  }

  #cdata(): void {
    const position = this.#markupStart();
    const raw = this.#markup();
    if (this.#open.length === 0) {
      throw notWellFormed('text outside the root element', position);
    }
    // XML 1.0 §2.7: the keyword is in capitals, which sax does not insist on.
    if (!raw.startsWith('<![CDATA[')) {
      throw notWellFormed('a CDATA section whose keyword is not in capitals', position);
    }
    this.#pending += lines(raw.slice('<![CDATA['.length, -']]>'.length));
  }

  #openTag(empty: boolean): void {
    const start = this.#markupStart();
    const { name, attributes } = readStartTag(this.#markup(), start, this.#limits.attributes);
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
    const inner = this.#offsets.at(this.#markupEnd);
    const element = { name, attributes, children: [], start: from, end: inner, innerStart: inner, innerEnd: inner };
    this.#flush();
    this.#open.push(element);
    if (empty) {
      this.#finish();
    }
  }

  #closeTag(): void {
    // for an empty-element tag sax reports the end where it reported the start, and #openTag has done all
    if (this.#parser.position === this.#markupEnd) {
      return;
    }
    const position = this.#markupStart();
    const raw = this.#markup();
    const element = this.#open.at(-1);
    if (element === undefined || raw.slice(2, -1).trimEnd() !== element.name) {
      throw notWellFormed('an end tag that does not match', position);
    }
    this.#flush();
    element.innerEnd = this.#offsets.at(position);
    element.end = this.#offsets.at(this.#markupEnd);
    this.#finish();
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

  #instruction(): void {
    const position = this.#markupStart();
    const first = position === 0 || (position === 1 && this.#text.startsWith('\uFEFF'));
    checkInstruction(this.#markup(), position, first, this.#offsets.ascii);
  }
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

/** The first line of sax's message, in the style of this project's texts. */
function plain(error: Error): string {
  const [line = ''] = error.message.split('\n', 1);
  return line.charAt(0).toLowerCase() + line.slice(1).replace(/[^ -~]|[.]$/g, '');
}
