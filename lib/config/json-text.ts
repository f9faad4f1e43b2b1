/**
 * JSON parser that records the position of each value and key in the text. JSON.parse tells neither the position of a
 * value that turns out to be wrong nor of a duplicate key. Accepts exactly RFC 8259.
 */
import type { TextPosition } from './problem.js';

/** A syntax error with its position. */
export class JsonTextError extends SyntaxError {
  readonly place: TextPosition;

  constructor(message: string, place: TextPosition) {
    super(message);
    this.place = place;
  }
}

export interface JsonText {
  readonly value: unknown;
  /** Returns the position of the value at a path, or of the nearest existing one around it. */
  placeOf(path: readonly PropertyKey[]): TextPosition;
  /** Returns the position of a key in the object at a path. */
  placeOfKey(path: readonly PropertyKey[], key: string): TextPosition;
}

/** A value with its offset; members of objects and arrays by key. */
interface Node {
  readonly offset: number;
  readonly value: unknown;
  readonly members: ReadonlyMap<PropertyKey, { readonly keyOffset: number; readonly node: Node }>;
}

const NO_MEMBERS: Node['members'] = new Map();
const DEPTH = 64;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 8259 §7 forbids exactly these within a string
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"/y;
const STRING_WITH_ESCAPES = /^"(?:[^"\\\r\n]|\\.)*"/;
/** Quotes that are none in JSON. */
const QUOTES = "'`\u00ab\u00bb\u2018\u2019\u201a\u201c\u201d\u201e";
const [MIN_PRINTABLE, MAX_ASCII] = [0x20, 0x7e];
const WORDS: ReadonlyMap<string, boolean | null> = new Map<string, boolean | null>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

function placeAt(text: string, offset: number): TextPosition {
  const lines = text.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}

class Reader {
  readonly #text: string;
  #offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Node {
    const node = this.#value(0);
    this.#space();
    if (this.#offset < this.#text.length) throw this.#wrong('nothing may follow the value');
    return node;
  }

  #wrong(message: string, offset = this.#offset): JsonTextError {
    return new JsonTextError(message, placeAt(this.#text, offset));
  }

  #space(): void {
    while (' \t\r\n'.includes(this.#text[this.#offset] ?? 'x')) this.#offset += 1;
    if (/^(?:\/\/|\/\*|#)/.test(this.#text.slice(this.#offset, this.#offset + 2))) {
      throw this.#wrong('JSON has no comments');
    }
  }

  #take(character: string): boolean {
    this.#space();
    if (this.#text[this.#offset] !== character) return false;
    this.#offset += 1;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#offset += found.length;
    return found;
  }

  #value(depth: number): Node {
    if (depth > DEPTH) throw this.#wrong(`nested more than ${DEPTH} deep`);
    this.#space();
    const offset = this.#offset;
    const first = this.#text[offset];
    if (first === undefined) throw this.#wrong('the text ends where a value is expected');
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#array(depth);
    if (first === '"') return { offset, value: this.#string(), members: NO_MEMBERS };
    const number = this.#match(NUMBER);
    if (number !== undefined) return { offset, value: Number(number), members: NO_MEMBERS };
    for (const [word, value] of WORDS) {
      if (!this.#text.startsWith(word, offset)) continue;
      this.#offset += word.length;
      return { offset, value, members: NO_MEMBERS };
    }
    throw this.#unexpected(first);
  }

  #unexpected(character: string): JsonTextError {
    // Word processors and web pages turn quotes and spaces into others that look alike.
    if (QUOTES.includes(character)) return this.#wrong('strings are written in "double quotes"');
    const code = character.codePointAt(0) ?? 0;
    if (code > MAX_ASCII || code < MIN_PRINTABLE) {
      return this.#wrong(`unexpected character U+${code.toString(16).toUpperCase().padStart(4, '0')}`);
    }
    return this.#wrong(`unexpected ${JSON.stringify(character)}`);
  }

  #string(): string {
    const written = this.#match(STRING);
    if (written === undefined) {
      const escaped = STRING_WITH_ESCAPES.test(this.#text.slice(this.#offset));
      const hint = 'this string has an unknown escape; a backslash is written as two, as in "C:\\\\certs"';
      throw this.#wrong(escaped ? hint : 'this string does not end on its line');
    }
    return String(JSON.parse(written));
  }

  #array(depth: number): Node {
    const offset = this.#offset;
    this.#offset += 1;
    const value: unknown[] = [];
    const members = new Map<PropertyKey, { keyOffset: number; node: Node }>();
    if (this.#take(']')) return { offset, value, members };
    do {
      if (this.#take(']')) throw this.#wrong('no comma may precede "]"', this.#offset - 1);
      const node = this.#value(depth + 1);
      members.set(value.length, { keyOffset: node.offset, node });
      value.push(node.value);
    } while (this.#take(','));
    if (!this.#take(']')) throw this.#wrong('"," or "]" expected');
    return { offset, value, members };
  }

  #object(depth: number): Node {
    const offset = this.#offset;
    this.#offset += 1;
    const entries: [string, unknown][] = [];
    const members = new Map<PropertyKey, { keyOffset: number; node: Node }>();
    if (this.#take('}')) return { offset, value: {}, members };
    do {
      if (this.#take('}')) throw this.#wrong('no comma may precede "}"', this.#offset - 1);
      const keyOffset = this.#offset;
      if (this.#text[keyOffset] !== '"') throw this.#wrong('a key in "double quotes" expected');
      const key = this.#string();
      if (members.has(key)) throw this.#wrong(`the key ${JSON.stringify(key)} is written twice`, keyOffset);
      if (!this.#take(':')) throw this.#wrong('":" expected');
      const node = this.#value(depth + 1);
      members.set(key, { keyOffset, node });
      entries.push([key, node.value]);
    } while (this.#take(','));
    if (!this.#take('}')) throw this.#wrong('"," or "}" expected');
    // fromEntries defines own properties, also for a key "__proto__".
    return { offset, value: Object.fromEntries(entries), members };
  }
}

/**
 * Parses a JSON text.
 *
 * @throws JsonTextError if it is not JSON or an object has a key twice
 */
export function parseJsonText(text: string): JsonText {
  const root = new Reader(text).document();
  const nodeAt = (path: readonly PropertyKey[]): Node => {
    let node = root;
    for (const key of path) {
      const member = node.members.get(key);
      if (member === undefined) break;
      node = member.node;
    }
    return node;
  };
  return {
    value: root.value,
    placeOf: (path) => placeAt(text, nodeAt(path).offset),
    placeOfKey(path, key) {
      const node = nodeAt(path);
      return placeAt(text, node.members.get(key)?.keyOffset ?? node.offset);
    },
  };
}
