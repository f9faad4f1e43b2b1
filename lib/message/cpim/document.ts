/**
 * message/cpim objects (RFC 3862): metadata headers and one MIME entity, immutable end to end. Reading keeps the octets
 * unchanged; pass on {@link CpimMessage.octets}. Writing only makes new objects.
 */
import { isUtf8 } from 'node:buffer';
import { LocalError } from '../../errors.js';
import { parseInstant } from '../../imxp/vocabulary/timestamp.js';
import { type Entity, entityBody, entityType, parseEntity } from '../../mime/entity.js';
import { MIME_LIMITS } from '../../mime/fault.js';
import { formatHeaders, type HeaderField, isWritable } from '../../mime/headers.js';
import type { Mailbox } from '../address-list.js';
import { invalidMessage, notUnderstood, shown } from '../fault.js';
import { entityContent, InstantMessage, instantMessage, type LocalText } from '../instant-message.js';
import { readText } from '../text.js';
import {
  type CpimHeader,
  escapeHeader,
  formatHeaderLine,
  parseHeaderLine,
  quoteHeader,
  unescapeHeader,
} from './header.js';

export const CPIM_TYPE = 'Message/CPIM';
/** RFC 3862 §3.4: the namespace of the media type's own headers, and the default one. */
export const CPIM_NAMESPACE = 'urn:ietf:params:cpim-headers:';

const CORE = new Set(['From', 'To', 'cc', 'DateTime', 'Subject', 'NS', 'Require']);
// RFC 3862 §3.4: an absolute URI, without a fragment
const NAMESPACE = /^(?:([^\s<>]+) ?)?<([A-Za-z][A-Za-z0-9+.-]*:[^\s<>#"]+)>$/;
const ADDRESS = /^(?:("(?:[^"\\]|\\.)*") ?|((?:[^\s"<>;:,()@[\]?={}/]+ )+))?<([^\s<>"]+)>$/;
// RFC 3339 §5.6
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** A header with the namespace of its name. */
export interface CpimField extends CpimHeader {
  readonly namespace: string;
  /** The name without its prefix. */
  readonly local: string;
}

export class CpimMessage {
  /** All headers in order, as received. */
  readonly headers: readonly CpimField[];
  /** The encapsulated entity, with its body as received. */
  readonly content: Entity;
  /** The whole object without its own MIME headers. */
  readonly octets: Buffer;

  constructor(headers: readonly CpimField[], content: Entity, octets: Buffer) {
    this.headers = headers;
    this.content = content;
    this.octets = octets;
  }

  /** The headers of a name; names are case-sensitive. */
  all(name: string, namespace: string = CPIM_NAMESPACE): CpimField[] {
    return this.headers.filter((header) => header.local === name && header.namespace === namespace);
  }

  /** The sender. @throws RemoteProtocolError MESSAGE_INVALID, reply 501 */
  get from(): Mailbox | undefined {
    return this.#addresses('From')[0];
  }

  get to(): readonly Mailbox[] {
    return this.#addresses('To');
  }

  get cc(): readonly Mailbox[] {
    return this.#addresses('cc');
  }

  /** When it was sent; undefined when the date is missing or cannot be parsed. */
  get dateTime(): Date | undefined {
    const [header] = this.all('DateTime');
    const ms = header === undefined || !DATE_TIME.test(header.raw) ? undefined : parseInstant(header.raw);
    return ms === undefined ? undefined : new Date(ms);
  }

  /** RFC 3862 §4.5: one subject per language; default language: `i-default`. */
  get subjects(): readonly Required<LocalText>[] {
    return this.all('Subject').map(({ raw, parameters }) => ({
      text: unescapeHeader(raw),
      lang: parameters.find(({ name }) => name === 'lang')?.value ?? 'i-default',
    }));
  }

  get subject(): string | undefined {
    return this.subjects[0]?.text;
  }

  /** The media type of the content, in full. */
  get type(): string {
    return entityType(this.content.headers).contentType;
  }

  /** The content as text with lines ended by LF; undefined when it is not text. */
  get text(): string | undefined {
    const { octets, media } = entityBody(this.content);
    return readText(octets, media);
  }

  /**
   * Converts it to an instant message for reading; to pass it on, use {@link octets}.
   *
   * @throws RemoteProtocolError MESSAGE_INVALID | MIME_INVALID
   */
  asInstantMessage(): InstantMessage {
    const { from, to, cc, dateTime: date, subjects, content } = this;
    const header = instantMessage({ to, cc, subject: subjects, ...(from && { from }), ...(date && { date }) });
    return new InstantMessage({
      fields: header.fields,
      content: entityContent(this.type, entityBody(content).octets, content.headers),
    });
  }

  /**
   * REQ-CPIM-028: a message must not be processed when a header named by Require is not understood. Call it before
   * processing a message, not before passing it on.
   *
   * @param more tells which headers the application understands besides those of RFC 3862
   * @throws RemoteProtocolError MESSAGE_NOT_UNDERSTOOD, reply 504
   */
  requireUnderstood(more: (namespace: string, name: string) => boolean = () => false): void {
    for (const { namespace, local } of this.#required()) {
      if (namespace === CPIM_NAMESPACE && CORE.has(local)) continue;
      if (!more(namespace, local))
        throw notUnderstood(`message/cpim: header ${shown(local)} is required and not understood`);
    }
  }

  #required(): { readonly namespace: string; readonly local: string }[] {
    const scope = new Names();
    return this.headers.flatMap((header) => {
      scope.declare(header);
      if (header.local !== 'Require' || header.namespace !== CPIM_NAMESPACE) return [];
      return unescapeHeader(header.raw)
        .split(',')
        .map((name) => scope.resolve(name.trim()));
    });
  }

  #addresses(name: string): Mailbox[] {
    return this.all(name).map(({ raw }) => addressOf(name, raw));
  }
}

