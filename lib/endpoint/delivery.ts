/** Delivery: a Data operation that arrived for an attached endpoint, and its answer. */
import { Readable } from 'node:stream';
import { LocalError, RemoteProtocolError, type Reply } from '../errors.js';
import type { Content } from '../imxp/content.js';
import { contentOf } from '../imxp/content.js';
import { contentPieces } from '../imxp/content-pieces.js';
import { heldIdOf } from '../imxp/held-id.js';
import type { Data, Option } from '../imxp/operation.js';
import type { InstantMessage } from '../message/instant-message.js';
import { type Opened, openEntity, openMessage } from '../message/open.js';
import type { Signature } from '../message/smime/signature.js';
import type { EndpointChannel } from './connection.js';
import { textOfContent } from './content.js';
import { replyOption } from './exchanges.js';
import type { Message } from './message.js';
import { type ContentSecurity, forgotten, type OpenedContent, unsealed } from './secure.js';
import { stampIn } from './stamp.js';

/** Receives the answer; implemented by the inbox. */
export interface DeliveryOwner {
  /** @param reply undefined for ok */
  answered(delivery: Delivery, reply: Reply | undefined): void;
  send(message: Message): Promise<void>;
}

/** What else {@link Delivery.reply} may say of the message that it sends. */
export type ReplyInit = Omit<Message, 'to' | 'content'>;

/** Where a delivery came from and how many octets it occupies. Internal to the endpoint. */
export interface DeliverySource {
  readonly owner: DeliveryOwner;
  readonly channel: EndpointChannel;
  readonly msgno: number;
  /** Length of the whole payload. */
  readonly octets: number;
  /** Octets that stay uncredited to the peer's window until the answer. */
  uncredited: number;
}

/**
 * One message for the application. Unless the endpoint answers it automatically (`autoAccept`), the application answers
 * it once with {@link accept} or {@link refuse}; the sender waits for the answer, up to the relay's time limit.
 *
 * @example
 * for await (const delivery of endpoint) {
 *   if (delivery.content.type !== 'text/plain') delivery.refuse({ code: 550, text: 'text only, please' });
 *   else console.log(delivery.originator, delivery.text());
 * }
 */
export class Delivery {
  /** Who sent it, as vouched for by the relay. */
  readonly originator: string;
  /** The recipients that are attached here; usually one. */
  readonly recipients: readonly string[];
  /** The operation as received, with its options. */
  readonly raw: Data;
  /** Set by the endpoint. */
  readonly source: DeliverySource;
  readonly #secure: ContentSecurity;
  #content: Content | undefined;
  #unsealed: OpenedContent | undefined;
  #message: { readonly found: InstantMessage | undefined } | undefined;
  #state: 'open' | 'answered' | 'void' = 'open';

  constructor(raw: Data, recipients: readonly string[], source: DeliverySource, secure: ContentSecurity) {
    this.originator = raw.originator;
    this.recipients = recipients;
    this.raw = raw;
    this.source = source;
    this.#secure = secure;
  }

  /** Options on the operation and on the recipients above. */
  get options(): readonly Option[] {
    const own = this.raw.recipients.filter(({ identity }) => this.recipients.includes(identity));
    return [...this.raw.options, ...own.flatMap(({ options }) => options)];
  }

  /**
   * What was sent, as received: a MIME part, XML inside the control document, or a reference. Bodies are views of the
   * received octets. For signed or encrypted content, {@link opened} gives what is inside.
   *
   * @throws RemoteProtocolError CONTENT_UNRESOLVED | MIME_INVALID
   */
  get content(): Content {
    this.#content ??= contentOf(this.raw);
    return this.#content;
  }

  /**
   * The octets of {@link content} as a stream, for large content: a message that came in pieces is not joined, which takes as
   * much memory again as it has octets. The message has arrived completely; accept it when the stream has been written.
   * Signed or encrypted content comes as it was sent. In a browser, use {@link pieces}.
   *
   * @throws as {@link content}
   * @example
   * import { createWriteStream } from 'node:fs';
   * import { pipeline } from 'node:stream/promises';
   *
   * barney.receive((delivery) => pipeline(delivery.stream(), createWriteStream('arrived.bin')));
   */
  stream(): Readable {
    return Readable.from(this.pieces, { objectMode: false });
  }

  /**
   * The octets of {@link content} as buffers in a row: views of the received octets, not joined.
   *
   * @throws as {@link content}
   */
  get pieces(): readonly Buffer[] {
    return contentPieces(this.raw).filter(({ length }) => length > 0);
  }

  /**
   * The content without S/MIME: decrypted, and separated from its signature, whether that is valid or not. The same as
   * {@link content} when there is none.
   *
   * @throws RemoteProtocolError SMIME_UNREADABLE (550): no key of this endpoint decrypts it; SMIME_INVALID (501); and
   *   as {@link content}
   */
  get opened(): Content {
    return this.#open().content;
  }

