/** Media types with parameters (RFC 2045 §5.1): reads quoted strings and comments, and writes. */
import { LocalError } from '../errors.js';
import { malformedEntity } from './fault.js';

export interface MediaType {
  /** `type/subtype` in lower case. */
  readonly type: string;
  /** By name in lower case; values are unquoted but otherwise unchanged. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const SPACE = /[ \t]*/y;

/** @throws RemoteProtocolError MIME_INVALID, reply 500. */
export function parseMediaType(value: string): MediaType {
  const reader = new Reader(value);
  reader.skip();
  const major = reader.token('media type');
  reader.expect('/');
  const type = `${major}/${reader.token('media subtype')}`.toLowerCase();
  const parameters = new Map<string, string>();
  reader.skip();
  while (!reader.ended) {
    // cpim-02 writes message/cpim,profile=im
    if (!(type === 'message/cpim' && reader.take(','))) reader.expect(';');
    reader.skip();
    // an empty parameter (a semicolon too many) is a common mistake and harmless
    if (reader.ended || reader.sees(';')) {
      continue;
    }
    const name = reader.token('parameter name').toLowerCase();
    reader.skip();
    reader.expect('=');
    reader.skip();
    if (parameters.has(name)) {
      throw malformedEntity(`parameter ${name} is given twice`);
    }
    parameters.set(name, reader.value());
    reader.skip();
  }
  return { type, parameters };
}

/** Writes a parameter value as a quoted string. */
export function quotedString(value: string): string {
  if (/[^ -~]/.test(value)) {
    throw new LocalError('ARGUMENT', 'a MIME parameter takes printable ASCII only');
  }
  return `"${value.replace(/["\\]/g, '\\$&')}"`;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get ended(): boolean {
    return this.#at >= this.#text.length;
  }

  sees(character: string): boolean {
    return this.#text[this.#at] === character;
  }

  take(character: string): boolean {
    if (!this.sees(character)) return false;
    this.#at += 1;
    return true;
  }

  expect(character: string): void {
    if (!this.take(character)) throw malformedEntity(`"${character}" is missing in a media type`);
  }

  token(what: string): string {
    const found = this.#match(TOKEN);
    if (found === undefined) {
      throw malformedEntity(`a ${what} is missing or not a token`);
    }
    return found[0];
  }

  value(): string {
    if (!this.sees('"')) {
      return this.token('parameter value');
    }
    const found = this.#match(QUOTED);
    if (found === undefined) {
      throw malformedEntity('a quoted string is not closed');
    }
    return (found[1] ?? '').replace(/\\(.)/g, '$1');
  }

  /** Skips white space and comments, which nest. */
  skip(): void {
    this.#match(SPACE);
    while (this.sees('(')) {
      this.#comment();
      this.#match(SPACE);
    }
  }

  #comment(): void {
    let depth = 0;
    do {
      const character = this.#text[this.#at];
      if (character === undefined) {
        throw malformedEntity('a comment is not closed');
      }
      if (character === '(') {
        depth += 1;
      } else if (character === ')') {
        depth -= 1;
      }
      this.#at += character === '\\' ? 2 : 1;
    } while (depth > 0);
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) {
      return undefined;
    }
    this.#at = pattern.lastIndex;
    return found;
  }
}
