/**
 * Instant messages of the mesh as XMPP message stanzas (RFC 6121 §5), and back: text, subject, thread, language, ID, date
 * and the number of gateways left to pass. Pure; what has no counterpart is listed in docs/guide/gateways.md.
 */
import { RefusedError, type Reply } from '../../errors.js';
import { parseTimestamp } from '../../imxp/vocabulary/timestamp.js';
import type { MessageField } from '../../message/field.js';
import { type InstantMessage, instantMessage } from '../../message/instant-message.js';
import { openEntity } from '../../message/open.js';
import { readText } from '../../message/text.js';
import { uriOfAddress } from '../../message/uri.js';
import { madeContent } from '../../message/write.js';
import { mediaTypeOf } from '../../mime/entity.js';
import { Headers } from '../../mime/headers.js';
import type { CpimContent } from '../cpim-service.js';
import { PASSED, passageOf, passedField, passedIn } from '../passed.js';
import { childElements, childOf, dataIn, stanza, type XmppElement, xmppElement } from './element.js';
import { type BareJid, PLAIN_RESOURCE, writeJid } from './jid.js';

/** XEP-0184. */
export const RECEIPTS = 'urn:xmpp:receipts';
/** XEP-0131, with the header Max-Forwards. */
const HEADERS = 'http://jabber.org/protocol/shim';
const MAX_FORWARDS = 'Max-Forwards';
/** XEP-0203. */
const DELAY = 'urn:xmpp:delay';
/** XEP-0359. */
const STANZA_IDS = 'urn:xmpp:sid:0';
/** RFC 6121 §5.2.5, as a field of an instant message. */
const THREAD_NAMESPACE = 'jabber:client';
const LANGUAGE = /^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*$/;
/** A longer ID is left out: nobody types it, and it would fill the log. */
const ID_CHARACTERS = 256;
/** A message older than this was held somewhere, and the recipient is told. */
const HELD_MS = 60_000;

/** What both sides can say. */
export interface XmppText {
  readonly body: string;
  readonly subject: string | undefined;
  readonly thread: string | undefined;
  readonly lang: string | undefined;
  /** With its angle brackets. */
  readonly messageId: string | undefined;
  readonly date: Date | undefined;
  /** Gateways that it has passed. */
  readonly passed: readonly string[];
}

