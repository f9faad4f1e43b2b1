/**
 * The list grammar of DIGEST-MD5 messages (RFC 2831 §7.1): reads and writes directives. Knows no directive by name.
 * Values are strings that hold one octet per character, since their character set is known only after parsing.
 *
 * Strictness. Wider than the grammar in one place: an unquoted value may hold any visible octet except comma and quote,
 * because peers leave out quotes around nonces and digest-uris. Narrower in one: `\` may not hide a control character.
 */

import { malformedMessage } from '../fault.js';

export interface Directive {
  /** In lower case: names are case-insensitive. */
  readonly name: string;
  /** Without quotes and escapes, which is also what is hashed. */
  readonly value: string;
}

const TOKEN = /[!#$%&'*+\-.0-9A-Z^_`a-z|~]+/y;
const UNQUOTED = /[!#-+\--~\x80-\xff]+/y;
// TEXT without the quote and the backslash, then any number of escapes; LWS may fold a line.
const QUOTED = /"((?:[ \t!#-[\]-~\x80-\xff]|\\[ -~]|\r\n[ \t])*)"/y;
const LWS = /(?:(?:\r\n)?[ \t])*/y;
const ESCAPE = /\\([ -~])/g;

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.#at >= this.#text.length;
  }

  /** Takes what the sticky pattern matches here; its first group if it has one. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match[1] ?? match[0];
  }

  takeChar(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  /** RFC 2831 §7.1 #rule: LWS may stand around commas and separators. */
  skipLws(): void {
    this.take(LWS);
  }
}

function takeValue(scanner: Scanner, name: string): string {
  const quoted = scanner.take(QUOTED);
  if (quoted !== undefined) return quoted.replace(ESCAPE, '$1');
  const value = scanner.take(UNQUOTED);
  if (value === undefined) throw malformedMessage(`DIGEST-MD5: the value of ${name} is missing or not closed`);
  return value;
}

function takeDirective(scanner: Scanner): Directive {
  const name = scanner.take(TOKEN)?.toLowerCase();
  if (name === undefined) throw malformedMessage('DIGEST-MD5: a directive name is expected');
  scanner.skipLws();
  if (!scanner.takeChar('=')) throw malformedMessage('DIGEST-MD5: "=" is expected after a directive name');
  scanner.skipLws();
  return { name, value: takeValue(scanner, name.slice(0, 32)) };
}

/**
 * Reads `1#directive`.
 *
 * @param limit the message must be shorter than this (RFC 2831 §2.1.1: 2048, RFC 2831 §2.1.2: 4096)
 * @throws RemoteProtocolError SASL_INVALID
 */
export function parseDirectives(octets: Buffer, limit: number): readonly Directive[] {
  if (octets.length >= limit) throw malformedMessage(`DIGEST-MD5: the message must be shorter than ${limit} octets`);
  const scanner = new Scanner(octets.toString('latin1'));
  const directives: Directive[] = [];
  for (;;) {
    scanner.skipLws();
    // Empty elements are allowed and ignored; between two elements there must be a comma.
    if (scanner.takeChar(',')) continue;
    if (scanner.done) break;
    directives.push(takeDirective(scanner));
    scanner.skipLws();
    if (!scanner.done && !scanner.takeChar(','))
      throw malformedMessage('DIGEST-MD5: "," is expected after a directive');
  }
  if (directives.length === 0) throw malformedMessage('DIGEST-MD5: the message is empty');
  return directives;
}

/** Splits the inside of `qop` and `cipher` (1#token), in lower case; unknown tokens stay. */
export function parseTokens(value: string): readonly string[] {
  return value
    .split(',')
    .map((token) => token.trim().toLowerCase())
    .filter((token) => token !== '');
}

/** All directives of one message, asked for by how often they may occur. */
export class Directives {
  readonly #values = new Map<string, string[]>();

  constructor(directives: readonly Directive[]) {
    for (const { name, value } of directives) {
      const values = this.#values.get(name);
      if (values === undefined) this.#values.set(name, [value]);
      else values.push(value);
    }
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** @throws RemoteProtocolError SASL_INVALID when it occurs twice */
  optional(name: string): string | undefined {
    const values = this.all(name);
    if (values.length > 1) throw malformedMessage(`DIGEST-MD5: ${name} occurs more than once`);
    return values[0];
  }

  /** @throws RemoteProtocolError SASL_INVALID when it is missing, empty or occurs twice */
  required(name: string): string {
    const value = this.optional(name);
    if (value === undefined || value === '') throw malformedMessage(`DIGEST-MD5: ${name} is missing`);
    return value;
  }
}

/** Writes a quoted-string; `value` holds one octet per character. */
export function quotedDirective(value: string): string {
  return `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

/** maxbuf of either message (RFC 2831 §2.1.1). Below 32 no packet fits, above 24 bits none is sensible: both abort. */
export function parseMaxbuf(value: string | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  const octets = /^[0-9]{1,10}$/.test(value) ? Number(value) : 0;
  if (octets < 32 || octets > 0xff_ffff) throw malformedMessage('DIGEST-MD5: maxbuf must be from 32 to 16777215');
  return octets;
}
