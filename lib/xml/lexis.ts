/**
 * The lexical rules of XML 1.0 that the tokenizer leaves open: names, references, attributes of a start tag, white
 * space. Each function reads one piece of markup from the tokenizer.
 */
import { RemoteProtocolError } from '../errors.js';

const NAME_START =
  ':A-Z_a-z\\u00C0-\\u00D6\\u00D8-\\u00F6\\u00F8-\\u02FF\\u0370-\\u037D\\u037F-\\u1FFF\\u200C\\u200D\\u2070-\\u218F' +
  '\\u2C00-\\u2FEF\\u3001-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFFD';
const NAME_MORE = `${NAME_START}\\-.0-9\\u00B7\\u0300-\\u036F\\u203F\\u2040`;
const NAME = `[${NAME_START}][${NAME_MORE}]*`;
const SPACE = '[ \\t\\r\\n]';

const WHOLE_NAME = new RegExp(`^${NAME}$`);
const NMTOKEN = new RegExp(`^[${NAME_MORE}]+$`);
const TAG_NAME = new RegExp(`<(${NAME})`, 'y');
const ATTRIBUTE = new RegExp(`${SPACE}+(${NAME})${SPACE}*=${SPACE}*("[^<"]*"|'[^<']*')`, 'y');
const TAG_END = new RegExp(`${SPACE}*/?>$`, 'y');
const DECLARATION = new RegExp(
  `^<\\?xml${SPACE}+version${SPACE}*=${SPACE}*(?:"1\\.[0-9]+"|'1\\.[0-9]+')` +
    `(?:${SPACE}+encoding${SPACE}*=${SPACE}*("[A-Za-z][\\w.-]*"|'[A-Za-z][\\w.-]*'))?` +
    `(?:${SPACE}+standalone${SPACE}*=${SPACE}*(?:"(?:yes|no)"|'(?:yes|no)'))?${SPACE}*\\?>$`,
);
const REFERENCE = /&(?:(#x[0-9A-Fa-f]+|#[0-9]+|[A-Za-z]+);)?/g;

/** Anything but a Char of XML 1.0 §2.2; surrogates are in pairs because the text was decoded from valid UTF-8. */
export const ILLEGAL_CHARACTER = /[^\t\n\r -\uFFFD]/;

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);

export interface StartTag {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** @returns an error to throw: the peer's XML is not well-formed, reply 500. */
export function notWellFormed(what: string, position: number): RemoteProtocolError {
  return new RemoteProtocolError('XML_NOT_WELL_FORMED', `XML is not well-formed at character ${position}: ${what}`, {
    reply: { code: 500, text: `the XML is not well-formed: ${what}` },
    fields: { position },
  });
}

/** @returns an error to throw: a limit is exceeded, reply 501. */
export function overLimit(what: string, limit: number): RemoteProtocolError {
  return new RemoteProtocolError('XML_LIMIT', `XML with more than ${limit} ${what}`, {
    reply: { code: 501, text: `the XML has more than ${limit} ${what}` },
    fields: { limit },
  });
}

/** A name from the document, shortened for an error message. */
export function short(name: string): string {
  return name.length > 40 ? `${name.slice(0, 40)}…` : name;
}

export function isName(text: string): boolean {
  return WHOLE_NAME.test(text);
}

export function isNmtoken(text: string): boolean {
  return NMTOKEN.test(text);
}

export function isSpace(text: string): boolean {
  return /^[ \t\r\n]*$/.test(text);
}

/**
 * Reads a whole start tag or empty-element tag.
 *
 * @param raw from `<` to `>`.
 * @param position of `raw` in the document, for the error.
 */
export function readStartTag(raw: string, position: number, limit: number): StartTag {
  TAG_NAME.lastIndex = 0;
  const name = TAG_NAME.exec(raw)?.[1];
  if (name === undefined) {
    throw notWellFormed('a start tag without a valid name', position);
  }
  const attributes = new Map<string, string>();
  let at = TAG_NAME.lastIndex;
  for (;;) {
    ATTRIBUTE.lastIndex = at;
    const match = ATTRIBUTE.exec(raw);
    if (match === null) {
      break;
    }
    const [, key = '', quoted = ''] = match;
    if (attributes.has(key)) {
      throw notWellFormed(`attribute ${short(key)} of element ${short(name)} is given twice`, position + at);
    }
    if (attributes.size >= limit) {
      throw overLimit(`attributes in element ${short(name)}`, limit);
    }
    attributes.set(key, attributeValue(quoted.slice(1, -1), position + at));
    at = ATTRIBUTE.lastIndex;
  }
  TAG_END.lastIndex = at;
  if (!TAG_END.test(raw)) {
    throw notWellFormed(`the attributes of element ${short(name)} are malformed`, position + at);
  }
  return { name, attributes };
}

/** XML 1.0 §3.3.3: white space becomes spaces, then references are expanded. */
function attributeValue(raw: string, position: number): string {
  return expand(raw.replace(/\r\n|[\t\r\n]/g, ' '), position);
}

/** Character data with line ends normalized (XML 1.0 §2.11) and references expanded. */
export function characterData(raw: string, position: number): string {
  // XML 1.0 §2.4: `]]>` must not appear in text
  if (raw.includes(']]>')) {
    throw notWellFormed('"]]>" in text', position);
  }
  return expand(lines(raw), position);
}

/** XML 1.0 §2.11: CRLF and CR are line feeds. */
export function lines(raw: string): string {
  return raw.includes('\r') ? raw.replace(/\r\n?/g, '\n') : raw;
}

function expand(raw: string, position: number): string {
  if (!raw.includes('&')) {
    return raw;
  }
  return raw.replace(REFERENCE, (_, name: string | undefined) => {
    const text = name === undefined ? undefined : name.startsWith('#') ? characterOf(name) : ENTITIES.get(name);
    if (text === undefined) {
      throw notWellFormed('a reference that is neither numeric nor one of lt, gt, amp, quot, apos', position);
    }
    return text;
  });
}

function characterOf(reference: string): string | undefined {
  const hex = reference.startsWith('#x');
  const code = Number.parseInt(reference.slice(hex ? 2 : 1), hex ? 16 : 10);
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    return undefined;
  }
  const text = String.fromCodePoint(code);
  return ILLEGAL_CHARACTER.test(text) ? undefined : text;
}

/** Encodings in which ASCII is as in UTF-8: a document of ASCII alone is the same in all of them. */
const SUPERSETS = /^(?:iso-8859-\d+|latin-?\d|windows-125\d|cp125\d|ansi_x3\.4-1968)$/;
const SUPPORTED: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii']);

/**
 * Checks a processing instruction or XML declaration.
 *
 * @param raw from `<?` to `?>`.
 * @param ascii whether the whole document is ASCII
 */
export function checkInstruction(raw: string, position: number, first: boolean, ascii: boolean): void {
  const target = /^<\?([^ \t\r\n?]*)/.exec(raw)?.[1] ?? '';
  if (raw.indexOf('?>') !== raw.length - 2 || !isName(target)) {
    throw notWellFormed('a malformed processing instruction', position);
  }
  if (target.toLowerCase() !== 'xml') {
    return;
  }
  const declaration = first && target === 'xml' ? DECLARATION.exec(raw) : null;
  if (declaration === null) {
    throw notWellFormed('a malformed or misplaced XML declaration', position);
  }
  const encoding = declaration[1]?.slice(1, -1).toLowerCase();
  if (encoding !== undefined && !SUPPORTED.has(encoding) && !(ascii && SUPERSETS.test(encoding))) {
    throw new RemoteProtocolError('XML_INVALID', `XML declared as ${encoding}`, {
      reply: { code: 501, text: 'only UTF-8 is supported as encoding of XML' },
    });
  }
}

/**
 * XML 1.0 §2.5: `--` must not occur within a comment, nor a hyphen before its end.
 *
 * @returns the position after the comment that begins at `position`.
 */
export function commentEnd(text: string, position: number): number {
  const hyphens = text.indexOf('--', position + '<!--'.length);
  if (hyphens < 0 || text[hyphens + 2] !== '>') {
    throw notWellFormed('a malformed comment', position);
  }
  return hyphens + '-->'.length;
}
