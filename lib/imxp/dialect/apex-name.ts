/**
 * Converts names between APEX (RFC 3340 §2.2) and the notation of this program, which is that of IMXP (RFC 822). A
 * local part of APEX is written literally; one of RFC 822 is quoted if it has characters that are not allowed in an
 * atom.
 */
import { type Address, addressOf, localOf, wordsOf } from '../address.js';

/** Names that are the same in both notations, octet by octet: by far the most. */
const PLAIN =
  /^[!#$&'*+\-0-9=?A-Z^_`a-z{|}~]+(?:\.[!#$&'*+\-0-9=?A-Z^_`a-z{|}~]+)*(?:\/[!#$&'*+\-0-9=?A-Z^_`a-z{|}~]+)?@[A-Za-z0-9._-]+$/;
/** RFC 3340 §2.2: no control characters, neither `/` nor `@`. */
const TOKEN = /^[ -.0-?A-~\u00a0-\uffff]+$/;
const ENCODED = /%[0-9A-Fa-f]{2}/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Returns a name of APEX in the notation of this program. An invalid name stays invalid, so that the parser refuses it
 * with 553.
 */
export function fromApex(text: string): string {
  if (PLAIN.test(text)) return text;
  const at = text.lastIndexOf('@');
  // RFC 3340 §2.2.1: a transmission encoding is reversed before names are compared.
  const local = decoded(text.slice(0, at));
  const [base = '', rest, ...more] = local?.split('/') ?? [];
  const named = at > 0 && more.length === 0 && TOKEN.test(base) && (rest === undefined || TOKEN.test(rest));
  return named ? `${localOf(base, rest)}${text.slice(at)}` : `@${text}`;
}

/** @returns undefined if the encoding is invalid or stands for a delimiter */
function decoded(local: string): string | undefined {
  if (!ENCODED.test(local)) return local;
  try {
    // An encoded octet may be part of a character, so octets are decoded first, then characters.
    const octets = Buffer.from(local)
      .toString('latin1')
      .replace(/%([0-9A-Fa-f]{2})/g, octetOf);
    const plain = utf8.decode(Buffer.from(octets, 'latin1'));
    const delimiters = (text: string): number => text.split(/[/@]/).length;
    return delimiters(plain) === delimiters(local) ? plain : undefined;
  } catch {
    return undefined;
  }
}

function octetOf(_: string, hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16));
}

/** Returns a name of this program in the notation of APEX; undefined if it has none. */
export function toApex(identity: string): string | undefined {
  if (PLAIN.test(identity)) return identity;
  const name = addressOf(identity);
  if (name === undefined) return undefined;
  const { base, rest } = wordsOf(name);
  const said = TOKEN.test(base) && (rest === undefined || TOKEN.test(rest));
  // A reader that reverses transmission encodings would read another name.
  if (!said || ENCODED.test(base) || (rest !== undefined && ENCODED.test(rest))) return undefined;
  return `${base}${rest === undefined ? '' : `/${rest}`}${identity.slice(identity.lastIndexOf('@'))}`;
}

/** Whether a name is the same in both dialects (D-APEX-06). */
export function isCommon({ local, apexOnly }: Address): boolean {
  return !apexOnly && !local.includes('"');
}
