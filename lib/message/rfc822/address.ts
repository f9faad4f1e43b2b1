/**
 * Converts address fields between RFC 822 (§6.1) and message/RFC822+XML: addr-specs become URIs, comments become
 * phrases, and routes are dropped.
 */
import { asciiDomain } from '../../config/domain-name.js';
import { isDomain, isLiteral } from '../../imxp/address.js';
import { malformedEntity } from '../../mime/fault.js';
import type { AddressEntry, Group, Mailbox } from '../address-list.js';
import { shown } from '../fault.js';
import { addressOfUri, uriOfAddress } from '../uri.js';
import { decodeWords, encodeWords, needsWords } from './encoded-word.js';

/** The URI scheme that addr-specs become. */
export type MailScheme = 'mailto' | 'im';

const SPACE = /[ \t\r\n]+/y;
const ATOM = /[^\s()<>@,;:\\".[\]]+/y;
const QUOTED = /"(?:[^"\\]|\\[\s\S])*"/y;
/** RFC 822 §6.1: what a domain may consist of, whether or not the DNS knows such names. */
const WORDS = /^[^\s()<>@,;:\\"[\]]+$/;
const LITERAL = /\[(?:[^[\]\\]|\\[\s\S])*\]/y;

interface Token {
  readonly kind: 'word' | 'comment' | 'special';
  readonly text: string;
  /** Whether white space or a comment precedes it. */
  readonly spaced: boolean;
}

/** @throws RemoteProtocolError MIME_INVALID, reply 500 */
export function parseMailAddresses(text: string, scheme: MailScheme): AddressEntry[] {
  return new Reader(tokensOf(text), scheme).list();
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let spaced = false;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  while (at < text.length) {
    if (take(SPACE) !== undefined) {
      spaced = true;
      continue;
    }
    if (text[at] === '(') {
      const comment = commentAt(text, at);
      at += comment.length;
      tokens.push({ kind: 'comment', text: comment.slice(1, -1).replace(/\\([\s\S])/g, '$1'), spaced: true });
      spaced = true;
      continue;
    }
    const word = take(ATOM) ?? take(QUOTED) ?? take(LITERAL);
    const special = word === undefined ? text[at] : undefined;
    if (special !== undefined && !'<>@,;:.'.includes(special))
      throw malformedEntity(`an address at ${shown(text.slice(at))}`);
    if (special !== undefined) at += 1;
    tokens.push({ kind: word === undefined ? 'special' : 'word', text: word ?? special ?? '', spaced });
    spaced = false;
  }
  return tokens;
}

/** Reads a comment; comments nest. */
function commentAt(text: string, from: number): string {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\\') at += 1;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    if (depth === 0) return text.slice(from, at + 1);
  }
  throw malformedEntity('a comment in an address is not closed');
}

class Reader {
  readonly #tokens: readonly Token[];
  readonly #scheme: MailScheme;
  #at = 0;
  #comments: string[] = [];

  constructor(tokens: readonly Token[], scheme: MailScheme) {
    this.#tokens = tokens;
    this.#scheme = scheme;
  }

