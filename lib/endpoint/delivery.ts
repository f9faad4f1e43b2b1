/**
 * A Data that arrived for an attached endpoint, until the application has answered it.
 */
import { LocalError, type Reply } from '../errors.js';
import type { Content } from '../imxp/content.js';
import { contentOf } from '../imxp/content.js';
import type { Data, Option } from '../imxp/operation.js';
import type { InstantMessage } from '../message/instant-message.js';
import { type Opened, openEntity, openMessage } from '../message/open.js';
import type { Signature } from '../message/smime/judgement.js';
import type { Secure } from '../message/smime/secure.js';
import type { EndpointChannel } from './connection.js';
import { textOfContent } from './content.js';
import { type OpenedContent, unsealed } from './secure.js';

/** Told of the answer; the inbox. */
export interface DeliveryOwner {
  /** @param reply undefined for ok */
  answered(delivery: Delivery, reply: Reply | undefined): void;
}

/** Where the answer goes and what it costs; the endpoint's own business. */
export interface DeliverySource {
  readonly owner: DeliveryOwner;
  readonly channel: EndpointChannel;
  readonly msgno: number;
  /** Of the whole payload. */
  readonly octets: number;
  /** Those that keep the window closed until the answer. */
  held: number;
}

/**
 * One message for the application. Unless the endpoint answers by itself (`autoAccept`), it is answered once with
 * {@link accept} or {@link refuse}; the sender waits for that, up to the relay's time limit.
 *
 * @example
 * for await (const delivery of endpoint) {
 *   if (delivery.content.type !== 'text/plain') delivery.refuse({ code: 550, text: 'text only, please' });
 *   else console.log(delivery.originator, delivery.text());
 * }
 */
export class Delivery {
  /** Who sent it, as the relay vouches for. */
  readonly originator: string;
  /** Those of its recipients that are attached here; mostly one. */
  readonly recipients: readonly string[];
  /** The operation as it came, with its options. */
  readonly raw: Data;
  /** Set by the endpoint. */
  readonly source: DeliverySource;
  readonly #secure: Secure;
  #content: Content | undefined;
  #unsealed: OpenedContent | undefined;
  #message: { readonly found: InstantMessage | undefined } | undefined;
  #state: 'open' | 'answered' | 'void' = 'open';

  constructor(raw: Data, recipients: readonly string[], ticket: DeliverySource, secure: Secure) {
    this.originator = raw.originator;
    this.recipients = recipients;
    this.raw = raw;
    this.source = ticket;
    this.#secure = secure;
  }

  /** Options on the Data and on the recipients above. */
  get options(): readonly Option[] {
    const own = this.raw.recipients.filter(({ identity }) => this.recipients.includes(identity));
    return [...this.raw.options, ...own.flatMap(({ options }) => options)];
  }

  /**
   * What was sent, as it came: a MIME part, XML inside the control document, or a reference. Bodies are views of what was
   * received. Of content that is signed or encrypted, {@link opened} is what is inside.
   *
   * @throws RemoteProtocolError CONTENT_UNRESOLVED | MIME_INVALID
   */
  get content(): Content {
    this.#content ??= contentOf(this.raw);
    return this.#content;
  }

  /**
   * The content without what S/MIME has put around it: decrypted, and taken off its signature, whatever is to be thought of
   * that. The same as {@link content} where nothing is around it.
   *
   * @throws RemoteProtocolError SMIME_UNREADABLE (550): no key of this endpoint opens it; SMIME_INVALID (501); and as
   * {@link content}
   */
  get opened(): Content {
    return this.#open().content;
  }

  /**
   * Who signed it, and whether that is proven; undefined when nobody did. Nothing is refused because of a signature: who
   * relies on one looks at `valid`, which holds for {@link opened}, {@link message} and {@link text}.
   *
   * @throws as {@link opened}
   * @example
   * if (delivery.signed?.valid !== true) console.log('not proven:', delivery.signed?.reason ?? 'not signed');
   */
  get signed(): Signature | undefined {
    return this.#open().signed;
  }

  /** Whether it was encrypted for this endpoint. @throws as {@link opened} */
  get encrypted(): boolean {
    return this.#open().encrypted;
  }

  /**
   * What was sent as an instant message: message/RFC822+XML in any form, or message/cpim to be read like one; undefined for
   * anything else. Who processes more than the fields of RFC 822 uses {@link openMessage}.
   *
   * @throws RemoteProtocolError whose reply the Data should be refused with: MESSAGE_NOT_UNDERSTOOD (504) when it demands what
   * is not understood here; SMIME_UNREADABLE (550) | SMIME_INVALID; MESSAGE_INVALID | CONTENT_UNRESOLVED | MIME_INVALID | XML_INVALID | XML_NOT_WELL_FORMED (500, 501)
   */
  get message(): InstantMessage | undefined {
    this.#message ??= { found: this.#opened() };
    return this.#message.found;
  }

  /**
   * The content as text: what an instant message says; a part decoded by its charset (UTF-8 unless it names another), its
   * lines joined when it is format=flowed; XML as it is written.
   *
   * @throws as {@link message}
   */
  text(): string {
    const { opened, content } = this;
    const text = this.message?.text ?? textOfContent(opened);
    // S/MIME has made CRLF of whatever ended the lines (RFC 8551 §3.1.1)
    return opened === content ? text : text.replaceAll('\r\n', '\n');
  }

  /** Whether {@link accept} and {@link refuse} still have an effect: not answered, and the connection still there. */
  get pending(): boolean {
    return this.#state === 'open';
  }

  /** Whether the connection it came by was gone before it was answered. */
  get lost(): boolean {
    return this.#state === 'void';
  }

  /** Answers `ok`. @returns false when it was answered before or the connection is gone */
  accept(): boolean {
    return this.#answer(undefined);
  }

  /**
   * Answers an error, which the sender sees. @returns as {@link accept}
   *
   * @throws LocalError ARGUMENT when it is not `{ code, text }` with a code of three digits; the delivery is still open then
   */
  refuse(reply: Reply): boolean {
    if (!Number.isInteger(reply?.code) || reply.code < 100 || reply.code > 599 || typeof reply.text !== 'string') {
      throw new LocalError('ARGUMENT', "a refusal is { code, text }, for instance { code: 550, text: 'not wanted' }");
    }
    return this.#answer(reply);
  }

  /** The connection is gone: the relay has told the sender so. */
  lose(): void {
    if (this.#state === 'open') this.#state = 'void';
  }

  #open(): OpenedContent {
    this.#unsealed ??= unsealed(this.content, this.originator, this.#secure);
    return this.#unsealed;
  }

  /** What is inside of something signed or encrypted has nothing to do with the parts beside it. */
  #found(): Opened {
    const { opened, content } = this;
    return opened === content || opened.kind !== 'part' ? openMessage(this.raw, {}, content) : openEntity(opened);
  }

  #opened(): InstantMessage | undefined {
    const opened = this.#found();
    if (opened.kind !== 'cpim') return opened.kind === 'message' ? opened.message : undefined;
    opened.message.requireUnderstood();
    return opened.message.asInstantMessage();
  }

  #answer(reply: Reply | undefined): boolean {
    if (this.#state !== 'open') return false;
    this.#state = 'answered';
    this.source.owner.answered(this, reply);
    return true;
  }
}
