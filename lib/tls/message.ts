/**
 * Vocabulary of the TLS profile (RFC 3080 §3.1): `<ready>` and `<proceed>`, as content of a start (no MIME headers)
 * and as payload of a message.
 */

import { RemoteProtocolError, type Reply } from '../errors.js';
import { parseXml, textOf, type XmlElement } from '../xml/parse.js';

/** RFC 3080 §3.1.1. */
export const TLS_URI = 'http://iana.org/beep/TLS';
/** draft-ietf-beep-framework-02; accepted, and offered only when configured. */
export const TLS_DRAFT_URI = 'http://xml.resource.org/profiles/TLS';

export function isTlsUri(uri: string): boolean {
  return uri === TLS_URI || uri === TLS_DRAFT_URI;
}

/** TLS versions by their value in `ready`; "1" is the earliest, TLS 1.0. */
const VERSIONS = {
  '1': 'TLSv1',
  '1.0': 'TLSv1',
  '1.1': 'TLSv1.1',
  '1.2': 'TLSv1.2',
  '1.3': 'TLSv1.3',
} as const;

export type TlsVersion = (typeof VERSIONS)[keyof typeof VERSIONS];

const LIMITS = { octets: 4096, depth: 4, attributes: 8, elements: 4 };

function invalid(code: number, text: string): RemoteProtocolError {
  return new RemoteProtocolError('XML_INVALID', text, { reply: { code, text } });
}

/** Both elements are EMPTY; white space between the tags harms nobody. */
function requireEmpty(element: XmlElement): void {
  const bare = element.children.every((child) => typeof child === 'string') && textOf(element).trim() === '';
  if (!bare) throw invalid(501, `${element.name} must be empty`);
}

/**
 * Reads `<ready/>`: the earliest version of TLS the peer accepts.
 *
 * @throws RemoteProtocolError XML_*: reply 500 or 501 when malformed, 504 for a version that is not known
 */
export function parseReady(content: Buffer): { readonly earliest: TlsVersion } {
  const element = parseXml(content, LIMITS);
  if (element.name !== 'ready') throw invalid(501, 'ready is expected');
  requireEmpty(element);
  for (const name of element.attributes.keys()) {
    if (name !== 'version') throw invalid(501, `the element ready must not have the attribute ${name}`);
  }
  const version = element.attributes.get('version') ?? '1';
  // RFC 3080 §3.1.1: a version that is not valid is refused with 501.
  if (!/^[0-9]{1,3}(?:\.[0-9]{1,3})?$/.test(version)) throw invalid(501, 'the version of ready is not a number');
  const earliest = Object.entries(VERSIONS).find(([value]) => value === version)?.[1];
  if (earliest === undefined) throw invalid(504, `TLS version ${version} is not supported`);
  return { earliest };
}

export type TlsAnswer = { readonly type: 'proceed' } | { readonly type: 'error'; readonly reply: Reply };

/**
 * Reads the answer to `ready`: an `error` may come as ERR, in a profile element, or (LibVortex) as RPY.
 *
 * @throws RemoteProtocolError XML_*
 */
export function parseTlsAnswer(content: Buffer): TlsAnswer {
  const element = parseXml(content, LIMITS);
  if (element.name === 'proceed') {
    requireEmpty(element);
    return { type: 'proceed' };
  }
  const code = element.attributes.get('code') ?? '';
  if (element.name !== 'error' || !/^[1-5][0-9]{2}$/.test(code)) throw invalid(501, 'proceed or error was expected');
  return { type: 'error', reply: { code: Number(code), text: textOf(element).trim() } };
}

/** Content for the start. The space before the slash is what LibVortex compares with. */
export const READY = '<ready />';
/** Content for the reply to the start. */
export const PROCEED = '<proceed />';

/** @param earliest the earliest TLS version acceptable; without it the default, TLS 1.0, which every peer understands */
export function readyContent(earliest?: TlsVersion): string {
  const version = Object.entries(VERSIONS).findLast(([, name]) => name === earliest)?.[0];
  return version === undefined || version === '1.0' ? READY : `<ready version='${version}' />`;
}
