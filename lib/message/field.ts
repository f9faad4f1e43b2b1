/**
 * The header fields of message/RFC822+XML (rfc822-xml-00 §3.6 to §3.10): their names and classes. Knows neither XML nor
 * RFC 822 syntax.
 */

/** The namespace, with the colon at its end, as in the draft. */
export const MESSAGE_NAMESPACE = 'URN:IANA:message:rfc822:';
/** Our own namespace for RFC 822 fields that RFC822+XML does not define. */
export const EXTENSION_NAMESPACE = 'urn:x-imxp:rfc822-extension';

const LENIENT_NAMESPACE = 'urn:IANA:message:rfc822:';

/** Compares exactly, except that the scheme may be in lower case, which is equivalent in a URN. */
export function isMessageNamespace(namespace: string): boolean {
  return namespace === MESSAGE_NAMESPACE || namespace === LENIENT_NAMESPACE;
}

export interface MessageField {
  /** {@link MESSAGE_NAMESPACE}, or the namespace of the party that defined the field. */
  readonly namespace: string;
  /** In lower case in the message namespace. */
  readonly name: string;
  /** Character data; in the message namespace without markup. */
  readonly value: string;
  /** Its own `xml:lang`; default: that of the message. */
  readonly lang: string | undefined;
  /** False: a reader that does not understand the field must reject the message. */
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

/** The class of a field in the message namespace; undefined for an unknown name. */
export function classOfField(name: string): FieldClass | undefined {
  return BY_NAME.get(name) ?? (name.startsWith('content-') || name === 'mime-version' ? 'mime' : undefined);
}

/** Makes a field in the message namespace. */
export function fieldOf(name: string, value: string, lang?: string): MessageField {
  return { namespace: MESSAGE_NAMESPACE, name: name.toLowerCase(), value, lang, seeNoEvil: true };
}

/** Tells whether a field is understood, if it must be. */
export type Understanding = (namespace: string, name: string) => boolean;

/** The fields that this library understands. `encrypted` is not among them: nothing here decrypts by it. */
export const understood: Understanding = (namespace, name) =>
  isMessageNamespace(namespace) && name !== 'encrypted' && classOfField(name) !== undefined;
