/**
 * Content-Transfer-Encoding (RFC 2045 §6). BEEP is 8-bit clean, so only `binary` is written; encodings of others are
 * decoded.
 */
import { malformedEntity, unacceptableEntity } from './fault.js';

/** Whether {@link decodeTransfer} can decode an encoding. */
export function isKnownEncoding(encoding: string): boolean {
  return /^(?:binary|8bit|7bit|base64|quoted-printable)$/i.test(encoding.trim());
}

/**
 * Undoes an encoding as far as the body allows it: what base64 does not know is skipped (RFC 2045 §6.8), a broken escape of
 * quoted-printable stands for itself (RFC 2045 §6.7).
 *
 * @param encoding one that is known
 */
export function decodeLeniently(encoding: string, body: Buffer): Buffer {
  switch (encoding.trim().toLowerCase()) {
    case 'base64':
      return Buffer.from(body.toString('latin1').replace(/[^A-Za-z0-9+/]+/g, ''), 'base64');
    case 'quoted-printable':
      return undoneQuotedPrintable(body.toString('latin1').replace(/\r\n|\n/g, '\r\n'));
    default:
      return body;
  }
}

/** @throws RemoteProtocolError MIME_INVALID: reply 500 when malformed, 501 for an encoding that is not known. */
export function decodeTransfer(encoding: string | undefined, body: Buffer): Buffer {
  switch (encoding?.trim().toLowerCase()) {
    case undefined:
    case 'binary':
    case '8bit':
    case '7bit':
      return body;
    case 'base64':
      return decodeBase64(body);
    case 'quoted-printable':
      return decodeQuotedPrintable(body);
    default:
      throw unacceptableEntity('unknown Content-Transfer-Encoding');
  }
}

function decodeBase64(body: Buffer): Buffer {
  const text = body.toString('latin1').replace(/[\r\n\t ]+/g, '');
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw malformedEntity('the body is not base64');
  }
  return Buffer.from(text, 'base64');
}

function decodeQuotedPrintable(body: Buffer): Buffer {
  const text = body.toString('latin1');
  if (/=(?!\r\n|[ \t]+\r\n|[0-9A-Fa-f]{2})/.test(text)) {
    throw malformedEntity('the body is not quoted-printable');
  }
  return undoneQuotedPrintable(text);
}

function undoneQuotedPrintable(text: string): Buffer {
  const joined = text.split('\r\n').map(withoutPadding).join('\r\n').replace(/=\r\n/g, '');
  return Buffer.from(
    joined.replace(/=([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
    'latin1',
  );
}

/** Removes trailing white space. A regular expression would take quadratic time on long runs. */
function withoutPadding(line: string): string {
  let end = line.length;
  while (line[end - 1] === ' ' || line[end - 1] === '\t') end -= 1;
  return line.slice(0, end);
}
