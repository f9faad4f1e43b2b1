/**
 * Parser of endpoint names: `local@domain` (RFC 822 addr-spec) with subaddresses and reserved local parts (core-01
 * §2.2).
 *
 * Domains are compared without regard to case, local parts octet by octet after unquoting. White space and comments are
 * not accepted around or within a name. Names that only APEX has are accepted in the same notation and marked:
 * characters beyond ASCII, in quotes, and domain literals (D-CORE-03, RFC 3340 §2.2).
 */
import { RemoteProtocolError } from '../errors.js';

/** D-CORE-01. */
export const ADDRESS_OCTETS = 1023;

export interface Address {
  /** The normalized address. Two addresses name the same endpoint exactly if their keys are equal. */
  readonly key: string;
  /** The local part of {@link key}, subaddress included; quoted only if necessary. */
  readonly local: string;
  /** In lower case. */
  readonly domain: string;
  /** The key of the address without its subaddress; equal to {@link key} if there is none. */
  readonly base: string;
  /** Whether the local part is reserved for services: it begins with `imxp=` or `apex=`. */
  readonly service: boolean;
  /** The local part in lower case if it is reserved, for instance `imxp=report`. */
  readonly wellKnown: string | undefined;
  /** Only APEX can express it: it has characters beyond ASCII, or its domain is a literal. */
  readonly apexOnly: boolean;
}

const PIECE = /[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~]+|"((?:[ !#-[\]-~\u00a0-\uffff]|\\[ -~])*)"|\./y;
const DOT_ATOM = /^[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~]+(?:\.[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~]+)*$/;
const DOMAIN =
  /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$/;
const RESERVED = /^(?:imxp|apex)=/i;
const BEYOND_ASCII = /[^\0-\x7f]/;

/** Size of one generation of the cache. Two are kept, so that a flood of new addresses costs parsing but no memory. */
const GENERATION = 8192;
const CACHED_LENGTH = 128;
let recent = new Map<string, Address>();
let older = new Map<string, Address>();

/**
 * Parses an address. Recent addresses are answered from a bounded cache.
 *
 * @throws RemoteProtocolError ADDRESS_INVALID, reply 553
 */
export function parseAddress(text: string): Address {
  const known = recent.get(text);
  return known ?? remember(text, older.get(text) ?? read(text));
}

/** Parses an address like {@link parseAddress}, but returns undefined if it is invalid. */
export function addressOf(text: string): Address | undefined {
  try {
    return parseAddress(text);
  } catch {
    return undefined;
  }
}

/**
 * Returns the account that an address counts for wherever something is shared out or limited: the endpoint without its
 * subaddress, normalized, so that neither subaddresses nor notations get shares of their own.
 *
 * @returns the text itself if it is no address
 */
export function accountOf(text: string): string {
  return addressOf(text)?.base ?? text;
}

/** Local part of the name under which an application attaches for all endpoints of a domain (D-CORE-38). */
export const EVERYBODY = '*';

/** Returns the name under which an application attaches for all endpoints of a domain. */
export function wholeDomain(domain: string): string {
  return `${EVERYBODY}@${domain}`;
}

/** Returns a key that is the same in both dialects: that of IMXP for a service, in lower case, and else the key. */
export function commonKey({ key, wellKnown, domain }: Address): string {
  return wellKnown === undefined ? key : `imxp=${wellKnown.slice('imxp='.length)}@${domain}`;
}

/** Whether `text` is a domain name by its syntax; domain literals are not. */
export function isDomain(text: string): boolean {
  return text.length <= 253 && DOMAIN.test(text);
}

/** Whether `text`, in lower case, is a domain literal such as `[192.0.2.9]` or `[ipv6:2001:db8::9]` (RFC 2821 §4.1.3). */
export function isLiteral(text: string): boolean {
  return text.startsWith('[') && addressOfLiteral(text) !== undefined;
}

/** Returns the IP address in a domain literal. */
export function addressOfLiteral(text: string): string | undefined {
  const dotted = /^\[((?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!\])|(?=\]))){4})\]$/.exec(text)?.[1];
  if (dotted !== undefined) return dotted;
  const colons = /^\[ipv6:([0-9a-f:.]{2,45})\]$/i.exec(text)?.[1];
  return colons !== undefined && URL.canParse(`http://[${colons}]/`) ? colons.toLowerCase() : undefined;
}

