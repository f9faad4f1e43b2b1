/**
 * Messages of the mesh as mail, and back, by the converter of message/RFC822+XML. A mail is written from a list of header
 * fields that the gateway knows, so that a sender can put no other header into it. Pure; what has no counterpart is listed
 * in docs/guide/gateways.md.
 */
import { RefusedError } from '../../errors.js';
import { formatTimestamp } from '../../imxp/vocabulary/timestamp.js';
import { formatAddressList, type Mailbox, parseAddressList } from '../../message/address-list.js';
import { EXTENSION_NAMESPACE, fieldOf, isMessageNamespace, type MessageField } from '../../message/field.js';
import { entityContent, InstantMessage, instantMessage } from '../../message/instant-message.js';
import { openEntity } from '../../message/open.js';
import { addrSpecOf } from '../../message/rfc822/address.js';
import { fromMail, toMail } from '../../message/rfc822/convert.js';
import { uriOfAddress } from '../../message/uri.js';
import { madeContent } from '../../message/write.js';
import { mediaTypeOf } from '../../mime/entity.js';
import { Headers } from '../../mime/headers.js';
import type { CpimContent } from '../cpim-service.js';
import { PASSED, passageOf, passedField, passedIn } from '../passed.js';
import { oneLine } from './codes.js';
import type { RecipientNotice } from './delivery-status.js';

/** Of an instant message, and of a mail; addresses are written anew. */
const TEXTS = new Set(['subject', 'comments', 'keywords', 'date', 'message-id', 'in-reply-to', 'references']);
const ADDRESSES = new Set(['from', 'sender', 'reply-to', 'to', 'cc']);
const AUTO_SUBMITTED = 'auto-submitted';
/** Extension fields, by their names in lower case, that pass on both ways. */
const EXTENSIONS = new Set([AUTO_SUBMITTED]);
const MESSAGE_ID = /^<[^\s<>]{1,900}>$/;

/** A message of the mesh on its way to mail. */
export interface OutgoingMessage {
  readonly message: InstantMessage;
  /** Gateways that it has passed. */
  readonly passed: readonly string[];
}

/**
 * Opens a message of the mesh.
 *
 * @throws RemoteProtocolError with its reply for content that is not valid or demands what is not understood
 */
export function outgoingMessage({ type, headers, body }: CpimContent): OutgoingMessage {
  const all = new Headers([{ name: 'Content-Type', value: type }, ...headers]);
  const opened = openEntity({ kind: 'part', type: mediaTypeOf(type).type, headers: all, body });
  if (opened.kind === 'other')
    return { message: new InstantMessage({ fields: [], content: entityContent(type, body, all) }), passed: [] };
  if (opened.kind === 'cpim') opened.message.requireUnderstood();
  const message = opened.kind === 'cpim' ? opened.message.asInstantMessage() : opened.message;
  return { message, passed: passedIn(message) };
}

