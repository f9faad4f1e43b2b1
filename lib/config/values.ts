/** Values that occur in several sections of a configuration file: domains, addresses, ports, URLs of relays. */
import * as z from 'zod';
import { parseRelayUrl, type RelayLocation } from './relay-url.js';

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const DOMAIN = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`);
const PATTERN = new RegExp(`^(?:\\*|(?:\\*\\.)?${DOMAIN.source.slice(1, -1)})$`);
/** D-CORE-01: no white space; a local part with an `@` must be quoted. */
const ADDRESS = new RegExp(`^(?=.{3,1023}$)(?:[^\\s"@]+|"(?:[^"\\\\\\s]|\\\\\\S)+")@${DOMAIN.source.slice(1, -1)}$`);

export const lower = (text: string): string => text.toLowerCase();

/** A domain, compared without regard to case and therefore converted to lower case. */
export const domainSchema = z.string().regex(DOMAIN, 'not a domain name').transform(lower);
export const domainPatternSchema = z
  .string()
  .regex(PATTERN, 'neither a domain, nor "*." and a domain, nor "*"')
  .transform(lower);
/** `local@domain`; only the domain is compared without regard to case (D-CORE-01). */
export const addressSchema = z
  .string()
  .regex(ADDRESS, 'not an address of the form local@domain')
  .transform((text) => {
    const at = text.lastIndexOf('@');
    return text.slice(0, at) + lower(text.slice(at));
  });
/** An authenticated identity: an address such as `imxp=mesh@rubble.com`, or a domain. */
export const identitySchema = z.union([addressSchema, domainSchema], 'neither an address nor a domain name');

export const hostSchema = z.string().regex(/^[A-Za-z0-9.:_-]+$/, 'not a host name or address');
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
