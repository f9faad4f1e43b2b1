/**
 * `im:` and `pres:` URIs (RFC 3859, RFC 3860) and the mesh addresses that they stand for (message-service-01 §2.2 to
 * §2.5), converted without loss; and addresses of other systems in local parts (RFC 2846 meta-syntax). Resolves
 * nothing.
 */
import { LocalError, RemoteProtocolError } from '../errors.js';
import { isDomain, parseAddress } from '../imxp/address.js';

export type InstantScheme = 'im' | 'pres';

/** Whom a URI names, as in an address field. */
export interface UriMailbox {
  /** `local@domain`, as the mesh writes it. */
  readonly address: string;
  /** The display name, without quotes. */
  readonly phrase: string | undefined;
}

export interface InstantUri {
  readonly scheme: InstantScheme;
  /** Those before the `?`: often one, none in `im:?subject=Bowling` (cpim-02 §C.2). */
  readonly to: readonly UriMailbox[];
  /** Decoded header fields after the `?`, for composing a message as in `mailto:`. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

// RFC 2396 §2: characters allowed in a URI
const URIC = /^[!$-;=?-Z_a-z~[\]]+$/;
// Unreserved and harmless in a local part; everything else is percent-encoded. `=` is common in mesh addresses.
const ESCAPED = /[^A-Za-z0-9\-_.!~*'()=+$]/gu;
const [OPEN, CLOSE] = [/%3C/i, /%3E$/i];

/** @returns an error to throw: reply 553, as for a wrong address. */
function invalidUri(text: string, why: string): RemoteProtocolError {
  const shown = JSON.stringify(text.slice(0, 80));
  return new RemoteProtocolError('ADDRESS_INVALID', `not an im: or pres: URI: ${shown}: ${why}`, {
    reply: { code: 553, text: `the URI is not im:local@domain or pres:local@domain: ${why}` },
  });
}

/**
 * Takes a URI apart (RFC 3860 §A.2, RFC 3859 §A.2, cpim-02 §C.2; D-CPIM-02).
 *
 * @throws RemoteProtocolError ADDRESS_INVALID, reply 553
 */
export function parseInstantUri(text: string): InstantUri {
  const found = /^(im|pres):([^?]*)(?:\?(.*))?$/is.exec(text);
  if (found === null) throw invalidUri(text, 'it begins with neither im: nor pres:');
  const [, scheme = '', to = '', query] = found;
  if (!URIC.test(text)) throw invalidUri(text, 'it has a character that must be percent-encoded');
  return {
    scheme: scheme.toLowerCase() === 'im' ? 'im' : 'pres',
    to: mailboxesIn(text, to),
    headers: headersOf(text, query),
  };
}

/**
 * The mailboxes in a decoded header such as `to` or `cc`, which means the same as before the `?` (RFC 2368 §2).
 *
 * @throws RemoteProtocolError ADDRESS_INVALID, reply 553
 */
export function mailboxesOfHeader(value: string): UriMailbox[] {
  return mailboxesIn(value, value.replace(/[^A-Za-z0-9\-_.!~*'()=+$@,;:/&]/gu, percentEncoded));
}

/** One character in percent-encoded UTF-8; half of a surrogate pair becomes the replacement character. */
export function percentEncoded(character: string): string {
  return /\p{Surrogate}/u.test(character) ? '%EF%BF%BD' : encodeURIComponent(character);
}

/** @param to percent-encoded; commas separate (RFC 2368 §2) */
function mailboxesIn(text: string, to: string): UriMailbox[] {
  return elementsOf(to)
    .map((element) => element.replace(/^(?:%20)+|(?<!%20)(?:%20)+$/g, ''))
    .filter((element) => element !== '')
    .map((element) => {
      const open = CLOSE.test(element) ? element.search(OPEN) : -1;
      if (open < 0) return { address: addressIn(text, element), phrase: undefined };
      const phrase = phraseOf(decode(text, element.slice(0, open)));
      return { address: addressIn(text, element.slice(open + 3, -3)), phrase };
    });
}

/**
 * The elements of a list, some of them empty: commas inside quotes belong to a display name or a local part. Takes time
 * in proportion to its length, because strangers write it.
 */
function elementsOf(list: string): string[] {
  const elements: string[] = [];
  let [start, quotes] = [0, true];
  const mark = /%22|,/g;
  for (let found = mark.exec(list); found !== null; found = mark.exec(list)) {
    if (found[0] === ',') {
      elements.push(list.slice(start, found.index));
      start = mark.lastIndex;
    } else if (quotes) {
      const end = quoteEnd(list, mark.lastIndex);
      // What is not closed is no quote, and neither is any later one: they end, or do not, at the same place.
      quotes = end !== undefined;
      mark.lastIndex = end ?? mark.lastIndex;
    }
  }
  return [...elements, list.slice(start)];
}

/** Where quotes that begin before `from` end; a backslash takes the next character with it. */
function quoteEnd(list: string, from: number): number | undefined {
  const mark = /%5C(?:%..|[^%])?|%22/gi;
  mark.lastIndex = from;
  for (let found = mark.exec(list); found !== null; found = mark.exec(list)) {
    if (found[0] === '%22') return mark.lastIndex;
    if (found[0].length === 3) return undefined;
  }
  return undefined;
}

function addressIn(text: string, spec: string): string {
  const at = spec.lastIndexOf('@');
  if (at < 1) throw invalidUri(text, 'there is nothing on one side of the "@"');
  // REQ-CPIM-002: a complete domain name without percent-encoding, which could hide another "@"
  const domain = spec.slice(at + 1);
  if (!isDomain(domain)) throw invalidUri(text, 'what follows the "@" is not a domain name');
  const address = `${decode(text, spec.slice(0, at))}@${domain}`;
  try {
    parseAddress(address);
  } catch {
    throw invalidUri(text, 'what precedes the "@" is not a local part');
  }
  return address;
}

/** RFC 2822 §3.4: words, quoted or not. */
function phraseOf(text: string): string | undefined {
  const words = text.trim();
  const quoted = /^"((?:[^"\\]|\\[\s\S])*)"$/.exec(words)?.[1];
  const phrase = quoted === undefined ? words : quoted.replace(/\\([\s\S])/g, '$1');
  return phrase === '' ? undefined : phrase;
}

function headersOf(text: string, query: string | undefined): InstantUri['headers'] {
  if (query === undefined || query === '') return [];
  return query.split('&').map((header) => {
    const equals = header.indexOf('=');
    if (equals < 0) throw invalidUri(text, 'it has a header without "="');
    return { name: decode(text, header.slice(0, equals)), value: decode(text, header.slice(equals + 1)) };
  });
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalidUri(text, 'it has a percent sign that encodes nothing');
  }
}

