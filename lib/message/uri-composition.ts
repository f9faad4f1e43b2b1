/**
 * What an `im:` or `pres:` URI asks to compose (cpim-02 §C.4: as with `mailto:`, RFC 2368): whom to write to, and header
 * fields and text to begin with. Sends nothing.
 */
import { asciiDomain } from '../config/domain-name.js';
import { fieldOf, type MessageField } from './field.js';
import { unfolded } from './instant-message.js';
import { type InstantScheme, mailboxesOfHeader, parseInstantUri, percentEncoded, type UriMailbox } from './uri.js';

export interface Composition {
  readonly scheme: InstantScheme;
  /** Those before the `?`, then those in `to` headers. */
  readonly to: readonly UriMailbox[];
  readonly cc: readonly UriMailbox[];
  readonly subject: string | undefined;
  readonly inReplyTo: string | undefined;
  /** The text to begin with; lines end with LF. */
  readonly body: string | undefined;
  /** Further fields: `keywords` and `references`. */
  readonly fields: readonly MessageField[];
  /**
   * Names of headers that are not used. RFC 2368 §4: a URI may come from anybody, so it says neither who writes nor how
   * the message travels.
   */
  readonly unused: readonly string[];
}

const ONCE = ['subject', 'in-reply-to', 'body'];
const FIELDS = ['keywords', 'references'];
const LISTS = ['to', 'cc'];

/** @throws RemoteProtocolError ADDRESS_INVALID, reply 553 */
export function compositionOf(uri: string): Composition {
  const { scheme, to, headers } = parseInstantUri(uri);
  const named = headers.map(({ name, value }) => ({ name: name.toLowerCase(), value }));
  const all = (name: string): string[] => named.flatMap((header) => (header.name === name ? [header.value] : []));
  const first = (name: string): string | undefined => all(name)[0];
  const used = new Set([...ONCE, ...FIELDS, ...LISTS]);
  const repeated = ONCE.flatMap((name) =>
    all(name)
      .slice(1)
      .map(() => name),
  );
  return {
    scheme,
    to: [...to, ...all('to').flatMap(mailboxesOfHeader)],
    cc: all('cc').flatMap(mailboxesOfHeader),
    subject: lineOf(first('subject')),
    inReplyTo: lineOf(first('in-reply-to')),
    body: first('body')?.replace(/\r\n?/g, '\n'),
    fields: FIELDS.flatMap((name) => all(name).map((value) => fieldOf(name, unfolded(value)))),
    unused: [...named.filter(({ name }) => !used.has(name)).map(({ name }) => name), ...repeated],
  };
}

/** A field is one line, whatever a URI has in it. */
function lineOf(value: string | undefined): string | undefined {
  return value === undefined ? undefined : unfolded(value.replace(/\r/g, '\n'));
}

/**
 * Makes a URI of one that a person has typed: characters that a URI cannot have are percent-encoded (RFC 3987 §3.1), and
 * domains in U-labels become A-labels.
 *
 * @returns undefined for a domain with characters beyond ASCII that has no A-labels
 */
export function uriOfTyped(text: string): string | undefined {
  const query = text.includes('?') ? text.indexOf('?') : text.length;
  let valid = true;
  const to = text.slice(0, query).replace(/@([^@,<>"%\s]+)/g, (typed, domain: string) => {
    const ascii = asciiDomain(domain);
    valid &&= ascii !== undefined;
    return ascii === undefined ? typed : `@${ascii}`;
  });
  if (!valid) return undefined;
  return (to + text.slice(query)).replace(/[^!$-;=?-Z_a-z~[\]]/gu, percentEncoded);
}
