/** XMPP addresses (RFC 7622), and escaping of what a local part cannot contain (XEP-0106). Pure functions. */
import { isDomain } from '../../imxp/address.js';

/** An address without its resource. */
export interface BareJid {
  /** Escaped by XEP-0106; empty for the address of a domain. */
  readonly local: string;
  /** In lower case. */
  readonly domain: string;
}

export interface Jid extends BareJid {
  readonly resource: string | undefined;
}

/** Resource of a user of the mesh, in messages and for a tuple without a subaddress. */
export const PLAIN_RESOURCE = 'imxp';
/** RFC 7622 §3.1: the longest of each of the three parts. */
const PART_OCTETS = 1023;
/** RFC 7622 §3.3.1, and white space and control characters. */
const NOT_LOCAL = /["&'/:<>@\s\p{Cc}\p{Cs}]/u;

/** XEP-0106. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  [' ', '\\20'],
  ['"', '\\22'],
  ['&', '\\26'],
  ["'", '\\27'],
  ['/', '\\2f'],
  [':', '\\3a'],
  ['<', '\\3c'],
  ['>', '\\3e'],
  ['@', '\\40'],
]);
const UNESCAPES: ReadonlyMap<string, string> = new Map([...ESCAPES].map(([plain, escaped]) => [escaped, plain]));

/** Takes an address apart. @returns undefined for what is not an address */
export function parseJid(text: string): Jid | undefined {
  const slash = text.indexOf('/');
  const bare = slash < 0 ? text : text.slice(0, slash);
  const resource = slash < 0 ? undefined : text.slice(slash + 1);
  const at = bare.indexOf('@');
  const local = at < 0 ? '' : bare.slice(0, at);
  const domain = bare.slice(at + 1).toLowerCase();
  if (at === 0 || resource === '' || NOT_LOCAL.test(local) || !isDomain(domain)) return undefined;
  if ([local, domain, resource ?? ''].some((part) => Buffer.byteLength(part) > PART_OCTETS)) return undefined;
  return { local, domain, resource };
}

export function writeJid({ local, domain }: BareJid): string {
  return local === '' ? domain : `${local}@${domain}`;
}

/** Whether text is a local part as it stands. */
export function isLocal(text: string): boolean {
  return text !== '' && !NOT_LOCAL.test(text) && Buffer.byteLength(text) <= PART_OCTETS;
}

/** Whether two addresses are the same: XMPP does not tell upper from lower case in them. */
export function isSameJid(one: BareJid | undefined, other: BareJid): boolean {
  return one !== undefined && writeJid(one).toLowerCase() === writeJid(other).toLowerCase();
}

/**
 * Escapes text for a local part (XEP-0106). A backslash is escaped only where it would be read as an escape.
 *
 * @returns undefined for text that no local part stands for: empty, with a space at an end, too long, or with a character
 *   that has no escape
 */
export function escapeLocal(text: string): string | undefined {
  const safe = text.replace(/\\(?=20|22|26|27|2f|3a|3c|3e|40|5c)/gi, '\\5c');
  const escaped = safe.replace(/[ "&'/:<>@]/g, (character) => ESCAPES.get(character) ?? character);
  if (escaped === '' || /^\\20|\\20$/.test(escaped) || NOT_LOCAL.test(escaped)) return undefined;
  return Buffer.byteLength(escaped) > PART_OCTETS ? undefined : escaped;
}

/** Undoes {@link escapeLocal} (XEP-0106). */
export function unescapeLocal(local: string): string {
  return local.replace(/\\(?:20|22|26|27|2f|3a|3c|3e|40|5c)/gi, (found) =>
    found.toLowerCase() === '\\5c' ? '\\' : (UNESCAPES.get(found.toLowerCase()) ?? found),
  );
}
