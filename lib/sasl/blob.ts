/**
 * The messages of a SASL channel (RFC 3080 §4.1.2): `<blob>` and `<error>`, as content of a start (no MIME headers) and
 * as payload of a message. Handles the base64; independent of the mechanism and of the order of messages.
 */

import { RemoteProtocolError, type Reply } from '../errors.js';
import { parseXml, textOf, type XmlElement } from '../xml/parse.js';

const STATUSES = ['continue', 'complete', 'abort'] as const;
export type BlobStatus = (typeof STATUSES)[number];

export interface SaslBlob {
  readonly status: BlobStatus;
  /** The octets of the mechanism, decoded. */
  readonly data: Buffer;
}

/** What a server answers: an `error` may come as ERR, in a profile element, or (LibVortex) as RPY. */
export type SaslAnswer =
  | { readonly type: 'blob'; readonly blob: SaslBlob }
  | { readonly type: 'error'; readonly reply: Reply };

/**
 * Largest blob accepted: DIGEST-MD5 messages have at most 4,096 octets, and the peer is not authenticated yet. Leaves
 * room for base64 with line breaks.
 */
const LIMITS = { octets: 16_384, depth: 4, attributes: 8, elements: 4 };

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function invalid(what: string): RemoteProtocolError {
  return new RemoteProtocolError('SASL_INVALID', what, { reply: { code: 501, text: what } });
}

function blobOf(element: XmlElement): SaslBlob {
  for (const name of element.attributes.keys()) {
    if (name !== 'status' && name !== 'xml:space')
      throw invalid(`the element blob must not have the attribute ${name}`);
  }
  const value = element.attributes.get('status') ?? 'continue';
  const status = STATUSES.find((each) => each === value);
  if (status === undefined) throw invalid('the status of a blob must be abort, complete or continue');
  if (element.children.some((child) => typeof child !== 'string'))
    throw invalid('a blob must contain nothing but base64');
  // White space is not part of base64; many encoders break lines.
  const text = textOf(element).replace(/[ \t\r\n]/g, '');
  if (!BASE64.test(text)) throw invalid('the content of a blob is not base64');
  return { status, data: Buffer.from(text, 'base64') };
}

function replyOf(element: XmlElement): Reply {
  const code = element.attributes.get('code') ?? '';
  // RFC 3080 §8: a code has three digits, the first from 1 to 5.
  if (!/^[1-5][0-9]{2}$/.test(code)) throw invalid('an error without a valid code');
  return { code: Number(code), text: textOf(element).trim() };
}

/**
 * Reads a client's document.
 *
 * @throws RemoteProtocolError SASL_INVALID or XML_* with reply 500 or 501
 */
export function parseBlob(content: Buffer): SaslBlob {
  const element = parseXml(content, LIMITS);
  if (element.name !== 'blob') throw invalid('a SASL message must be a blob');
  return blobOf(element);
}

/** Reads a server's document. @throws RemoteProtocolError SASL_INVALID or XML_* */
export function parseAnswer(content: Buffer): SaslAnswer {
  const element = parseXml(content, LIMITS);
  if (element.name === 'error') return { type: 'error', reply: replyOf(element) };
  if (element.name !== 'blob') throw invalid('a SASL answer must be a blob or an error');
  return { type: 'blob', blob: blobOf(element) };
}

/** The document for piggybacking in a start or its reply. */
export function blobContent(blob: SaslBlob): string {
  const status = blob.status === 'continue' ? '' : ` status='${blob.status}'`;
  return blob.data.length === 0 ? `<blob${status} />` : `<blob${status}>${blob.data.toString('base64')}</blob>`;
}
