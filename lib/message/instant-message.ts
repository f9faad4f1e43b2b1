/**
 * An instant message as a value (rfc822-xml-00 §2): ordered header fields and the content. Knows the meaning of the
 * fields; reading and writing are elsewhere.
 */
import { formatTimestamp, parseTimestamp } from '../imxp/vocabulary/timestamp.js';
import { mediaTypeOf } from '../mime/entity.js';
import type { Headers } from '../mime/headers.js';
import { type AddressEntry, formatAddressList, type Mailbox, mailboxesOf, parseAddressList } from './address-list.js';
import { fieldOf, isMessageNamespace, type MessageField } from './field.js';
import { readText, writeText } from './text.js';

/** A MIME entity with its transfer encoding decoded. */
export interface EntityContent {
  readonly kind: 'entity';
  /** The whole Content-Type. */
  readonly type: string;
  /** The received headers; undefined for an entity made here. */
  readonly headers: Headers | undefined;
  readonly body: Buffer;
}

/** Content inside `message-content`. */
export interface InlineContent {
  readonly kind: 'inline';
  /** XML ID that the fragment refers to. */
  readonly name: string;
  readonly type: string;
  readonly lang: string | undefined;
  /** Character data with its white space. */
  readonly text: string;
  /** The octets between the tags. */
  readonly inner: Buffer;
  /** Namespaces of the prefixes in {@link inner} that are declared outside of it. */
  readonly namespaces: ReadonlyMap<string, string>;
}

/** Content referred to but not contained in the message. */
export interface ElsewhereContent {
  readonly kind: 'elsewhere';
  readonly uri: string;
}

export type InstantContent = EntityContent | InlineContent | ElsewhereContent;

export interface InstantMessageParts {
  readonly fields: readonly MessageField[];
  /** Default language of the fields. */
  readonly lang?: string | undefined;
  /** Undefined for a header without content. */
  readonly content?: InstantContent | undefined;
}

/** A text with its language. */
export interface LocalText {
  readonly text: string;
  readonly lang?: string | undefined;
}

/** Input of {@link instantMessage}. Addresses are URIs such as `im:fred@example.com`, optionally with a phrase. */
export interface InstantMessageInit {
  readonly from?: string | Mailbox;
  readonly to?: string | readonly (string | AddressEntry)[];
  readonly cc?: string | readonly (string | AddressEntry)[];
  /** One text, or one per language. */
  readonly subject?: string | readonly LocalText[];
  readonly date?: Date;
  readonly messageId?: string;
  readonly inReplyTo?: string;
  /** Language of the texts, including the content. */
  readonly lang?: string;
  /** Further fields, placed after those above in this order. */
  readonly fields?: readonly MessageField[];
  /** A plain text; alternative to `content`. */
  readonly text?: string;
  /** Write the text as format=flowed, so that long lines wrap on narrow displays. */
  readonly flowed?: boolean;
  readonly content?: InstantContent | { readonly type: string; readonly body: Buffer };
}

export class InstantMessage {
  readonly fields: readonly MessageField[];
  readonly lang: string | undefined;
  readonly content: InstantContent | undefined;

  constructor({ fields, lang, content }: InstantMessageParts) {
    this.fields = fields;
    this.lang = lang;
    this.content = content;
  }

  /** The fields of this name in the message namespace. */
  all(name: string): MessageField[] {
    return this.fields.filter((field) => field.name === name && isMessageNamespace(field.namespace));
  }

  /** The value of the first field of this name, unfolded and trimmed. */
  first(name: string): string | undefined {
    const value = this.all(name)[0]?.value;
    return value === undefined ? undefined : unfolded(value);
  }

  /** The addresses in all fields of this name. @throws RemoteProtocolError MESSAGE_INVALID, reply 501 */
  addresses(name: string): AddressEntry[] {
    return this.all(name).flatMap(({ value }) => parseAddressList(value));
  }

  /** The author's mailbox according to the header; the relay vouches only for the originator of the operation. */
  get from(): Mailbox | undefined {
    return mailboxesOf(this.addresses('from'))[0];
  }

  get to(): readonly Mailbox[] {
    return mailboxesOf(this.addresses('to'));
  }

  /** The first subject. */
  get subject(): string | undefined {
    return this.first('subject');
  }

