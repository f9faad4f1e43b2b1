/**
 * Converts instant messages to and from RFC 822 (rfc822-xml-00 §4, D-MSG-10). What one side cannot express is dropped,
 * unless it is mandatory; a round trip is exact within the limits of RFC 822. No mail library is used, because none
 * knows the classes of fields and which addresses become URIs.
 */
import { LocalError } from '../../errors.js';
import { type Entity, entityBody, parseEntity } from '../../mime/entity.js';
import { MIME_LIMITS, type MimeLimits, malformedEntity } from '../../mime/fault.js';
import { type HeaderField, Headers, isWritable } from '../../mime/headers.js';
import { isName } from '../../xml/lexis.js';
import { formatAddressList, parseAddressList } from '../address-list.js';
import { classOfField, EXTENSION_NAMESPACE, fieldOf, isMessageNamespace, type MessageField } from '../field.js';
import { type EntityContent, entityContent, InstantMessage, unfolded } from '../instant-message.js';
import { MESSAGE_TYPE, writeMessage } from '../write.js';
import { formatMailAddresses, type MailScheme, parseMailAddresses } from './address.js';
import { decodeWords, encodeWords, needsWords } from './encoded-word.js';

export interface FromMailOptions {
  /** URI scheme for addr-specs; default: `mailto`. Use `im` where mail and instant addresses are the same. */
  readonly scheme?: MailScheme;
  readonly limits?: MimeLimits;
}

const US_ASCII = 'text/plain; charset=US-ASCII';
/** Mail collects many headers on its path. */
const MAIL_LIMITS: MimeLimits = { ...MIME_LIMITS, headerOctets: 131_072 };

/**
 * Converts an RFC 822 message to an instant message.
 *
 * @param octets lines ended by CRLF
 * @throws RemoteProtocolError MIME_INVALID | ADDRESS_INVALID
 */
export function fromMail(
  octets: Buffer,
  { scheme = 'mailto', limits = MAIL_LIMITS }: FromMailOptions = {},
): InstantMessage {
  const entity = parseEntity(octets, limits, true);
  const fields: MessageField[] = [];
  const mime: HeaderField[] = [];
  for (const field of entity.headers.fields) {
    const kind = classOfField(field.name.toLowerCase());
    if (kind === 'mime') mime.push(field);
    else fields.push(fromMailField(field, kind, scheme));
  }
  return new InstantMessage({ fields, content: contentOf(entity, mime) });
}

/** REQ-MSG-008: headers about the content stay with the content. */
function contentOf(entity: Entity, mime: readonly HeaderField[]): EntityContent {
  const { contentType, octets } = entityBody(entity);
  const kept = mime.filter(({ name }) => !/^(?:mime-version|content-transfer-encoding)$/i.test(name));
  return entityContent(contentType === 'text/plain' ? US_ASCII : contentType, octets, new Headers(kept));
}

function fromMailField({ name, value }: HeaderField, kind: string | undefined, scheme: MailScheme): MessageField {
  switch (kind) {
    case 'address':
      // RFC 5321 §4.5.5: the null path of a notification is not an address and has no URI.
      return value.replace(/\s/g, '') === '<>' ? extension(name, '<>') : fieldOf(name, addressesOf(value, scheme));
    case 'text':
      return fieldOf(name, decodeWords(value));
    case 'other':
      return fieldOf(name, value);
    default:
      return extension(name, value);
  }
}

function extension(name: string, value: string): MessageField {
  return {
    namespace: EXTENSION_NAMESPACE,
    name: nameForXml(name.toLowerCase()),
    value: decodeWords(value),
    lang: undefined,
    seeNoEvil: true,
  };
}

function addressesOf(value: string, scheme: MailScheme): string {
  try {
    return formatAddressList(parseMailAddresses(value, scheme));
  } catch (error) {
    if (!(error instanceof LocalError)) throw error;
    throw malformedEntity('an address cannot be expressed as a URI');
  }
}