  list(): AddressEntry[] {
    const entries: AddressEntry[] = [];
    while (this.#peek() !== undefined) {
      // RFC 822 §2.7: null elements are allowed in lists
      if (this.#take(',')) continue;
      entries.push(this.#address());
      if (this.#peek() !== undefined && !this.#take(',')) throw this.#fault();
    }
    return entries;
  }

  #address(): AddressEntry {
    const words = this.#words();
    if (words.length > 0 && this.#take(':')) return this.#group(phraseOf(words) ?? '');
    return this.#mailbox(words);
  }

  #group(phrase: string): Group {
    const mailboxes: Mailbox[] = [];
    while (!this.#take(';')) {
      if (this.#take(',')) continue;
      if (this.#peek() === undefined) throw this.#fault();
      mailboxes.push(this.#mailbox(this.#words()));
    }
    return { phrase, mailboxes };
  }

  #mailbox(words: Token[]): Mailbox {
    if (this.#take('<')) {
      this.#route();
      const spec = this.#spec(this.#words());
      if (!this.#take('>')) throw this.#fault();
      this.#peek();
      return { phrase: phraseOf(words) ?? this.#comment(), uri: spec };
    }
    const uri = this.#spec(words);
    this.#peek();
    return { phrase: this.#comment(), uri };
  }

  /** RFC 822 §6.2.7: a route concerns transport only and is dropped. */
  #route(): void {
    while (this.#sees('@') || this.#sees(',')) {
      this.#at += 1;
      this.#words();
    }
    this.#take(':');
  }

  #spec(local: Token[]): string {
    if (local.length === 0 || !this.#take('@')) throw this.#fault();
    const domain = this.#words()
      .map(({ text }) => text)
      .join('');
    if (domain === '') throw this.#fault();
    return this.#uri(local.map(({ text }) => text).join(''), domain);
  }

  #uri(local: string, domain: string): string {
    if (this.#scheme === 'im') return uriOfAddress('im', `${local}@${domain}`);
    return `mailto:${encodeURIComponent(local).replaceAll('%2B', '+')}@${hostOf(domain) ?? encodeURIComponent(domain)}`;
  }

  /** Words and the dots between them. */
  #words(): Token[] {
    const words: Token[] = [];
    for (let token = this.#peek(); token?.kind === 'word' || token?.text === '.'; token = this.#peek()) {
      words.push(token);
      this.#at += 1;
    }
    return words;
  }

  #comment(): string | undefined {
    const text = this.#comments.splice(0).join(' ').trim();
    return text === '' ? undefined : decodeWords(text);
  }

  /** The next token; comments are collected separately. */
  #peek(): Token | undefined {
    for (let token = this.#tokens[this.#at]; token?.kind === 'comment'; token = this.#tokens[this.#at]) {
      this.#comments.push(token.text);
      this.#at += 1;
    }
    return this.#tokens[this.#at];
  }

  #sees(special: string): boolean {
    const token = this.#peek();
    return token?.kind === 'special' && token.text === special;
  }

  #take(special: string): boolean {
    if (!this.#sees(special)) return false;
    this.#at += 1;
    return true;
  }

  #fault(): Error {
    return malformedEntity(`an address near ${shown(this.#tokens[this.#at]?.text ?? '')} is not valid`);
  }
}

/** A domain in A-labels, or a literal, neither of which is percent-encoded (D-CORE-41); undefined for what is no host. */
function hostOf(domain: string): string | undefined {
  const host = asciiDomain(domain);
  return host !== undefined && (isDomain(host) || isLiteral(host.toLowerCase())) ? host : undefined;
}

/** Joins words to a text: unquoted, with a space where there was white space. */
function phraseOf(words: readonly Token[]): string | undefined {
  if (words.length === 0) return undefined;
  let phrase = '';
  for (const { text, spaced } of words) {
    const word = text.startsWith('"') ? text.slice(1, -1).replace(/\\([\s\S])/g, '$1') : text;
    phrase += phrase !== '' && spaced ? ` ${word}` : word;
  }
  return decodeWords(phrase);
}

/** Converts a URI to an addr-spec; undefined for a URI that does not name a mail address. */
export function addrSpecOf(uri: string, imIsMail: boolean): string | undefined {
  const mail = /^mailto:([^?]*)@([^?@]+)(?:\?.*)?$/i.exec(uri);
  try {
    if (mail !== null) {
      const [, local = '', domain = ''] = mail;
      // Others encode a host; once decoded, it must not have another "@" in it.
      const decoded = decodeURIComponent(domain);
      const host = hostOf(decoded) ?? (WORDS.test(decoded) ? decoded : undefined);
      return host && `${quotedLocal(decodeURIComponent(local))}@${host}`;
    }
    return imIsMail && /^im:/i.test(uri) ? addressOfUri(uri) : undefined;
  } catch {
    return undefined;
  }
}

function quotedLocal(local: string): string {
  const valid =
    /^"(?:[^"\\]|\\[\s\S])*"$/.test(local) || /^[^\s()<>@,;:\\".[\]]+(?:\.[^\s()<>@,;:\\".[\]]+)*$/.test(local);
  return valid ? local : `"${local.replace(/["\\]/g, '\\$&')}"`;
}

/** Writes entries; mailboxes that RFC 822 cannot express are dropped. */
export function formatMailAddresses(entries: readonly AddressEntry[], imIsMail: boolean): string[] {
  return entries.flatMap((entry) => {
    if (!('mailboxes' in entry)) return formatMailbox(entry, imIsMail);
    const mailboxes = entry.mailboxes.flatMap((mailbox) => formatMailbox(mailbox, imIsMail));
    return [`${formatPhrase(entry.phrase)}: ${mailboxes.join(', ')};`];
  });
}

function formatMailbox({ phrase, uri }: Mailbox, imIsMail: boolean): string[] {
  const spec = addrSpecOf(uri, imIsMail);
  // addr-spec is US-ASCII
  if (spec === undefined || /[^ -~]/.test(spec)) return [];
  return [phrase === undefined || phrase === '' ? spec : `${formatPhrase(phrase)} <${spec}>`];
}

function formatPhrase(phrase: string): string {
  if (needsWords(phrase)) return encodeWords(phrase).join(' ');
  const plain = /^[^\s()<>@,;:\\".[\]]+(?: [^\s()<>@,;:\\".[\]]+)*$/.test(phrase);
  return plain ? phrase : `"${phrase.replace(/["\\]/g, '\\$&')}"`;
}
