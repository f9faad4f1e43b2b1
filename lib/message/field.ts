/**
 * The header fields of message/RFC822+XML (rfc822-xml-00 §3.6 to §3.10): their names, classes and what each holds. Knows
 * neither XML nor RFC 822 syntax.
 */

/** With its colon at the end, as the draft prints it. */
export const MESSAGE_NAMESPACE = 'URN:IANA:message:rfc822:';
/** Where fields of RFC 822 messages go that nobody has defined for RFC822+XML; ours. */
export const EXTENSION_NAMESPACE = 'urn:x-imxp:rfc822-extension';

const LENIENT_NAMESPACE = 'urn:IANA:message:rfc822:';

/** Compared exactly, but for the scheme in lower case, which URN readers would take for the same. */
export function isMessageNamespace(namespace: string): boolean {
  return namespace === MESSAGE_NAMESPACE || namespace === LENIENT_NAMESPACE;
}

export interface MessageField {
  /** {@link MESSAGE_NAMESPACE}, or the one of who defined the field. */
  readonly namespace: string;
  /** In lower case in the message namespace. */
  readonly name: string;
  /** Its character data; in the message namespace without markup. */
  readonly value: string;
  /** Its own `xml:lang`, for people; that of the message holds where it has none. */
  readonly lang: string | undefined;
  /** False: who does not understand the field must abandon the message. */
  readonly seeNoEvil: boolean;
}

export type FieldClass = 'address' | 'text' | 'other' | 'mime';

const CLASSES: Readonly<Record<Exclude<FieldClass, 'mime'>, readonly string[]>> = {
  address: [
    'return-path',
    'from',
    'sender',
    'reply-to',
    'resent-from',
    'resent-sender',
    // D-MSG-09: in RFC 822, and missing from the draft's list
    'resent-reply-to',
    'to',
    'cc',
    'bcc',
    'resent-to',
    'resent-cc',
    'resent-bcc',
  ],
  text: ['keywords', 'subject', 'comments'],
  other: [
    'received',
    'date',
    'resent-date',
    'message-id',
    'resent-message-id',
    'in-reply-to',
    'references',
    'encrypted',
  ],
};

const BY_NAME: ReadonlyMap<string, FieldClass> = new Map(
  (['address', 'text', 'other'] as const).flatMap((kind) => CLASSES[kind].map((name) => [name, kind] as const)),
);

/** The class of a field of the message namespace; undefined when it has none of that name. */
export function classOfField(name: string): FieldClass | undefined {
  return BY_NAME.get(name) ?? (name.startsWith('content-') || name === 'mime-version' ? 'mime' : undefined);
}

/** A field of the message namespace. */
export function fieldOf(name: string, value: string, lang?: string): MessageField {
  return { namespace: MESSAGE_NAMESPACE, name: name.toLowerCase(), value, lang, seeNoEvil: true };
}

/** Decides whether a field is understood, for those that must be. */
export type Understanding = (namespace: string, name: string) => boolean;

/** The fields this library hands over with their meaning. `encrypted` is none of them: nothing here decrypts. */
export const understood: Understanding = (namespace, name) =>
  isMessageNamespace(namespace) && name !== 'encrypted' && classOfField(name) !== undefined;
