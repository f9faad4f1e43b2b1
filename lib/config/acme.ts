/** Section `tls.acme` of a configuration file: certificates that the relay obtains and renews by itself (RFC 8555). */
import { join } from 'node:path';
import * as z from 'zod';
import { domainSchema, hostSchema, portSchema } from './values.js';

/** How a relay proves that a domain is its own (RFC 8555 §8, RFC 8737). */
export const CHALLENGES = ['http-01', 'tls-alpn-01', 'dns-01'] as const;
export type ChallengeType = (typeof CHALLENGES)[number];

/** @param path turns a path of the file into an absolute one */
export const acmeSchema = (path: z.ZodType<string, string>) =>
  z
    .strictObject({
      directory: z
        .url({ protocol: /^https$/, error: 'not an https URL' })
        .default('https://acme-v02.api.letsencrypt.org/directory')
        .describe("URL of the authority's ACME directory; default: Let's Encrypt"),
      // Nobody else can agree to a contract for the operator.
      agree: z.literal(true, 'must be true').describe('that you agree to the terms of service of the authority'),
      contact: z
        .email('not a mail address')
        .optional()
        .describe('mail address that the authority may write to; default: none'),
      challenge: z
        .enum(CHALLENGES)
        .default('http-01')
        .describe(
          'how the authority checks the domains: "http-01" asks port 80, "tls-alpn-01" asks port 443, "dns-01" looks for a TXT record',
        ),
      listen: z
        .strictObject({
          // Listening on every interface should be a deliberate decision, so it is never the default.
          host: hostSchema
            .prefault('127.0.0.1')
            .describe('address to listen on while an order is open; by default only this machine can connect'),
          port: portSchema.describe('port to listen on: the authority connects to port 80 or 443 of the domain'),
        })
        .optional()
        .describe('listener for "http-01" or "tls-alpn-01", open only while a certificate is ordered'),
      webroot: path
        .optional()
        .describe(
          'for "http-01" instead of "listen": directory of a web server of the domains; the proof is written to .well-known/acme-challenge in it',
        ),
      hook: path
        .optional()
        .describe('for "dns-01": program that is called as "HOOK add|remove NAME VALUE" to change a TXT record'),
      hosts: z
        .array(domainSchema)
        .default([])
        .describe(
          'further host names to be certified, for browsers: each is named in the certificate of the domain that it is below, else in the first',
        ),
      authority: path
        .optional()
        .describe(
          "PEM file of CAs that the ACME server's own certificate is checked with; default: Node's bundled list",
        ),
      keepKey: z
        .boolean()
        .default(false)
        .describe(
          'whether a renewed certificate has the key of the one before, so that a TLSA record of the key stays right; default: a new key each time',
        ),
      renewDays: z
        .int()
        .min(1)
        .max(365)
        // Time enough for people to act when the renewal fails.
        .default(30)
        .describe('days before the end at which a certificate is renewed, or a third of its validity if that is less'),
      path: path
        .optional()
        .describe('directory of the account key and the certificates; default: "acme" in the directory of the store'),
      externalAccount: z
        .strictObject({
          keyId: z.string().min(1).describe('identifier that the authority gave'),
          keyFile: path.describe('file with the key that the authority gave, base64url, on its first line'),
        })
        .optional()
        .describe('account with the authority that exists outside of ACME, where the authority requires one'),
    })
    .superRefine(({ challenge, listen, webroot, hook }, context) => {
      const fault = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message });
      if (challenge === 'dns-01') {
        if (hook === undefined) fault('challenge', '"dns-01" needs "hook", the program that changes the TXT record');
      } else if (hook !== undefined) fault('hook', 'has no effect without "challenge": "dns-01"');
      if (challenge === 'tls-alpn-01' && listen === undefined) fault('challenge', '"tls-alpn-01" needs "listen"');
      if (challenge === 'http-01' && (listen === undefined) === (webroot === undefined))
        fault('challenge', '"http-01" needs either "listen" or "webroot"');
      if (challenge !== 'http-01' && webroot !== undefined) fault('webroot', 'has no effect without "http-01"');
      if (challenge === 'dns-01' && listen !== undefined) fault('listen', 'has no effect with "dns-01"');
    });

type Schema = z.output<ReturnType<typeof acmeSchema>>;

export type AcmeConfig = Readonly<Omit<Schema, 'hosts'>> & { readonly hosts: readonly string[] };

interface Certified {
  readonly domains: readonly string[];
  readonly tls: {
    readonly acme?: { readonly path?: string | undefined; readonly hosts: readonly string[] } | undefined;
    readonly domains: Readonly<Record<string, object>>;
  };
  readonly store: { readonly type: string; readonly path?: string };
}

/** Directory of the account key and the certificates; undefined if there is none, which the schema reports. */
export function acmePath({ tls, store }: Certified): string | undefined {
  if (tls.acme?.path !== undefined) return tls.acme.path;
  return store.path === undefined ? undefined : join(store.path, 'acme');
}

/** The domains that a certificate is obtained for, and the names in each of them, the domain first. */
export function acmeNames({ domains, tls }: Certified): ReadonlyMap<string, readonly string[]> {
  const own = domains.filter((domain) => tls.domains[domain] === undefined);
  const names = new Map(own.map((domain) => [domain, [domain]]));
  for (const host of tls.acme?.hosts ?? []) {
    const above = own.filter((domain) => host.endsWith(`.${domain}`)).sort((a, b) => b.length - a.length)[0] ?? own[0];
    const list = above === undefined ? undefined : names.get(above);
    if (list !== undefined && !list.includes(host) && !names.has(host)) list.push(host);
  }
  return names;
}