  /**
   * Who signed it and whether the signature is valid; undefined when it is not signed. Nothing is refused because of a
   * signature: an application that relies on one checks `valid`, which applies to {@link opened}, {@link message} and
   * {@link text}.
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
   * What was sent as an instant message: message/RFC822+XML in any form, or message/cpim converted to it; undefined for
   * anything else. To process fields beyond those of RFC 822, use {@link openMessage}.
   *
   * @throws RemoteProtocolError with the reply to refuse the delivery with: MESSAGE_NOT_UNDERSTOOD (504) when it
   *   requires something that is not understood here; SMIME_UNREADABLE (550) | SMIME_INVALID; MESSAGE_INVALID |
   *   CONTENT_UNRESOLVED | MIME_INVALID | XML_INVALID | XML_NOT_WELL_FORMED (500, 501)
   */
  get message(): InstantMessage | undefined {
    this.#message ??= { found: this.#opened() };
    return this.#message.found;
  }

  /**
   * The content as text: the text of an instant message; a part decoded by its charset (default: UTF-8), with
   * format=flowed undone; XML as written.
   *
   * @throws as {@link message}
   */
  text(): string {
    const { opened, content } = this;
    const text = this.message?.text ?? textOfContent(opened);
    // S/MIME has converted all line ends to CRLF (RFC 8551 §3.1.1).
    return opened === content ? text : text.replaceAll('\r\n', '\n');
  }

  /**
   * Identity of the message, as its sender gave it: that of an instant message, or `id` of {@link Endpoint.send}.
   *
   * @throws as {@link message}
   */
  get id(): string | undefined {
    return this.message?.first('message-id') ?? stampIn(this.raw).id;
  }

  /**
   * When it was written, as its sender says: the date of an instant message, or `time` of {@link Endpoint.send}.
   *
   * @throws as {@link message}
   */
  get time(): Date | undefined {
    return this.message?.date ?? stampIn(this.raw).time;
  }

  /** Whether a relay has held it until the recipient attached. */
  get held(): boolean {
    return heldIdOf(this.raw) !== undefined;
  }

  /**
   * The content as a value of JSON.
   *
   * @throws RemoteProtocolError MESSAGE_INVALID (501) when it is not JSON; and as {@link message}
   * @example
   * const { temperature } = delivery.json() as { temperature: number };
   */
  json(): unknown {
    try {
      return JSON.parse(this.text());
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      const reply = { code: 501, text: 'the content is not JSON' };
      throw new RemoteProtocolError('MESSAGE_INVALID', 'the content of the delivery is not JSON', { reply, cause });
    }
  }

  /**
   * Sends a message to the originator, from the address that this one was for. Where the originator asked with {@link
   * Endpoint.request}, it is the answer. Accepting the delivery is a matter of its own.
   *
   * @throws as {@link Endpoint.send}
   * @example
   * fred.receive((delivery) => delivery.reply(`You said: ${delivery.text()}`));
   */
  reply(content: Message['content'], more: ReplyInit = {}): Promise<void> {
    const answers = replyOption(this.raw);
    const [own] = this.recipients;
    return this.source.owner.send({
      ...(own === undefined ? {} : { from: own }),
      ...more,
      to: this.originator,
      content,
      ...(answers === undefined ? {} : { options: [...(more.options ?? []), answers] }),
    });
  }

  /**
   * Whether {@link accept} and {@link refuse} still have an effect: it is not answered and the connection is still up.
   */
  get pending(): boolean {
    return this.#state === 'open';
  }

  /** Whether its connection was lost before it was answered. */
  get lost(): boolean {
    return this.#state === 'void';
  }

  /** Answers `ok`. @returns false when it is already answered or the connection is lost */
  accept(): boolean {
    return this.#answer(undefined);
  }

  /**
   * Answers with an error, which the sender sees. @returns as {@link accept}
   *
   * @throws LocalError ARGUMENT when `reply` is not `{ code, text }` with a three-digit code; the delivery is then
   *   still unanswered
   */
  refuse(reply: Reply): boolean {
    if (!Number.isInteger(reply?.code) || reply.code < 100 || reply.code > 599 || typeof reply.text !== 'string') {
      throw new LocalError('ARGUMENT', "refuse() takes { code, text }, for example { code: 550, text: 'not wanted' }");
    }
    const answered = this.#answer(reply);
    if (answered) this.#forget();
    return answered;
  }

  /** The connection is lost; the relay tells the sender. */
  lose(): void {
    if (this.#state !== 'open') return;
    this.#state = 'void';
    this.#forget();
  }

  /** What was not taken may be sent again, and is not a repetition then. */
  #forget(): void {
    if (this.#unsealed !== undefined) forgotten(this.content, this.#secure);
  }

  #open(): OpenedContent {
    this.#unsealed ??= unsealed(this.content, this.originator, this.recipients, this.#secure);
    return this.#unsealed;
  }

  /** Content inside S/MIME is opened by itself: it does not refer to the parts beside it. */
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
