/** Values that occur in several sections of a configuration file: domains, addresses, ports, URLs of relays. */
import * as z from 'zod';
import { asciiAddress, asciiDomain, asciiDomainPattern } from './domain-name.js';
import { parseRelayUrl, type RelayLocation } from './relay-url.js';

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const DOMAIN = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`);
const PATTERN = new RegExp(`^(?:\\*|(?:\\*\\.)?${DOMAIN.source.slice(1, -1)})$`);
/** D-CORE-01: no white space; a local part with an `@` must be quoted. */
const ADDRESS = new RegExp(`^(?=.{3,1023}$)(?:[^\\s"@]+|"(?:[^"\\\\\\s]|\\\\\\S)+")@${DOMAIN.source.slice(1, -1)}$`);
const SERVICE = new RegExp(`^(?=.{3,1023}$)(?:imxp|apex)=[^\\s"@*/]+@${DOMAIN.source.slice(1, -1)}$`, 'i');

/** Options of parsing a value once: compiling the schema first, as zod does, would take twice as long as reading it. */
export const ONCE = { jitless: true } as const;

export const lower = (text: string): string => text.toLowerCase();

/** Only the domain of an address is compared without regard to case (D-CORE-01). */
const lowerDomain = (text: string): string => {
  const at = text.lastIndexOf('@') + 1;
  return text.slice(0, at) + lower(text.slice(at));
};

/** The pattern with characters beyond ASCII in the place of letters: for names as they are written, in U-labels. */
function typed({ source }: RegExp): RegExp {
  return new RegExp(source.replaceAll('A-Za-z0-9', 'A-Za-z0-9\\u0080-\\uffff'));
}

/**
 * A text with a domain in it, which may be written in U-labels.
 *
 * @param ascii puts it into A-labels
 * @param pattern of what that makes
 */
function named(ascii: (text: string) => string | undefined, pattern: RegExp, otherwise: string) {
  return z
    .string()
    .regex(typed(pattern), otherwise)
    .transform((text, context) => {
      const name = ascii(text);
      if (name !== undefined && pattern.test(name)) return name;
      context.addIssue({ code: 'invalid_format', format: 'regex', input: text, message: otherwise });
      return z.NEVER;
    });
}

/** A domain, compared without regard to case and therefore converted to lower case. */
export const domainSchema = named(asciiDomain, DOMAIN, 'not a domain name').transform(lower);
export const domainPatternSchema = named(
  asciiDomainPattern,
  PATTERN,
  'neither a domain, nor "*." and a domain, nor "*"',
).transform(lower);
/** `local@domain`. */
export const addressSchema = named(asciiAddress, ADDRESS, 'not an address of the form local@domain').transform(
  lowerDomain,
);
/** An address, or a pattern with `*` for the local part, the domain or both. */
export const addressPatternSchema = named(
  asciiAddress,
  /^[^@]+@(?:\*|[^@*]+)$/,
  'neither an address nor a pattern such as *@example.com',
).transform(lowerDomain);
/** An actor of an access entry, or `owner`. */
export const actorSchema = named(asciiAddress, /./, 'neither an address nor a pattern of addresses');
/** The name with which somebody logs in. */
export const usernameSchema = named(asciiAddress, /./, 'not a user name');
/** A well-known endpoint of a service, such as `imxp=presence@example.com`; written with its name in IMXP. */
export const serviceSchema = named(asciiAddress, SERVICE, 'not a service of the form imxp=name@domain').transform(
  (text) => `imxp=${lower(text.slice('imxp='.length))}`,
);
/** An authenticated identity: an address such as `imxp=mesh@rubble.com`, or a domain. */
export const identitySchema = z.union([addressSchema, domainSchema], 'neither an address nor a domain name');

export const hostSchema = named(asciiDomain, /^[A-Za-z0-9.:_-]+$/, 'not a host name or address');
export const portSchema = z.int().min(0).max(65_535);

export const relayUrlSchema = z.string().transform((text, context): RelayLocation => {
  try {
    return parseRelayUrl(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
});

/** Refuses the second of two equal entries, because its author surely meant something else. */
export function distinct<T>(key: (item: T) => string | undefined, what: string) {
  return (items: readonly T[], context: z.RefinementCtx): void => {
    const seen = new Set<string>();
    for (const [index, item] of items.entries()) {
      const name = key(item);
      if (name === undefined) continue;
      if (seen.has(name)) context.addIssue({ code: 'custom', path: [index], message: `${what} is listed twice` });
      seen.add(name);
    }
  };
}