/** RFC 3862 §3.4: prefixes apply from their declaration on; the default namespace can be changed. */
class Names {
  readonly #prefixes = new Map<string, string>([['', CPIM_NAMESPACE]]);

  resolve(name: string): { readonly namespace: string; readonly local: string } {
    const dot = name.indexOf('.');
    const namespace = this.#prefixes.get(dot < 0 ? '' : name.slice(0, dot));
    // REQ-CPIM-027
    if (namespace === undefined) throw invalidMessage(`message/cpim: the prefix of ${shown(name)} is not declared`);
    return { namespace, local: name.slice(dot + 1) };
  }

  declare({ namespace, local, raw }: CpimField): void {
    if (local !== 'NS' || namespace !== CPIM_NAMESPACE) return;
    const found = NAMESPACE.exec(unescapeHeader(raw));
    if (found === null) throw invalidMessage('message/cpim: header NS needs a prefix and an absolute URI');
    const [, prefix = '', uri = ''] = found;
    this.#prefixes.set(prefix, uri);
  }
}

function addressOf(name: string, raw: string): Mailbox {
  const found = ADDRESS.exec(raw);
  if (found === null) throw invalidMessage(`message/cpim: header ${name} is not a name and a <URI>`);
  const [, quoted, tokens, uri = ''] = found;
  const phrase = quoted === undefined ? tokens?.trim() : quoted.slice(1, -1);
  return { phrase: phrase === undefined ? undefined : unescapeHeader(phrase), uri: unescapeHeader(uri) };
}

/**
 * Reads a message/cpim object.
 *
 * @param octets after the MIME headers of the object itself
 * @throws RemoteProtocolError MESSAGE_INVALID | MIME_INVALID, reply 500 or 501
 */
