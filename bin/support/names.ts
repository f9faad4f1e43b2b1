/**
 * Names on the command line: addresses, also as `im:` and `pres:` URIs, actors and domains. Domains may be written in
 * U-labels; what goes on has A-labels, and what is shown has both.
 */
import { domainToUnicode } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { asciiAddress, asciiDomainPattern } from '../../lib/config/domain-name.js';
import { givenAddress, wireAddress } from '../../lib/endpoint/address.js';
import { LocalError } from '../../lib/errors.js';
import { addressOfUri } from '../../lib/message/uri.js';
import { type Composition, compositionOf, uriOfTyped } from '../../lib/message/uri-composition.js';
import { harmless } from '../../lib/ops/terminal.js';

/** Turns an error of a parser into an error about the argument. */
export function argument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
  };
}

const URI = /^(?:im|pres):/i;

/** @returns the URI, undefined for a text that is none */
function uriIn(text: string): string | undefined {
  // No address begins like this: a colon in a local part must be quoted.
  if (!URI.test(text)) return undefined;
  const uri = uriOfTyped(text);
  return uri ?? wireAddress(text);
}

/** Parses an address, or an im: or pres: URI that names one. */
export const addressArgument = argument(addressIn);

/** @throws ImxpError */
export function addressIn(text: string): string {
  const uri = uriIn(text);
  const address = uri === undefined ? wireAddress(text) : addressOfUri(uri);
  givenAddress(address);
  return address;
}

/** Collects addresses. */
export function severalAddresses(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), addressArgument(text)];
}

/** Parses a URI; an im: or pres: URI is put into characters that a URI may have. */
export const uriArgument = argument((text) => uriIn(text) ?? text);

/** Whom to write to, and what a URI gives beside that. */
export type Recipients = Pick<Composition, 'to'> & Partial<Composition>;

/** Parses an address, or an im: or pres: URI with any number of them and with headers. */
export const recipientsArgument = argument((text): Recipients => {
  const uri = uriIn(text);
  return uri === undefined ? { to: [{ address: addressIn(text), phrase: undefined }] } : compositionOf(uri);
});

/** Collects the values of an option that may be repeated. */
export function severalRecipients(text: string, earlier: readonly Recipients[] | undefined): readonly Recipients[] {
  return [...(earlier ?? []), recipientsArgument(text)];
}

/** Parses an actor of an access entry: an address, a URI or a pattern. What is none of these is refused later. */
export const actorArgument = argument((text) => (uriIn(text) === undefined ? wireAddress(text) : addressIn(text)));

/** Parses the name of an account, or of an identity: an address, a URI, or the domain of a relay. */
export const accountArgument = argument(accountIn);

/** @throws ImxpError for a domain that is not valid */
export function accountIn(text: string): string {
  if (uriIn(text) !== undefined) return addressIn(text);
  return valid(text.includes('@') ? asciiAddress(text) : asciiDomainPattern(text));
}

/** Parses a domain. */
export const domainArgument = argument((text) => valid(asciiDomainPattern(text)));

/** Collects domains or hosts. */
export function severalDomains(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), domainArgument(text)];
}

function valid(name: string | undefined): string {
  if (name !== undefined) return name;
  throw new LocalError('ADDRESS_INVALID', 'it is not a domain name, not even an international one');
}

const A_LABEL = /xn--[a-z0-9-]+/i;
const DOMAIN_AT_END = /[a-z0-9_-]*(?:\.[a-z0-9_-]+)*$/i;

/** Returns an address, an actor or a domain with its A-labels as U-labels; undefined for one without any. */
export function inUnicode(name: string): string | undefined {
  if (!A_LABEL.test(name)) return undefined;
  const domain = DOMAIN_AT_END.exec(name)?.[0] ?? '';
  const unicode = domainToUnicode(domain);
  if (unicode === '' || unicode === domain.toLowerCase()) return undefined;
  return harmless(name.slice(0, name.length - domain.length) + unicode);
}

/** Returns a name for people, with the U-labels beside the A-labels: these say which domain it is, those how it reads. */
export function shownName(name: string): string {
  const unicode = inUnicode(name);
  return unicode === undefined ? harmless(name) : `${harmless(name)} (${unicode})`;
}