function remember(text: string, address: Address): Address {
  if (text.length <= CACHED_LENGTH) {
    if (recent.size >= GENERATION) {
      older = recent;
      recent = new Map();
    }
    // A copy as the key: the text may be a slice that would keep a whole document in memory.
    recent.set(own(text), address);
  }
  return address;
}

function read(text: string): Address {
  if (text.length > ADDRESS_OCTETS || Buffer.byteLength(text) > ADDRESS_OCTETS) {
    throw invalid(`it is longer than ${ADDRESS_OCTETS} octets`);
  }
  const at = text.lastIndexOf('@');
  if (at < 0) {
    throw invalid('it has no "@"');
  }
  const domain = own(text.slice(at + 1).toLowerCase());
  const literal = isLiteral(domain);
  if (!literal && !isDomain(domain)) {
    throw invalid('what follows the "@" is not a domain name');
  }
  const { base, rest } = unquote(text.slice(0, at));
  const baseLocal = own(localOf(base, undefined));
  const local = rest === undefined ? baseLocal : own(localOf(base, rest));
  const key = own(`${local}@${domain}`);
  const service = RESERVED.test(base);
  return {
    key,
    local,
    domain,
    base: rest === undefined ? key : own(`${baseLocal}@${domain}`),
    service,
    wellKnown: service ? own(local.toLowerCase()) : undefined,
    apexOnly: literal || BEYOND_ASCII.test(local),
  };
}

/** Returns the two sides of the `/` in a local part, without quotes; `rest` is undefined if there is no subaddress. */
export function wordsOf({ local }: Address): { base: string; rest: string | undefined } {
  return unquote(local);
}

/** Returns the notation for a local part of these words. */
export function localOf(base: string, rest: string | undefined): string {
  const local = canonical(base, false);
  return rest === undefined ? local : `${local}/${rest === '' ? '' : canonical(rest, true)}`;
}

/** Splits at the first `/` outside quotes (D-CORE-02) and removes the quotes. */
function unquote(local: string): { base: string; rest: string | undefined } {
  let text = '';
  let slash = -1;
  let at = 0;
  while (at < local.length) {
    PIECE.lastIndex = at;
    const piece = PIECE.exec(local);
    if (piece === null) {
      const character = String.fromCodePoint(local.codePointAt(at) ?? 0);
      throw invalid(
        `the part before the "@" contains ${JSON.stringify(character)}, which must be quoted or is not allowed`,
      );
    }
    const [atom, quoted] = piece;
    if (quoted === undefined && slash < 0 && atom.includes('/')) {
      slash = text.length + atom.indexOf('/');
    }
    text += quoted === undefined ? atom : quoted.replace(/\\(.)/g, '$1');
    at = PIECE.lastIndex;
  }
  dots(local);
  const base = slash < 0 ? text : text.slice(0, slash);
  if (base === '') {
    throw invalid('nothing precedes the "@" or "/"');
  }
  return { base, rest: slash < 0 ? undefined : text.slice(slash + 1) };
}

/** RFC 822 §6.1: dots separate words, so none is at an end and no two are adjacent. */
function dots(local: string): void {
  const words = local.replace(/"(?:[^"\\]|\\.)*"/g, 'q');
  if (/^\.|\.\.|\.$/.test(words)) {
    throw invalid('a dot in the part before the "@" is the first, the last, or follows another');
  }
}

/** Quotes a word only if necessary, so that equal names are equal strings. A quoted `/` does not separate. */
function canonical(text: string, slashes: boolean): string {
  return DOT_ATOM.test(text) && (slashes || !text.includes('/')) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** Returns a string that shares no memory with the one that it was cut from. */
function own(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

function invalid(why: string): RemoteProtocolError {
  return new RemoteProtocolError('ADDRESS_INVALID', `not an address: ${why}`, {
    reply: { code: 553, text: `the address is not local@domain: ${why}` },
  });
}