  /** The subject in a language: an exact match, else a more general one (`en` for `en-GB`), else the first. */
  subjectIn(lang: string): string | undefined {
    const subjects = this.all('subject').map(({ value, lang: own }) => ({ value, tag: own ?? this.lang ?? '' }));
    for (let tag = lang.toLowerCase(); tag !== ''; tag = tag.slice(0, Math.max(0, tag.lastIndexOf('-')))) {
      const found = subjects.find((subject) => subject.tag.toLowerCase() === tag);
      if (found !== undefined) return unfolded(found.value);
    }
    return this.subject;
  }

  /** When it was written; undefined when the date is missing or cannot be parsed. */
  get date(): Date | undefined {
    const ms = parseTimestamp(this.first('date') ?? '');
    return ms === undefined ? undefined : new Date(ms);
  }

  /** The media type of the content, in full. */
  get type(): string | undefined {
    const { content } = this;
    return content === undefined || content.kind === 'elsewhere' ? undefined : content.type;
  }

  /** The content as text with lines ended by LF; undefined when it is not text. */
  get text(): string | undefined {
    const { content } = this;
    switch (content?.kind) {
      case 'entity':
        return readText(content.body, mediaTypeOf(content.type));
      case 'inline':
        return textOfInline(content);
      default:
        return undefined;
    }
  }

  /** Returns the message with fields added before its own, except those that it already has. */
  completed(fields: readonly MessageField[]): InstantMessage {
    const missing = fields.filter(({ name }) => this.all(name).length === 0);
    return new InstantMessage({ ...this, fields: [...missing, ...this.fields] });
  }
}

function textOfInline({ type, text }: InlineContent): string | undefined {
  const media = mediaTypeOf(type);
  // rfc822-xml-00 §3.4: a charset means nothing here, the text is decoded already
  const parameters = new Map([...media.parameters].filter(([name]) => name !== 'charset'));
  return media.type === 'text/xml' ? undefined : readText(Buffer.from(text), { type: media.type, parameters });
}

/**
 * RFC 822 §3.1.1: a line break with white space is white space. Done by lines, because a regular expression could be
 * made to take for ever.
 */
export function unfolded(value: string): string {
  return value
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
    .trim();
}

/**
 * Makes a message.
 *
 * @throws LocalError ARGUMENT for an address that is not a URI
 * @example
 * instantMessage({ subject: 'Bowling', text: 'Tonight at eight?', lang: 'en' });
 */
export function instantMessage(init: InstantMessageInit): InstantMessage {
  const { from, to, cc, subject, date, messageId, inReplyTo, lang, fields = [] } = init;
  const made = [
    ...addressFields('from', from === undefined ? undefined : [from]),
    ...addressFields('to', to),
    ...addressFields('cc', cc),
    ...subjectFields(subject),
    ...plainField('date', date === undefined ? undefined : formatTimestamp(date.getTime())),
    ...plainField('message-id', messageId),
    ...plainField('in-reply-to', inReplyTo),
    ...fields,
  ];
  return new InstantMessage({ fields: made, lang, content: contentOf(init) });
}

function plainField(name: string, value: string | undefined): MessageField[] {
  return value === undefined ? [] : [fieldOf(name, value)];
}

/** One field per address; address fields may be repeated in RFC 822. */
function addressFields(name: string, given: InstantMessageInit['to'] | readonly (string | Mailbox)[]): MessageField[] {
  if (given === undefined) return [];
  const entries = typeof given === 'string' ? [given] : given;
  return entries.map((entry) =>
    fieldOf(name, formatAddressList([typeof entry === 'string' ? { phrase: undefined, uri: entry } : entry])),
  );
}

function subjectFields(subject: InstantMessageInit['subject']): MessageField[] {
  if (subject === undefined) return [];
  if (typeof subject === 'string') return [fieldOf('subject', subject)];
  return subject.map(({ text, lang }) => fieldOf('subject', text, lang));
}

function contentOf({ text, flowed, content }: InstantMessageInit): InstantContent | undefined {
  if (content !== undefined) return 'kind' in content ? content : entityContent(content.type, content.body);
  if (text === undefined) return undefined;
  const { type, body } = writeText(text, flowed);
  return entityContent(type, body);
}

/** Content made here. */
export function entityContent(type: string, body: Buffer, headers?: Headers): EntityContent {
  return { kind: 'entity', type, headers, body };
}