/** Where a message goes, and how it is known on the way. */
export interface StanzaEnvelope {
  readonly from: BareJid;
  readonly to: BareJid;
  /** ID of the stanza: errors and receipts name it. */
  readonly id: string;
  readonly maxForwards: number | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const NO_TEXT: Reply = {
  code: 550,
  text: 'the gateway to XMPP passes on text only (text/plain, or an instant message with text)',
};

function refused(reply: Reply): RefusedError {
  return new RefusedError('REFUSED', reply);
}

/**
 * Reads what a message of the mesh says.
 *
 * @throws RefusedError 550 for content that is not text; RemoteProtocolError with its reply for content that is not valid
 */
export function xmppTextOf({ type, headers, body }: CpimContent): XmppText {
  const media = mediaTypeOf(type);
  const all = new Headers([{ name: 'Content-Type', value: type }, ...headers]);
  const opened = openEntity({ kind: 'part', type: media.type, headers: all, body });
  if (opened.kind === 'other') {
    const text = media.type === 'text/plain' ? readText(body, media) : undefined;
    if (text === undefined) throw refused(NO_TEXT);
    const lang = languageOf(all.get('Content-Language'));
    return {
      body: text,
      subject: undefined,
      thread: undefined,
      lang,
      messageId: undefined,
      date: undefined,
      passed: [],
    };
  }
  if (opened.kind === 'cpim') opened.message.requireUnderstood();
  return textOfMessage(opened.kind === 'cpim' ? opened.message.asInstantMessage() : opened.message);
}

function textOfMessage(message: InstantMessage): XmppText {
  const plain = message.type === undefined || mediaTypeOf(message.type).type === 'text/plain';
  const text = plain ? message.text : undefined;
  if (text === undefined) throw refused(NO_TEXT);
  const thread = message.fields.find(({ namespace, name }) => namespace === THREAD_NAMESPACE && name === 'thread');
  return {
    body: text,
    subject: message.subject,
    thread: thread?.value.trim() || undefined,
    lang: languageOf(message.lang),
    messageId: message.first('message-id'),
    date: message.date,
    passed: passedIn(message),
  };
}

function languageOf(text: string | undefined): string | undefined {
  const lang = text?.trim();
  return lang !== undefined && LANGUAGE.test(lang) ? lang : undefined;
}

/**
 * Makes the stanza for a message, with a request for a receipt. It is from a resource, as every message of a client is: some
 * clients, such as profanity, acknowledge no other.
 */
export function stanzaOfText(text: XmppText, { from, to, id, maxForwards, now }: StanzaEnvelope): XmppElement {
  const { body, subject, thread, lang, messageId, date, passed } = text;
  const header = (name: string, value: string) => xmppElement('header', HEADERS, { name }, value);
  const plain = (name: string, value: string | undefined) =>
    value === undefined ? undefined : xmppElement(name, 'jabber:component:accept', {}, value);
  const held = date !== undefined && now - date.getTime() > HELD_MS;
  return stanza(
    'message',
    { from: `${writeJid(from)}/${PLAIN_RESOURCE}`, to: writeJid(to), id, type: 'chat', 'xml:lang': lang },
    plain('subject', subject),
    plain('body', body),
    plain('thread', thread),
    xmppElement('request', RECEIPTS),
    messageId === undefined ? undefined : xmppElement('origin-id', STANZA_IDS, { id: messageId.replace(/^<|>$/g, '') }),
    held ? xmppElement('delay', DELAY, { from: from.domain, stamp: date.toISOString() }) : undefined,
    xmppElement(
      'headers',
      HEADERS,
      {},
      maxForwards === undefined ? undefined : header(MAX_FORWARDS, String(maxForwards)),
      ...[...passed, passageOf(from.domain, id)].map((gateway) => header(PASSED, gateway)),
    ),
  );
}

/** Whether a stanza is one that people have written: chat states, receipts, markers and carbons have no text. */
export function hasText(message: XmppElement): boolean {
  return (dataIn(childOf(message, 'body')) ?? '') !== '';
}

export function asksForReceipt(message: XmppElement): boolean {
  return childOf(message, 'request', RECEIPTS) !== undefined;
}

/** How many more gateways a stanza may pass; undefined if it does not say. */
export function maxForwardsOf(message: XmppElement): number | undefined {
  const [value = ''] = headersOf(message, MAX_FORWARDS);
  return /^[0-9]{1,3}$/.test(value) ? Number(value) : undefined;
}

function headersOf(message: XmppElement, wanted: string): string[] {
  const headers = childOf(message, 'headers', HEADERS);
  const found = headers && childElements(headers).filter(({ attributes }) => attributes['name'] === wanted);
  return (found ?? []).map((header) => dataIn(header)?.trim() ?? '');
}

/** Gateways that a stanza has passed: the domains of their components, and IDs. */
export function passedBy(message: XmppElement): string[] {
  return headersOf(message, PASSED);
}

/**
 * Makes the content of a message of the mesh, as message/RFC822+XML.
 *
 * @param from address in the mesh of the XMPP user, and
 * @param to that of the recipient
 * @param gateway domain of the component
 * @param now milliseconds since 1970, for a stanza that was not delayed
 */
export function contentOfStanza(
  message: XmppElement,
  from: string,
  to: string,
  gateway: string,
  now: number,
): CpimContent {
  const { 'xml:lang': lang, id } = message.attributes;
  const domain = from.slice(from.lastIndexOf('@') + 1);
  const stamp = parseTimestamp(childOf(message, 'delay', DELAY)?.attributes['stamp'] ?? '');
  const own = childOf(message, 'origin-id', STANZA_IDS)?.attributes['id'] ?? id;
  const subject = dataIn(childOf(message, 'subject'));
  const known = languageOf(lang);
  const made = madeContent(
    instantMessage({
      from: uriOfAddress('im', from),
      to: uriOfAddress('im', to),
      ...(subject === undefined || subject === '' ? {} : { subject: subject.replace(/\s+/g, ' ').trim() }),
      date: new Date(stamp ?? now),
      ...(own === undefined || own === '' || own.length > ID_CHARACTERS ? {} : { messageId: messageIdOf(own, domain) }),
      ...(known === undefined ? {} : { lang: known }),
      fields: [...threadField(dataIn(childOf(message, 'thread'))), ...[...passedBy(message), gateway].map(passedField)],
      text: dataIn(childOf(message, 'body')) ?? '',
    }),
    'nested',
    domain,
  );
  // "nested" makes an entity of its own, never XML inside the control document.
  if (!('type' in made)) throw new TypeError('an instant message that is not an entity');
  return { type: made.type, headers: [], body: made.body };
}

function threadField(thread: string | undefined): MessageField[] {
  const value = thread?.trim() ?? '';
  if (value === '' || value.length > ID_CHARACTERS) return [];
  return [{ namespace: THREAD_NAMESPACE, name: 'thread', value, lang: undefined, seeNoEvil: true }];
}

function messageIdOf(id: string, domain: string): string {
  return /^[^\s<>@]+@[^\s<>@]+$/.test(id) ? `<${id}>` : `<${encodeURIComponent(id)}@${domain}>`;
}
