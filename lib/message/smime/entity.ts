/**
 * MIME entities for S/MIME (RFC 8551 §3): their canonical octets for signing and encrypting, and the media types of
 * signed and encrypted content. Knows nothing of CMS.
 */
import { randomUUID } from 'node:crypto';
import { decodedBody, type Entity, entityBody, entityType, parseEntity } from '../../mime/entity.js';
import { MIME_LIMITS } from '../../mime/fault.js';
import { formatHeaders, type HeaderField, type Headers, isWritable } from '../../mime/headers.js';
import { type MediaType, quotedString } from '../../mime/media-type.js';
import { parseMultipart } from '../../mime/multipart.js';
import { invalidSecured } from './fault.js';

/** An entity to be sent. */
export interface MadeEntity {
  readonly type: string;
  readonly headers?: readonly HeaderField[];
  readonly body: Buffer;
}

/** A received entity with its transfer encoding decoded. */
export interface OpenEntity {
  readonly headers: Headers;
  readonly body: Buffer;
}

const LF = 0x0a;
const CR = 0x0d;
const ENCODING = 'Content-Transfer-Encoding';
const PKCS7 = new Set(['application/pkcs7-mime', 'application/x-pkcs7-mime']);
const PKCS7_SIGNATURE = new Set(['application/pkcs7-signature', 'application/x-pkcs7-signature']);

/** Whether all line ends are CRLF, so that no reader changes them before it verifies. */
export function isCanonical(octets: Buffer): boolean {
  if (octets.includes(0)) return false;
  for (let at = octets.indexOf(LF); at !== -1; at = octets.indexOf(LF, at + 1)) if (octets[at - 1] !== CR) return false;
  for (let at = octets.indexOf(CR); at !== -1; at = octets.indexOf(CR, at + 1)) if (octets[at + 1] !== LF) return false;
  return true;
}

/** RFC 8551 §3.1.1: converts all line ends to CRLF. */
export function canonical(octets: Buffer): Buffer {
  return Buffer.from(octets.toString('latin1').replace(/\r\n|\n/g, '\r\n'), 'latin1');
}

/**
 * Writes an entity: text with canonical line ends; other content that would not survive that in base64, except
 * composite types, which must not be encoded (RFC 2045 §6.4).
 */
export function octetsOfEntity({ type, headers = [], body }: MadeEntity): Buffer {
  const composite = /^(?:multipart|message)\//i.test(type);
  const text = /^text\//i.test(type);
  const own = text ? canonical(body) : body;
  const survives = composite || isCanonical(own);
  const encoding = survives ? (composite ? 'binary' : '8bit') : 'base64';
  const fields = [
    { name: 'Content-Type', value: type },
    ...headers.filter((field) => isWritable(field) && !isEncoding(field.name)),
  ];
  const head = formatHeaders([...fields, { name: ENCODING, value: encoding }]);
  return Buffer.concat([Buffer.from(`${head}\r\n`), survives ? own : base64(own)]);
}

function isEncoding(name: string): boolean {
  return name.toLowerCase() === ENCODING.toLowerCase();
}

function base64(octets: Buffer): Buffer {
  return Buffer.from(`${octets.toString('base64').replace(/.{64}(?=.)/g, '$&\r\n')}\r\n`);
}

/** RFC 8551 §3.5.3: multipart/signed with the entity and its signature. */
export function multipartSigned(entity: Buffer, signature: Buffer, micalg: string): MadeEntity {
  const boundary = `=_${randomUUID()}`;
  const name = '; name="smime.p7s"';
  const fields = [
    { name: 'Content-Type', value: `application/pkcs7-signature${name}` },
    { name: ENCODING, value: 'base64' },
    { name: 'Content-Disposition', value: 'attachment; filename="smime.p7s"' },
  ];
  const delimiter = `\r\n--${boundary}`;
  return {
    type: `multipart/signed; protocol="application/pkcs7-signature"; micalg=${micalg}; boundary=${quotedString(boundary)}`,
    body: Buffer.concat([
      Buffer.from(`${delimiter.slice(2)}\r\n`),
      entity,
      Buffer.from(`${delimiter}\r\n${formatHeaders(fields)}\r\n`),
      base64(signature),
      Buffer.from(`${delimiter}--\r\n`),
    ]),
  };
}

/** RFC 8551 §3.2, §3.5.2: application/pkcs7-mime, with everything inside the CMS. */
export function opaque(kind: 'signed-data' | 'enveloped-data' | 'authEnveloped-data', cms: Buffer): MadeEntity {
  return { type: `application/pkcs7-mime; smime-type=${kind}; name="smime.p7m"`, body: cms };
}

/** The outermost protection of an entity. */
export type Layer =
  | { readonly kind: 'clear'; readonly octets: Buffer; readonly entity: OpenEntity; readonly cms: Buffer }
  | { readonly kind: 'opaque'; readonly cms: Buffer };

/** Whether a media type denotes content signed or encrypted by S/MIME. */
export function isSecured({ type, parameters }: MediaType): boolean {
  if (PKCS7.has(type)) return parameters.get('smime-type')?.toLowerCase() !== 'certs-only';
  return type === 'multipart/signed' && PKCS7_SIGNATURE.has(parameters.get('protocol')?.toLowerCase() ?? '');
}

/** @returns undefined for an unprotected entity @throws RemoteProtocolError SMIME_INVALID | MIME_INVALID */
export function layerOf({ headers, body }: OpenEntity): Layer | undefined {
  const { media } = entityType(headers);
  if (!isSecured(media)) return undefined;
  if (media.type !== 'multipart/signed') return { kind: 'opaque', cms: body };
  const { parts } = parseMultipart(body, 0, media);
  const [content, signature] = parts;
  // RFC 1847 §2.1: exactly two
  if (content === undefined || signature === undefined || parts.length > 2) {
    throw invalidSecured('multipart/signed must have exactly two parts: the signed content and the signature');
  }
  if (!PKCS7_SIGNATURE.has(entityType(signature.headers).media.type)) {
    throw invalidSecured('the second part of multipart/signed is not a signature');
  }
  const octets = body.subarray(content.start, content.end);
  return { kind: 'clear', octets, entity: opened(content), cms: decodedBody(signature) };
}

/** Parses an entity that was inside a layer. @throws RemoteProtocolError MIME_INVALID */
export function readEntity(octets: Buffer): OpenEntity {
  try {
    return opened(parseEntity(octets, MIME_LIMITS, true));
  } catch (error) {
    const lines = canonical(octets);
    // Other programs end lines as their systems do.
    if (lines.equals(octets)) throw error;
    return opened(parseEntity(lines, MIME_LIMITS, true));
  }
}

function opened(entity: Entity): OpenEntity {
  return { headers: entity.headers, body: entityBody(entity).octets };
}
