/**
 * Octets of a text type to a string and back (message-service-01 §3.2): charsets, line ends, format=flowed. Handles no
 * header but the Content-Type.
 */
import { isUtf8 } from 'node:buffer';
import type { MediaType } from '../mime/media-type.js';
import { flow, unflow } from './flowed.js';

export const PLAIN_TEXT = 'text/plain; charset=UTF-8';
export const FLOWED_TEXT = 'text/plain; charset=UTF-8; format=flowed';

const utf8 = new TextDecoder('utf-8');

/** Whether a media type is text that people can read as it is. */
export function isText({ type }: MediaType): boolean {
  return type.startsWith('text/');
}

export function isFlowed({ type, parameters }: MediaType): boolean {
  return type === 'text/plain' && parameters.get('format')?.toLowerCase() === 'flowed';
}

/**
 * Decodes by charset: every one that Node knows. What does not decode becomes U+FFFD.
 *
 * @returns undefined for a charset that is not known and octets that are no UTF-8: which characters they are cannot be said
 */
export function decodeText(octets: Buffer, charset: string | undefined): string | undefined {
  // Valid UTF-8 that is called US-ASCII is mostly UTF-8; what is pure US-ASCII is the same in both.
  if (charset === undefined || (/^(?:utf-?8|us-ascii|ascii)$/i.test(charset) && isUtf8(octets)))
    return utf8.decode(octets);
  // RFC 2781 §4.3: the mark says which octet comes first, and without one it is the more significant.
  if (/^utf-?16$/i.test(charset))
    return new TextDecoder(isLittleEndian(octets) ? 'utf-16le' : 'utf-16be').decode(octets);
  try {
    return new TextDecoder(charset).decode(octets);
  } catch {
    return isUtf8(octets) ? utf8.decode(octets) : undefined;
  }
}

function isLittleEndian(octets: Buffer): boolean {
  return octets[0] === 0xff && octets[1] === 0xfe;
}

/**
 * The text of an entity as people wrote it: lines ended by LF, format=flowed undone.
 *
 * @returns undefined for a type that is not text, and for one in a charset that is not known
 */
export function readText(octets: Buffer, type: MediaType): string | undefined {
  if (!isText(type)) return undefined;
  const { parameters } = type;
  const text = decodeText(octets, parameters.get('charset'));
  if (text === undefined) return undefined;
  if (isFlowed(type)) return unflow(text, parameters.get('delsp')?.toLowerCase() === 'yes');
  return text.replace(/\r\n?/g, '\n');
}

/** A text as an entity: UTF-8, lines ended by CRLF (RFC 2046 §4.1.1). */
export function writeText(text: string, flowed = false): { readonly type: string; readonly body: Buffer } {
  if (flowed) return { type: FLOWED_TEXT, body: Buffer.from(flow(text)) };
  return { type: PLAIN_TEXT, body: Buffer.from(text.replace(/\r\n?|\n/g, '\r\n')) };
}