export interface MailEnvelope {
  /** Mail addresses. */
  readonly from: string;
  readonly to: string;
  /** Address of the sender in the mesh. */
  readonly originator: string;
  readonly id: string;
  /** Name of the gateway towards mail servers. */
  readonly hostname: string;
  readonly marker: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Writes the mail.
 *
 * @throws LocalError ARGUMENT for what mail cannot express; RefusedError 550 for content that SMTP cannot carry
 */
export function mailOf({ message, passed }: OutgoingMessage, envelope: MailEnvelope): Buffer {
  const { from, to, originator, id, hostname, marker, now } = envelope;
  const kept = message.fields.filter(isKept);
  const has = (name: string) => kept.some((field) => field.name === name);
  const extension = (name: string, value: string): MessageField => ({
    ...fieldOf(name, value),
    namespace: EXTENSION_NAMESPACE,
  });
  const messageId = message.first('message-id') ?? '';
  // The relay vouches for the originator; who the header says it is from can only be a name for them.
  const phrase = phraseOf(message);
  const fields = [
    fieldOf('received', `from ${originator} by ${hostname} with IMXP id ${id}; ${formatTimestamp(now)}`),
    fieldOf('from', formatAddressList([{ phrase, uri: mailtoOf(from) }])),
    fieldOf('to', formatAddressList([{ phrase: undefined, uri: mailtoOf(to) }])),
    ...(has('date') ? [] : [fieldOf('date', formatTimestamp(now))]),
    ...(MESSAGE_ID.test(messageId) ? [] : [fieldOf('message-id', `<${id}@${hostname}>`)]),
    ...kept.filter(({ name }) => name !== 'message-id' || MESSAGE_ID.test(messageId)),
    ...[...passed, passageOf(marker, id)].map((name) => extension(PASSED.toLowerCase(), oneLine(name))),
  ];
  const mail = toMail(new InstantMessage({ ...message, fields }));
  if (!isCarried(mail))
    throw new RefusedError('REFUSED', { code: 550, text: 'the content has lines that mail cannot carry; encode it' });
  return mail;
}

/** Whether SMTP carries it: no octet 0, no single CR or LF, no line of more than 998 octets (RFC 5321 §4.5.3.1.6). */
function isCarried(mail: Buffer): boolean {
  const text = mail.toString('latin1');
  return !text.includes('\0') && text.split('\r\n').every((line) => line.length <= 998 && !/[\r\n]/.test(line));
}

/** Whether a mail needs 8BITMIME (RFC 6152). */
export function isEightBit(mail: Buffer): boolean {
  return mail.some((octet) => octet > 0x7f);
}

function isKept({ namespace, name }: MessageField): boolean {
  return isMessageNamespace(namespace) ? TEXTS.has(name) : namespace === EXTENSION_NAMESPACE && EXTENSIONS.has(name);
}

function phraseOf(message: InstantMessage): string | undefined {
  const phrase = message.from?.phrase;
  return phrase === undefined ? undefined : oneName(phrase);
}

/** A name that looks like an address would be taken for that of the sender. */
function oneName(phrase: string): string | undefined {
  const name = phrase
    .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .trim()
    .slice(0, 100);
  return name === '' || name.includes('@') ? undefined : name;
}

function mailtoOf(mail: string): string {
  const at = mail.lastIndexOf('@');
  return `mailto:${encodeURIComponent(mail.slice(0, at)).replaceAll('%2B', '+')}@${mail.slice(at + 1)}`;
}

/** A mail on its way into the mesh. */
export interface IncomingMail {
  readonly message: InstantMessage;
  readonly passed: readonly string[];
  /** Servers that it has passed. */
  readonly received: number;
}

/**
 * Reads a mail.
 *
 * @param meshUri the address in the mesh that a mail address stands for, if it stands for one
 * @throws RemoteProtocolError MIME_INVALID | ADDRESS_INVALID
 */
export function incomingMail(octets: Buffer, meshUri: (mail: string) => string | undefined): IncomingMail {
  const { fields, content } = fromMail(octets);
  const named = (field: MessageField, name: string) => field.name === name && !isMessageNamespace(field.namespace);
  const kept = fields.flatMap((field) => {
    if (isMessageNamespace(field.namespace) && ADDRESSES.has(field.name))
      return [{ ...field, value: inMesh(field.value, meshUri) }];
    return isKept(field) ? [field] : [];
  });
  return {
    message: new InstantMessage({ fields: kept, content }),
    passed: fields.filter((field) => named(field, PASSED.toLowerCase())).map(({ value }) => value.trim()),
    received: fields.filter(({ name }) => name === 'received').length,
  };
}

function inMesh(list: string, meshUri: (mail: string) => string | undefined): string {
  const mailbox = ({ phrase, uri }: Mailbox): Mailbox => {
    const mail = addrSpecOf(uri, false);
    return { phrase, uri: (mail && meshUri(mail)) ?? uri };
  };
  return formatAddressList(
    parseAddressList(list).map((entry) =>
      'mailboxes' in entry ? { ...entry, mailboxes: entry.mailboxes.map(mailbox) } : mailbox(entry),
    ),
  );
}

/** Makes the content of a message of the mesh. @param domain of its originator */
export function contentOfMail({ message, passed }: IncomingMail, marker: string, domain: string): CpimContent {
  return contentOf(
    new InstantMessage({ ...message, fields: [...message.fields, ...[...passed, marker].map(passedField)] }),
    domain,
  );
}

/** Makes the message that tells a user of the mesh what a notification says about a mail of theirs. */
export function contentOfStatus(
  { recipient, action, status, diagnostic }: RecipientNotice,
  facts: { readonly from: string; readonly to: string; readonly inReplyTo: string | undefined; readonly now: number },
): CpimContent {
  const { from, to, inReplyTo, now } = facts;
  const words: Readonly<Record<string, string>> = {
    delayed: 'is delayed',
    delivered: 'was delivered',
    failed: 'failed',
  };
  const what = `Your mail to ${oneLine(recipient)} ${words[action] ?? oneLine(action)}`;
  const why = [status, oneLine(diagnostic)].filter((text) => text !== '').join(' ');
  const automatic: MessageField = { ...fieldOf(AUTO_SUBMITTED, 'auto-generated'), namespace: EXTENSION_NAMESPACE };
  const made = instantMessage({
    from: uriOfAddress('im', from),
    to: uriOfAddress('im', to),
    subject: what,
    date: new Date(now),
    ...(inReplyTo === undefined ? {} : { inReplyTo }),
    lang: 'en',
    fields: [automatic],
    text: `${what}${why === '' ? '' : `: ${why}`}.`,
  });
  return contentOf(made, from.slice(from.lastIndexOf('@') + 1));
}

function contentOf(message: InstantMessage, domain: string): CpimContent {
  const made = madeContent(message, 'nested', domain);
  // "nested" makes an entity of its own, never XML inside the control document.
  if (!('type' in made)) throw new TypeError('an instant message that is not an entity');
  return { type: made.type, headers: [], body: made.body };
}
