/**
 * Encoded words (RFC 2047), which carry non-ASCII text in RFC 822 headers. They have no meaning within
 * message/RFC822+XML; this is for conversion only.
 */

const WORD = /=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?\s]*)\?=/g;
// RFC 2047 §6.2: white space between two encoded words is not part of the text
const BETWEEN = /(=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=)[ \t\r\n]+(?==\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=)/g;
/** RFC 2047 §2 allows 75; this many fit after the longest field name on a line of 76. */
const WORD_LENGTH = 58;
const OVERHEAD = '=?UTF-8?B??='.length;
const OCTETS = Math.floor((WORD_LENGTH - OVERHEAD) / 4) * 3;

/** Decodes encoded words; malformed ones and those in unknown charsets stay unchanged. */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return text;
  const parts: { charset: string; octets: Buffer; word: string }[] = [];
  let decoded = '';
  let at = 0;
  const flush = (): void => {
    decoded += parts.splice(0).reduce(joined, '');
  };
  const compact = text.replace(BETWEEN, '$1');
  for (const match of compact.matchAll(WORD)) {
    const [word, charset = '', encoding = '', encoded = ''] = match;
    if (match.index !== at) {
      flush();
      decoded += compact.slice(at, match.index);
    }
    at = match.index + word.length;
    const octets = /b/i.test(encoding) ? Buffer.from(encoded, 'base64') : decodeQ(encoded);
    const last = parts.at(-1);
    // Some writers split multi-octet characters: octets of one charset are joined before decoding.
    if (last !== undefined && last.charset.toLowerCase() === charset.toLowerCase()) {
      last.octets = Buffer.concat([last.octets, octets]);
      last.word += word;
    } else {
      parts.push({ charset, octets, word });
    }
  }
  flush();
  return decoded + compact.slice(at);
}

function joined(text: string, { charset, octets, word }: { charset: string; octets: Buffer; word: string }): string {
  try {
    // A header is one line of text, whatever was encoded.
    return text + new TextDecoder(charset).decode(octets).replace(/\p{Cc}/gu, ' ');
  } catch {
    return text + word;
  }
}

function decodeQ(encoded: string): Buffer {
  const text = encoded.replaceAll('_', ' ');
  return Buffer.from(
    text.replace(/=([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
    'latin1',
  );
}

/** Whether a text must be encoded to stand in a header. */
export function needsWords(text: string): boolean {
  return /[^ -~]/.test(text) || text.includes('=?') || text !== text.trim() || text.includes('  ');
}

/** Encodes a text as words of whole characters; white space between the words is not part of the text. */
export function encodeWords(text: string): string[] {
  const chunks: string[] = [];
  let chunk = '';
  let octets = 0;
  for (const character of text) {
    const length = Buffer.byteLength(character);
    if (octets + length > OCTETS) {
      chunks.push(chunk);
      chunk = '';
      octets = 0;
    }
    chunk += character;
    octets += length;
  }
  return [...chunks, chunk].map((one) => `=?UTF-8?B?${Buffer.from(one).toString('base64')}?=`);
}
