/**
 * Address fields of message/RFC822+XML (rfc822-xml-00 §3.7): URIs with the phrases and groups of RFC 822. Reads and
 * writes the text of a field; knows nothing of what the URIs name.
 *
 * ```
 *   address-list = address *( "," address )        mailbox = URI / [ phrase ] "<" [ route ] URI ">"
 *   address      = group / mailbox                 group   = phrase ":" [ mailbox *( "," mailbox ) ] ";"
 *   route        = "@" domain *( "," [ "@" domain ] ) ":"
 * ```
 */
import { LocalError } from '../errors.js';
import { invalidMessage, shown } from './fault.js';

export interface Mailbox {
  /** The display name, unquoted. */
  readonly phrase: string | undefined;
  /** An absolute URI such as `im:fred@example.com`. */
  readonly uri: string;
}

export interface Group {
  readonly phrase: string;
  readonly mailboxes: readonly Mailbox[];
}

export type AddressEntry = Mailbox | Group;

/** All mailboxes of a list, including those in groups. */
export function mailboxesOf(entries: readonly AddressEntry[]): Mailbox[] {
  return entries.flatMap((entry) => ('mailboxes' in entry ? entry.mailboxes : [entry]));
}

const SPACE = /[ \t\r\n]*/y;
const SCHEME = '[A-Za-z][A-Za-z0-9+.-]*:';
// A comma ends a bare URI; a URI with commas needs angle brackets.
const BARE_URI = new RegExp(`${SCHEME}[^\\s,<>"]+`, 'y');
const GROUPED_URI = new RegExp(`${SCHEME}[^\\s,;<>"]+`, 'y');
const KNOWN = /^(?:im|pres|mailto|sip|sips|xmpp|tel|http|https):/i;
/** RFC 822 §6.1: which hosts a message should pass. It is of no use any more, and left out. */
const ROUTE = /@[^\s@,:<>"]+[ \t\r\n]*(?:,[ \t\r\n]*(?:@[^\s@,:<>"]+[ \t\r\n]*)?)*:[ \t\r\n]*/y;
const OPENING = /<[ \t\r\n]*/y;
const CLOSED_URI = /([A-Za-z][A-Za-z0-9+.-]*:[^\s<>"]+)[ \t\r\n]*>/y;
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y;
const WORD = /[^\s()<>@,;:\\"]+/y;

/** @throws RemoteProtocolError MESSAGE_INVALID, reply 501 */
export function parseAddressList(text: string): AddressEntry[] {
  return new Reader(text).list();
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  list(): AddressEntry[] {
    const entries: AddressEntry[] = [];
    this.#match(SPACE);
    while (this.#at < this.#text.length) {
      entries.push(this.#address());
      if (this.#at < this.#text.length && !this.#take(',')) throw this.#fault();
    }
    return entries;
  }

  #address(): AddressEntry {
    const uri = this.#uriAlone();
    if (uri !== undefined) return { phrase: undefined, uri };
    const phrase = this.#phrase();
    if (phrase !== undefined && this.#take(':')) return this.#group(phrase);
    return this.#bracketed(phrase);
  }

  #group(phrase: string): Group {
    const mailboxes: Mailbox[] = [];
    while (!this.#take(';')) {
      if (mailboxes.length > 0 && !this.#take(',')) throw this.#fault();
      const uri = this.#match(GROUPED_URI)?.[0];
      if (uri === undefined) mailboxes.push(this.#bracketed(this.#phrase()));
      else mailboxes.push({ phrase: undefined, uri });
      this.#match(SPACE);
    }
    return { phrase, mailboxes };
  }

  #bracketed(phrase: string | undefined): Mailbox {
    if (this.#match(OPENING) === undefined) throw this.#fault();
    this.#match(ROUTE);
    const uri = this.#match(CLOSED_URI)?.[1];
    if (uri === undefined) throw this.#fault();
    this.#match(SPACE);
    return { phrase, uri };
  }

  /**
   * A token with a colon is a URI, unless a later semicolon shows that it begins a group whose name looks like a
   * scheme.
   */
  #uriAlone(): string | undefined {
    const from = this.#at;
    const uri = this.#match(BARE_URI)?.[0];
    if (uri === undefined) return undefined;
    this.#match(SPACE);
    const rest = uri.slice(uri.indexOf(':') + 1);
    const group =
      !KNOWN.test(uri) && (this.#sees(';') || rest.startsWith(';') || rest.endsWith(';') || KNOWN.test(rest));
    if (!group) return uri;
    this.#at = from;
    return undefined;
  }

  /** RFC 822 §6.1: words, quoted or not. */
  #phrase(): string | undefined {
    const words: string[] = [];
    for (;;) {
      const quoted = this.#match(QUOTED)?.[1];
      const word = quoted === undefined ? this.#match(WORD)?.[0] : quoted.replace(/\\([\s\S])/g, '$1');
      if (word === undefined) return words.length === 0 ? undefined : words.join(' ');
      words.push(word);
      this.#match(SPACE);
    }
  }

  #sees(character: string): boolean {
    return this.#text[this.#at] === character;
  }

  #take(character: string): boolean {
    if (!this.#sees(character)) return false;
    this.#at += 1;
    this.#match(SPACE);
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found;
  }

  #fault(): Error {
    const rest = this.#text.slice(this.#at);
    const why = rest.startsWith('(')
      ? 'comments are not allowed; use a phrase'
      : 'a list of URIs or "phrase <URI>" is expected';
    return invalidMessage(`an address field is not valid at ${shown(rest)}: ${why}`);
  }
}

/** Writes a list. @throws LocalError ARGUMENT for an address that is not an absolute URI */
export function formatAddressList(entries: readonly AddressEntry[]): string {
  return entries
    .map((entry) =>
      'mailboxes' in entry
        ? `${formatPhrase(entry.phrase)}: ${entry.mailboxes.map(formatMailbox).join(', ')};`
        : formatMailbox(entry),
    )
    .join(', ');
}

function formatMailbox({ phrase, uri }: Mailbox): string {
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"]+$/.test(uri)) {
    throw new LocalError(
      'ARGUMENT',
      `${JSON.stringify(uri)} is not an absolute URI without spaces, which an address field needs`,
    );
  }
  if (phrase !== undefined) return `${formatPhrase(phrase)} <${uri}>`;
  return KNOWN.test(uri) && !/[,;]/.test(uri) ? uri : `<${uri}>`;
}

/** Writes words as they are, and quotes them if they contain special characters. */
function formatPhrase(phrase: string): string {
  const plain = /^[^\s()<>@,;:\\"]+(?: [^\s()<>@,;:\\"]+)*$/.test(phrase);
  return plain ? phrase : `"${phrase.replace(/["\\]/g, '\\$&')}"`;
}
