/**
 * Cursor over the simple form of XML: start tags whose attributes have plain values, and mixed content that is
 * well-formed beyond doubt. Every method that meets anything else returns -1, and then the XML parser decides: this
 * file may give up, but it must never accept what the parser refuses nor read it differently.
 */
import type { DialectLimits } from './dialect.js';
import {
  CLASSES,
  equalRanges,
  matchesAt,
  NAME,
  NAME_START,
  SPACE,
  sequenceEnd,
  TEXT_CHARACTER,
  VALUE_CHARACTER,
} from './octets.js';

const QUOTE = 0x22;
const AMPERSAND = 0x26;
const APOSTROPHE = 0x27;
const SLASH = 0x2f;
const LESS = 0x3c;
const EQUALS = 0x3d;
const GREATER = 0x3e;
const BRACKET = 0x5d;
const FIRST_OF_SEQUENCE = 0xc2;

const ENTITIES = ['&lt;', '&gt;', '&amp;', '&quot;', '&apos;'].map((entity) => Buffer.from(entity));
/**
 * More attributes than an element of the vocabulary has; others may have up to this many before the parser takes over.
 */
const MOST_ATTRIBUTES = 16;
const DEEPEST = 64;

export class Markup {
  octets: Buffer = Buffer.alloc(0);
  /** Attributes of the start tag read last. */
  count = 0;
  readonly nameStart = new Int32Array(MOST_ATTRIBUTES);
  readonly nameEnd = new Int32Array(MOST_ATTRIBUTES);
  readonly valueStart = new Int32Array(MOST_ATTRIBUTES);
  readonly valueEnd = new Int32Array(MOST_ATTRIBUTES);
  /** Whether the start tag read last was an empty-element tag. */
  empty = false;

  readonly #attributes: number;
  readonly #depth: number;
  readonly #mostElements: number;
  readonly #openStart = new Int32Array(DEEPEST);
  readonly #openEnd = new Int32Array(DEEPEST);
  #elements = 0;

  constructor(limits: DialectLimits) {
    this.#attributes = Math.min(MOST_ATTRIBUTES, limits.attributes);
    this.#depth = Math.min(DEEPEST, limits.depth);
    this.#mostElements = limits.elements;
  }

  begin(octets: Buffer): void {
    this.octets = octets;
    this.#elements = 0;
  }

  /** Returns the first position from `at` that is not white space. */
  space(at: number): number {
    const { octets } = this;
    let next = at;
    while (((CLASSES[octets[next] ?? 0] ?? 0) & SPACE) !== 0) {
      next += 1;
    }
    return next;
  }

  /**
   * Reads the attributes and the end of a start tag.
   *
   * @param from after the name of the element
   * @param plain whether values must be plain ASCII, as in the vocabulary; else they may contain references and UTF-8
   * @returns the position after `>`, or -1
   */
  tag(from: number, plain: boolean): number {
    const { octets } = this;
    this.count = 0;
    this.#elements += 1;
    if (this.#elements > this.#mostElements) {
      return -1;
    }
    let at = from;
    for (;;) {
      const next = this.space(at);
      const octet = octets[next];
      if (octet === GREATER) {
        this.empty = false;
        return next + 1;
      }
      if (octet === SLASH) {
        this.empty = true;
        return octets[next + 1] === GREATER ? next + 2 : -1;
      }
      if (next === at) {
        return -1;
      }
      at = this.#attribute(next, plain);
      if (at < 0) {
        return -1;
      }
    }
  }