/**
 * The mesh address that a URI names; a display name and headers say nothing about it (D-CPIM-02).
 *
 * @throws RemoteProtocolError ADDRESS_INVALID, reply 553: also for a URI that names nobody or several
 */
export function addressOfUri(uri: string): string {
  const { to } = parseInstantUri(uri);
  const [only] = to;
  if (only === undefined) throw invalidUri(uri, 'it names nobody');
  if (to.length > 1) throw invalidUri(uri, `it names ${to.length} addresses where one is needed`);
  return only.address;
}

/** The URI of an address. @throws RemoteProtocolError ADDRESS_INVALID, reply 553 */
export function uriOfAddress(scheme: InstantScheme, address: string): string {
  parseAddress(address);
  const at = address.lastIndexOf('@');
  const local = address.slice(0, at).replace(ESCAPED, encodeURIComponent);
  return `${scheme}:${local}@${address.slice(at + 1)}`;
}

/** The presence service for a `pres:` URI (message-service-01 §2.5); there is no way back. */
export function presenceServiceOf(uri: string): string {
  const address = addressOfUri(uri);
  return `imxp=presence@${address.slice(address.lastIndexOf('@') + 1)}`;
}

/** A user of another system, as named by a gateway: `protocol=host/user@gateway` (RFC 2846, RFC 3860 Appendix B). */
export interface ForeignAddress {
  /** For instance `sip`. */
  readonly protocol: string;
  readonly host: string;
  readonly user: string;
  /** Domain of the gateway. */
  readonly gateway: string;
}

const PROTOCOL = /^[A-Za-z][A-Za-z0-9-]*$/;
// Characters of an atom, except the separators used here.
const KEPT = /[^A-Za-z0-9\-_!~*'+$&{}|^`#?.]/gu;

/**
 * The mesh address of a user of another system. It need not be shown to people.
 *
 * @throws LocalError ARGUMENT
 */
export function foreignAddress({ protocol, host, user, gateway }: ForeignAddress): string {
  // imxp= and apex= are names of services.
  if (!PROTOCOL.test(protocol) || /^(?:imxp|apex)$/i.test(protocol)) {
    throw new LocalError(
      'ARGUMENT',
      `${JSON.stringify(protocol)} is not a protocol name for an address; use letters, digits and hyphens`,
    );
  }
  if (host === '' || user === '' || !isDomain(gateway) || /\p{Surrogate}/u.test(host + user)) {
    throw new LocalError('ARGUMENT', 'an address in another system needs a host, a user and the domain of the gateway');
  }
  return `${protocol.toLowerCase()}=${pack(host)}/${pack(user)}@${gateway}`;
}

/** Percent-encodes text for the local part; a dot at an end or beside another dot would need quotes. */
function pack(text: string): string {
  return text
    .replace(KEPT, (character) => encodeURIComponent(character).replace(/[()]/g, hex))
    .replace(/^\.|\.(?=\.|$)/g, '%2E');
}

function hex(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** @returns undefined for an address that does not name a user of another system */
export function parseForeignAddress(address: string): ForeignAddress | undefined {
  const found = /^([A-Za-z][A-Za-z0-9-]*)=([^/@]+)\/([^/@]+)@([^@]+)$/.exec(address);
  if (found === null) return undefined;
  const [, protocol = '', host = '', user = '', gateway = ''] = found;
  if (/^(?:imxp|apex)$/i.test(protocol)) return undefined;
  try {
    return {
      protocol: protocol.toLowerCase(),
      host: decodeURIComponent(host),
      user: decodeURIComponent(user),
      gateway,
    };
  } catch {
    return undefined;
  }
}
