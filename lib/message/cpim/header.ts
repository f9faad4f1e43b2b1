/**
 * Header lines of message/cpim (RFC 3862 §2.2, §2.3): reads and writes their syntax and escapes. No header has a
 * meaning here.
 */
import { LocalError } from '../../errors.js';
import { invalidMessage, shown } from '../fault.js';

export interface CpimParameter {
  readonly name: string;
  /** Value without quotes and escapes. */
  readonly value: string;
}

/** A header as received. */
export interface CpimHeader {
  /** As written, with its prefix if any; names are case-sensitive. */
  readonly name: string;
  readonly parameters: readonly CpimParameter[];
  /** The value as written on the line. */
  readonly raw: string;
}

const NAME = "[!#-'*+\\-^-`|~A-Za-z0-9]+";
const HEADER_NAME = new RegExp(`(?:${NAME}\\.)?${NAME}`, 'y');
const WHOLE_NAME = new RegExp(`^(?:${NAME}\\.)?${NAME}$`);
const PARAMETER = new RegExp(`;(${NAME})=(?:"((?:[^"\\\\]|\\\\.)*)"|((?:${NAME}|[.\\u0080-\\uFFFF])+))`, 'y');
// RFC 3862 §2.2: raw control characters are not allowed in headers
const CONTROL = /[^ -~\u0080-\uFFFF]/;

/** @throws RemoteProtocolError MESSAGE_INVALID, reply 501 */
export function parseHeaderLine(line: string): CpimHeader {
  if (CONTROL.test(line)) throw invalidMessage('message/cpim: a control character in a header');
  HEADER_NAME.lastIndex = 0;
  const name = HEADER_NAME.exec(line)?.[0];
  if (name === undefined || line[HEADER_NAME.lastIndex] !== ':') {
    throw invalidMessage(`message/cpim: ${shown(line)} is not "Name: value"`);
  }
  const parameters: CpimParameter[] = [];
  let at = HEADER_NAME.lastIndex + 1;
  while (line[at] === ';') {
    PARAMETER.lastIndex = at;
    const found = PARAMETER.exec(line);
    if (found === null) throw invalidMessage(`message/cpim: a parameter of header ${shown(name)} is malformed`);
    const [, parameter = '', quoted, token = ''] = found;
    parameters.push({ name: parameter, value: quoted === undefined ? token : unescapeHeader(quoted) });
    at = PARAMETER.lastIndex;
  }
  const raw = line.slice(at + 1);
  // RFC 3862 §2.2: exactly one space, and no white space at the end of the line
  if (line[at] !== ' ' || raw.startsWith(' ') || raw.endsWith(' ')) {
    throw invalidMessage(`message/cpim: header ${shown(name)} needs exactly one space before its value and none after`);
  }
  return { name, parameters, raw };
}

const SIMPLE: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', r: '\r' };

/**
 * RFC 3862 §2.3.1: escapes are decoded everywhere; an escaped other character stands for itself, and a trailing
 * backslash is dropped.
 */
export function unescapeHeader(raw: string): string {
  if (!raw.includes('\\')) return raw;
  return raw.replace(/\\(?:u([0-9A-Fa-f]{4})|([\s\S]?))/g, (_, unit: string | undefined, other: string | undefined) => {
    if (unit !== undefined) return String.fromCharCode(Number.parseInt(unit, 16));
    const character = other ?? '';
    return SIMPLE[character] ?? character;
  });
}

const MUST_ESCAPE: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
};

/**
 * RFC 3862 §2.3.1: escapes what must be escaped, and nothing else. @throws LocalError ARGUMENT for half a surrogate
 * pair
 */
export function escapeHeader(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new LocalError('ARGUMENT', 'a header text contains half of a surrogate pair');
  return text.replace(/\\|[^ -~\u0080-\uFFFF]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase();
    return MUST_ESCAPE[character] ?? `\\u${code}`;
  });
}

/** Writes a String: in double quotes, which are escaped in addition. */
export function quoteHeader(text: string): string {
  return `"${escapeHeader(text).replaceAll('"', '\\"')}"`;
}

/**
 * Writes a header line without its CRLF.
 *
 * @param raw the value, already escaped
 * @throws LocalError ARGUMENT for values that the grammar does not allow
 */
export function formatHeaderLine(name: string, raw: string, parameters: readonly CpimParameter[] = []): string {
  if (!WHOLE_NAME.test(name)) throw new LocalError('ARGUMENT', `${JSON.stringify(name)} is not a valid header name`);
  if (CONTROL.test(raw) || raw !== raw.trim()) {
    throw new LocalError(
      'ARGUMENT',
      `header ${name}: the value must not begin or end with white space or contain control characters`,
    );
  }
  const written = parameters.map((one) => {
    if (!new RegExp(`^${NAME}$`).test(one.name)) {
      throw new LocalError('ARGUMENT', `${JSON.stringify(one.name)} is not a valid parameter name`);
    }
    const token = new RegExp(`^(?:${NAME}|[.])+$`).test(one.value);
    return `;${one.name}=${token ? one.value : quoteHeader(one.value)}`;
  });
  return `${name}:${written.join('')} ${raw}`;
}
