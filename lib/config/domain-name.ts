/**
 * Domain names as people write them: international ones, in U-labels, become the A-labels that the DNS and the wire have
 * (RFC 5890 §2.3.2.1; mapped by UTS #46, as browsers do). Converts only: which names look alike is for people to judge.
 */
import { domainToASCII } from 'node:url';

const BEYOND_ASCII = /[^\0-\x7f]/;
/** What may stand beside characters beyond ASCII; anything else would be taken for the end of the name, or decoded. */
const OTHER = /[^A-Za-z0-9._\-\u0080-\u{10ffff}]/u;
const LABEL_OCTETS = 63;

/**
 * Returns a domain name in A-labels. What is in ASCII already is returned as it is, whether or not it is a domain name.
 *
 * @returns undefined for a name with characters beyond ASCII that has no A-labels
 */
export function asciiDomain(text: string): string | undefined {
  if (!BEYOND_ASCII.test(text)) return text;
  if (OTHER.test(text)) return undefined;
  const name = domainToASCII(text);
  // Full-width digits would become an IP address.
  if (name === '' || /(?:^|\.)\d+$/.test(name)) return undefined;
  return name.split('.').every((label) => label !== '' && label.length <= LABEL_OCTETS) ? name : undefined;
}

/** Like {@link asciiDomain} for a domain, `*.` and a domain, or `*`. */
export function asciiDomainPattern(text: string): string | undefined {
  if (!text.startsWith('*.')) return asciiDomain(text);
  const domain = asciiDomain(text.slice(2));
  return domain && `*.${domain}`;
}

/**
 * Returns an address, or a pattern of addresses, with its domain in A-labels. A local part stays as it is: only the
 * domain named by the address interprets it (RFC 3860 §3.1).
 *
 * @returns undefined for a domain with characters beyond ASCII that has no A-labels; a text without "@" as it is
 */
export function asciiAddress(text: string): string | undefined {
  const at = text.lastIndexOf('@') + 1;
  if (at === 0) return text;
  const domain = asciiDomainPattern(text.slice(at));
  return domain && text.slice(0, at) + domain;
}