/** RFC 822 field names may contain characters that element names must not: they are written as `_xHHHH_`. */
function nameForXml(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9._-]|_(?=x[0-9a-f]{4}_)/g, escapeOf);
  return isName(plain) ? plain : plain.replace(/^./, escapeOf);
}

function escapeOf(character: string): string {
  return `_x${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}_`;
}

function nameForMail(name: string): string {
  return name.replace(/_x([0-9a-f]{4})_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

export interface ToMailOptions {
  /** Whether mail and instant messages share addresses, so that `im:` URIs can be written as addr-specs. */
  readonly imIsMail?: boolean;
}

/**
 * Converts an instant message to an RFC 822 message.
 *
 * @throws LocalError ARGUMENT when no address in `from` can be expressed, a mandatory field cannot be expressed, or the
 *   content is only referred to; RemoteProtocolError MESSAGE_INVALID for an address field that is not valid
 */
export function toMail(message: InstantMessage, { imIsMail = false }: ToMailOptions = {}): Buffer {
  const lines = oneOfEach(message.fields).flatMap((field) => toMailField(field, imIsMail));
  if (!lines.some((line) => line.startsWith('From: '))) {
    throw new LocalError('ARGUMENT', 'no address in "from" can be expressed in RFC 822');
  }
  const { head, body } = entityOf(message);
  const text = [...lines, 'MIME-Version: 1.0', ...head].map((line) => `${line}\r\n`).join('');
  return Buffer.concat([Buffer.from(`${text}\r\n`), body]);
}

/** RFC 5322 §3.6: merges address fields, each of which may occur only once. */
function oneOfEach(fields: readonly MessageField[]): MessageField[] {
  const addressed = new Map<string, number>();
  const result: MessageField[] = [];
  for (const field of fields) {
    const { namespace, name, value } = field;
    const isAddress = isMessageNamespace(namespace) && ONCE.has(name);
    const at = isAddress ? addressed.get(name) : undefined;
    const first = at === undefined ? undefined : result[at];
    if (at === undefined || first === undefined) {
      if (isAddress) addressed.set(name, result.length);
      result.push(field);
    } else result[at] = { ...first, value: `${first.value}, ${value}` };
  }
  return result;
}

const ONCE: ReadonlySet<string> = new Set(['from', 'sender', 'reply-to', 'to', 'cc', 'bcc']);

function toMailField(field: MessageField, imIsMail: boolean): string[] {
  const { namespace, name, value, seeNoEvil } = field;
  const kind = isMessageNamespace(namespace) ? classOfField(name) : undefined;
  const title = nameForMail(name).replace(
    /(^|-)([a-z])/g,
    (_, dash: string, letter: string) => dash + letter.toUpperCase(),
  );
  switch (kind) {
    case 'address': {
      const addresses = formatMailAddresses(parseAddressList(value), imIsMail);
      return addresses.length === 0 ? [] : [fold(`${title}: ${addresses.join(', ')}`)];
    }
    case 'text':
      return [textLine(title, value)];
    case 'other':
      return [fold(`${title}: ${ascii(value)}`)];
    case 'mime':
      // Those of the content are written with it.
      return [];
    default:
      if (namespace === EXTENSION_NAMESPACE && isExtension(title, value)) return [textLine(title, value)];
      if (seeNoEvil) return [];
      throw new LocalError('ARGUMENT', `field ${JSON.stringify(name)} is mandatory and cannot be expressed in RFC 822`);
  }
}

/**
 * Whether a field of the extension namespace can be written. What RFC 822 defines is not an extension: somebody would write
 * a second `From`, or a Content-Type, with it; only the null path has no other field (see `fromMailField`).
 */
function isExtension(title: string, value: string): boolean {
  const kind = classOfField(title.toLowerCase());
  return /^[!-9;-~]+$/.test(title) && (kind === undefined || (kind === 'address' && value.trim() === '<>'));
}

function textLine(title: string, value: string): string {
  const line = (value.includes('\n') ? unfolded(value) : value).replace(/[\t\r]/g, ' ');
  return fold(`${title}: ${needsWords(line) || hasLongWord(line) ? encodeWords(line).join(' ') : line}`);
}

function ascii(value: string): string {
  return value
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[^ -~]/gu, '?');
}

/** RFC 5322 §2.1.1: a line has at most 998 characters and can be folded only at white space. */
const LINE_OCTETS = 998;

function hasLongWord(text: string): boolean {
  return text.split(' ').some((word) => word.length > LINE_OCTETS / 2);
}

/**
 * RFC 822 §3.1.1: folds to lines of at most 78 characters if spaces allow it; removing the line ends restores the line.
 */
function fold(line: string): string {
  const lines: string[] = [];
  let current = '';
  for (const word of line.match(/ *[^ ]+/g) ?? []) {
    // The name and its colon are never alone on a line.
    if (lines.length + current.length > 0 && !current.endsWith(':') && current.length + word.length > 78) {
      lines.push(current);
      current = '';
    }
    current += word;
  }
  const all = [...lines, current];
  if (all.some((one) => one.length > LINE_OCTETS)) {
    throw new LocalError(
      'ARGUMENT',
      `field ${JSON.stringify(line.slice(0, line.indexOf(':')))} has a word of more than ${LINE_OCTETS} characters, which mail cannot carry`,
    );
  }
  return all.join('\r\n');
}

function entityOf(message: InstantMessage): { readonly head: string[]; readonly body: Buffer } {
  const { content } = message;
  if (content === undefined) return { head: ['Content-Type: text/plain'], body: Buffer.alloc(0) };
  if (content.kind === 'elsewhere')
    throw new LocalError('ARGUMENT', 'the content is only referred to; mail needs the content itself');
  if (content.kind === 'inline') {
    const { text } = message;
    if (text === undefined) return encoded(MESSAGE_TYPE, [], Buffer.from(writeMessage(message)));
    return encoded('text/plain; charset=UTF-8', [], Buffer.from(text.replace(/\n/g, '\r\n')));
  }
  // RFC 2046 §5.1: only those that begin with `Content-` have a meaning in a part; others would be headers of the mail.
  const others =
    content.headers?.fields.filter(
      (field) =>
        /^content-(?!(?:type|id|transfer-encoding)$)/i.test(field.name) && isWritable(field) && isAscii(field.value),
    ) ?? [];
  return encoded(content.type, others, content.body);
}

/** RFC 2045 §6: content that mail would change is encoded in base64; composite types must not be encoded. */
function encoded(type: string, others: readonly HeaderField[], body: Buffer): { head: string[]; body: Buffer } {
  if (!isAscii(type)) throw new LocalError('ARGUMENT', 'the Content-Type has a character that mail cannot carry');
  const head = [fold(`Content-Type: ${type}`), ...others.map(({ name, value }) => fold(`${name}: ${value}`))];
  if (isMailText(body)) return { head, body };
  if (/^(?:multipart|message)\//i.test(type)) {
    const encoding = hasMailLines(body.toString('latin1')) ? '8bit' : 'binary';
    return { head: [...head, `Content-Transfer-Encoding: ${encoding}`], body };
  }
  const lines = body.toString('base64').match(/.{1,76}/g) ?? [];
  return { head: [...head, 'Content-Transfer-Encoding: base64'], body: Buffer.from(`${lines.join('\r\n')}\r\n`) };
}

function isAscii(value: string): boolean {
  return !/[^\t -~]/.test(value);
}

/** RFC 2045 §2.7: lines of at most 998 octets of US-ASCII, ended by CRLF. */
function isMailText(body: Buffer): boolean {
  const text = body.toString('latin1');
  return !/[^\t\r\n -~]/.test(text) && hasMailLines(text);
}

/** RFC 2045 §2.8: the same with octets of any value but 0. */
function hasMailLines(text: string): boolean {
  return !text.includes('\0') && text.split('\r\n').every((line) => line.length <= LINE_OCTETS && !/[\r\n]/.test(line));
}
