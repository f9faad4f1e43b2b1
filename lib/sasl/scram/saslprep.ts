/**
 * SASLprep (RFC 4013): mapping, NFKC and prohibited characters. The bidirectional rules and the Unicode 3.2 repertoire
 * are omitted, because they only refuse more strings and never make two equal.
 */

// RFC 3454 C.1.2 and B.1.
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;
const NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;
// RFC 3454 C.2 to C.9: control, private use, non-character, surrogate, plain-text-inappropriate, display and tagging.
const PROHIBITED =
  /[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u06dd\u070f\u180e\u200e\u200f\u2028-\u202e\u2061-\u2063\u206a-\u206f\u2ff0-\u2ffb\ufff9-\ufffd\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u;

/** The prepared form, or `undefined` when the string contains prohibited characters. */
export function prepared(text: string): string | undefined {
  const mapped = text.replace(SPACES, ' ').replace(NOTHING, '').normalize('NFKC');
  return PROHIBITED.test(mapped) ? undefined : mapped;
}
