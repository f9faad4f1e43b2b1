/**
 * Octets of a text type to a string and back (message-service-01 §3.2): charsets, line ends, format=flowed. Knows no
 * headers but the Content-Type.
 */
import { isUtf8 } from 'node:buffer';
import { type MediaType, parseMediaType } from '../mime/media-type.js';
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
 * Decodes by charset. Every charset that Node knows is understood, US-ASCII and UTF-8 among them; in an unknown one most
 * texts are readable all the same as UTF-8. What does not decode becomes U+FFFD.
 */
export function decodeText(octets: Buffer, charset: string | undefined): string {
  if (charset === undefined || isUtf8(octets)) {
    // Valid UTF-8 that is called something else is mostly UTF-8; what is pure US-ASCII is the same in all of these.
    if (charset === undefined || /^(?:utf-?8|us-ascii|ascii)$/i.test(charset)) return utf8.decode(octets);
  }
  try {
    return new TextDecoder(charset).decode(octets);
  } catch {
    return utf8.decode(octets);
  }
}

/**
 * The text of an entity as people wrote it: lines ended by LF, format=flowed undone.
 *
 * @returns undefined for a type that is no text
 */
export function readText(octets: Buffer, type: MediaType): string | undefined {
  if (!isText(type)) return undefined;
  const { parameters } = type;
  const text = decodeText(octets, parameters.get('charset'));
  if (isFlowed(type)) return unflow(text, parameters.get('delsp')?.toLowerCase() === 'yes');
  return text.replace(/\r\n?/g, '\n');
}

/** A text as an entity: UTF-8, lines ended by CRLF (RFC 2046 §4.1.1). */
export function writeText(text: string, flowed = false): { readonly type: string; readonly body: Buffer } {
  if (flowed) return { type: FLOWED_TEXT, body: Buffer.from(flow(text)) };
  return { type: PLAIN_TEXT, body: Buffer.from(text.replace(/\r\n?|\n/g, '\r\n')) };
}

const IMPLIED: MediaType = { type: 'text/plain', parameters: new Map() };

/** @returns the media type of a Content-Type; `text/plain` where there is none or it cannot be read (RFC 2045 §5.2) */
export function mediaTypeOf(contentType: string | undefined): MediaType {
  if (contentType === undefined) return IMPLIED;
  try {
    return parseMediaType(contentType);
  } catch {
    return { type: 'application/octet-stream', parameters: new Map() };
  }
}