export function parseCpim(octets: Buffer): CpimMessage {
  const end = octets.indexOf('\r\n\r\n');
  const lines = octets.subarray(0, end);
  if (end < 0) throw invalidMessage('message/cpim: no empty line after the message headers');
  // REQ-CPIM-022: UTF-8 throughout. REQ-CPIM-023: only the size of the whole object limits the length of a line
  if (!isUtf8(lines)) throw invalidMessage('message/cpim: the headers are not UTF-8');
  const scope = new Names();
  const headers = lines
    .toString('utf8')
    .split('\r\n')
    .map((line) => {
      const header = parseHeaderLine(line);
      const field = { ...header, ...scope.resolve(header.name) };
      scope.declare(field);
      return field;
    });
  const content = parseEntity(octets.subarray(end + 4), MIME_LIMITS, true);
  if (content.headers.get('Content-Type') === undefined) {
    // REQ-CPIM-026
    throw invalidMessage('message/cpim: the content has no Content-Type');
  }
  return new CpimMessage(headers, content, octets);
}

/** Input of {@link writeCpim}. */
export interface CpimInit {
  readonly from: Mailbox;
  readonly to: readonly Mailbox[];
  readonly cc?: readonly Mailbox[];
  readonly dateTime: Date;
  readonly subject?: string | readonly LocalText[];
  /** Further headers in other namespaces; a prefix is declared for each namespace. */
  readonly headers?: readonly { readonly namespace: string; readonly name: string; readonly value: string }[];
  /** Names, as written with their prefixes, that the receiver must understand. */
  readonly require?: readonly string[];
  readonly content: { readonly type: string; readonly headers?: readonly HeaderField[]; readonly body: Buffer };
}

/**
 * Writes a new object, without its own MIME headers.
 *
 * @throws LocalError ARGUMENT for values that the grammar does not allow
 */
export function writeCpim(init: CpimInit): Buffer {
  const { from, to, cc = [], dateTime, subject = [], headers = [], require = [], content } = init;
  const subjects: readonly LocalText[] = typeof subject === 'string' ? [{ text: subject }] : subject;
  const prefixes = new Map(
    [...new Set(headers.map(({ namespace }) => namespace))].map((uri, index) => [uri, `x${index}`]),
  );
  const lines = [
    ...[...prefixes].map(([uri, prefix]) => formatHeaderLine('NS', `${prefix} <${namespaceUri(uri)}>`)),
    ...(require.length === 0 ? [] : [formatHeaderLine('Require', require.join(','))]),
    // D-CPIM-06: From, To and DateTime are always there.
    formatHeaderLine('From', formatAddress(from)),
    ...to.map((one) => formatHeaderLine('To', formatAddress(one))),
    ...cc.map((one) => formatHeaderLine('cc', formatAddress(one))),
    formatHeaderLine('DateTime', dateTime.toISOString().replace(/\.\d+Z$/, 'Z')),
    ...subjects.map(({ text, lang }) =>
      formatHeaderLine('Subject', escapeHeader(text.trim()), lang === undefined ? [] : [{ name: 'lang', value: lang }]),
    ),
    ...headers.map(({ namespace, name, value }) =>
      formatHeaderLine(`${prefixes.get(namespace) ?? ''}.${name}`, escapeHeader(value.trim())),
    ),
  ];
  const fields = [{ name: 'Content-Type', value: content.type }, ...(content.headers ?? []).filter(isWritable)];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n${formatHeaders(fields)}\r\n`), content.body]);
}

function namespaceUri(uri: string): string {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>#"]+$/.test(uri)) return uri;
  throw new LocalError('ARGUMENT', `${JSON.stringify(uri)} is not an absolute URI without a fragment`);
}

/** RFC 3862 §4.1: tokens are followed by a space, a string is not. */
function formatAddress({ phrase, uri }: Mailbox): string {
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:[!-;=?-~]+$/.test(uri)) {
    throw new LocalError('ARGUMENT', `${JSON.stringify(uri)} is not an absolute URI`);
  }
  if (phrase === undefined || phrase === '') return `<${escapeHeader(uri)}>`;
  return TOKENS.test(phrase) ? `${phrase} <${escapeHeader(uri)}>` : `${quoteHeader(phrase)}<${escapeHeader(uri)}>`;
}

const TOKENS = /^[-!#-'*+^-`|~A-Za-z0-9.\u0080-\uFFFF]+(?: [-!#-'*+^-`|~A-Za-z0-9.\u0080-\uFFFF]+)*$/;