  #attribute(from: number, plain: boolean): number {
    const { octets } = this;
    const index = this.count;
    const nameEnd = this.#name(from);
    if (nameEnd < 0 || index >= this.#attributes || octets[nameEnd] !== EQUALS) {
      return -1;
    }
    const quote = octets[nameEnd + 1];
    if ((quote !== APOSTROPHE && quote !== QUOTE) || this.#known(from, nameEnd)) {
      return -1;
    }
    let at = nameEnd + 2;
    while (octets[at] !== quote) {
      if (((CLASSES[octets[at] ?? 0] ?? 0) & VALUE_CHARACTER) !== 0) {
        at += 1;
      } else {
        at = plain ? -1 : this.#unusual(at);
        if (at < 0) {
          return -1;
        }
      }
    }
    this.nameStart[index] = from;
    this.nameEnd[index] = nameEnd;
    this.valueStart[index] = nameEnd + 2;
    this.valueEnd[index] = at;
    this.count = index + 1;
    return at + 1;
  }

  /** Reads what an attribute value of a foreign element may contain besides plain characters. */
  #unusual(at: number): number {
    const octet = this.octets[at] ?? 0;
    if (octet === APOSTROPHE || octet === QUOTE || ((CLASSES[octet] ?? 0) & SPACE) !== 0) {
      return at + 1;
    }
    return this.#beyond(at, octet);
  }

  /** Reads a predefined entity or a UTF-8 sequence. */
  #beyond(at: number, octet: number): number {
    if (octet === AMPERSAND) {
      for (const entity of ENTITIES) {
        if (matchesAt(this.octets, at, entity)) {
          return at + entity.length;
        }
      }
      return -1;
    }
    return octet < FIRST_OF_SEQUENCE ? -1 : sequenceEnd(this.octets, at);
  }

  /** Whether the start tag has had that attribute before. */
  #known(start: number, end: number): boolean {
    for (let index = 0; index < this.count; index += 1) {
      const first = this.nameStart[index] ?? 0;
      if ((this.nameEnd[index] ?? 0) - first === end - start && equalRanges(this.octets, first, start, end - start)) {
        return true;
      }
    }
    return false;
  }

  #name(from: number): number {
    const { octets } = this;
    if (((CLASSES[octets[from] ?? 0] ?? 0) & NAME_START) === 0) {
      return -1;
    }
    let at = from + 1;
    while (((CLASSES[octets[at] ?? 0] ?? 0) & NAME) !== 0) {
      at += 1;
    }
    return at;
  }

  /**
   * Reads mixed content up to the end tag of its element.
   *
   * @param depth of that element
   * @returns the position of the end tag's `<`, or -1
   */
  content(from: number, depth: number): number {
    const { octets } = this;
    let open = 0;
    let at = from;
    for (;;) {
      at = this.#text(at);
      if (at < 0) {
        return -1;
      }
      if (octets[at + 1] === SLASH) {
        if (open === 0) {
          return at;
        }
        open -= 1;
        const start = this.#openStart[open] ?? 0;
        const length = (this.#openEnd[open] ?? 0) - start;
        at = equalRanges(octets, start, at + 2, length) ? this.close(at + 2 + length) : -1;
      } else {
        const nameEnd = this.#name(at + 1);
        if (nameEnd < 0 || depth + open >= this.#depth) {
          return -1;
        }
        this.#openStart[open] = at + 1;
        this.#openEnd[open] = nameEnd;
        at = this.tag(nameEnd, false);
        open += this.empty ? 0 : 1;
      }
      if (at < 0) {
        return -1;
      }
    }
  }

  /** Returns the end of an end tag, from after its name; -1 if something else follows. */
  close(from: number): number {
    const at = this.space(from);
    return this.octets[at] === GREATER ? at + 1 : -1;
  }

  /** Returns the position of the next `<`; -1 if what is before it might not be text. */
  #text(from: number): number {
    const { octets } = this;
    const { length } = octets;
    let at = from;
    while (at < length) {
      const octet = octets[at] ?? 0;
      if (((CLASSES[octet] ?? 0) & TEXT_CHARACTER) !== 0) {
        at += 1;
      } else if (octet === LESS) {
        return at;
      } else if (octet === BRACKET && at + 1 < length && octets[at + 1] !== BRACKET) {
        at += 1;
      } else {
        at = this.#beyond(at, octet);
        if (at < 0) {
          return -1;
        }
      }
    }
    return -1;
  }
}
