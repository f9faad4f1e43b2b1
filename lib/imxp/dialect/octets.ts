/** Octet primitives of the scanner: classes of ASCII characters, literals, and a cache of strings. */

/** Classes; an octet may be in several. */
export const SPACE = 1;
export const NAME_START = 2;
export const NAME = 4;
/** Stands for itself in an attribute value, whatever the quotes. */
export const VALUE_CHARACTER = 8;
/** Stands for itself in text; `]` does not, because `]]>` must not occur. */
export const TEXT_CHARACTER = 16;
export const DIGIT = 32;
/** Allowed in the value of a header, or in a quoted string without escapes: printable ASCII and space. */
export const PRINTABLE = 64;

export const CLASSES: Uint8Array = classes();

function classes(): Uint8Array {
  const table = new Uint8Array(256);
  const add = (characters: string, bits: number): void => {
    for (const octet of Buffer.from(characters, 'latin1')) {
      table[octet] = (table[octet] ?? 0) | bits;
    }
  };
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  let printable = '';
  for (let octet = 0x20; octet < 0x7f; octet += 1) {
    printable += String.fromCharCode(octet);
  }
  add(' \t\r\n', SPACE);
  add(`${letters}:_`, NAME_START);
  add(`${letters}:_0123456789-.`, NAME);
  add('0123456789', DIGIT);
  add(printable.replace(/[<&'"]/g, ''), VALUE_CHARACTER);
  add(`${printable.replace(/[<&\]]/g, '')}\t\r\n`, TEXT_CHARACTER);
  add(printable, PRINTABLE);
  return table;
}

/** Whether `octets` contain `literal` at `at`. */
export function matchesAt(octets: Buffer, at: number, literal: Buffer): boolean {
  const { length } = literal;
  if (at + length > octets.length) {
    return false;
  }
  for (let index = 0; index < length; index += 1) {
    if (octets[at + index] !== literal[index]) {
      return false;
    }
  }
  return true;
}

/** Whether two ranges have equal octets. */
export function equalRanges(octets: Buffer, first: number, second: number, length: number): boolean {
  for (let index = 0; index < length; index += 1) {
    if (octets[first + index] !== octets[second + index]) {
      return false;
    }
  }
  return true;
}

/**
 * Returns the end of the UTF-8 sequence of two or more octets that begins at `at`, or -1 if it is not valid or is a
 * character that XML does not allow (XML 1.0 §2.2; RFC 3629 §4).
 */
export function sequenceEnd(octets: Buffer, at: number): number {
  const lead = octets[at] ?? 0;
  const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > octets.length) {
    return -1;
  }
  let point = lead & (0xff >> (length + 1));
  for (let index = at + 1; index < at + length; index += 1) {
    const octet = octets[index] ?? 0;
    if ((octet & 0xc0) !== 0x80) {
      return -1;
    }
    point = (point << 6) | (octet & 0x3f);
  }
  const legal =
    length === 2 ||
    (length === 3 && point >= 0x800 && (point < 0xd800 || point > 0xdfff) && point < 0xfffe) ||
    (length === 4 && point >= 0x10000 && point <= 0x10ffff);
  return legal ? at + length : -1;
}

const SLOTS = 4096;
const INTERNED_OCTETS = 96;

/**
 * Cache of strings for ASCII octets. The same addresses occur again and again; returning the same string saves making
 * it, and its hash for the maps that it is looked up in. Each hash has one slot, which the last string occupies, so the
 * cache is bounded.
 */
export class Interned {
  readonly #slots: string[] = new Array<string>(SLOTS).fill('');

  take(octets: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > INTERNED_OCTETS) {
      return octets.toString('latin1', start, end);
    }
    let hash = length;
    for (let at = start; at < end; at += 1) {
      hash = (Math.imul(hash, 31) + (octets[at] ?? 0)) | 0;
    }
    const slot = (hash ^ (hash >>> 12)) & (SLOTS - 1);
    const known = this.#slots[slot] ?? '';
    if (known.length === length && same(known, octets, start)) {
      return known;
    }
    const text = octets.toString('latin1', start, end);
    this.#slots[slot] = text;
    return text;
  }
}

function same(text: string, octets: Buffer, start: number): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (text.charCodeAt(index) !== octets[start + index]) {
      return false;
    }
  }
  return true;
}
