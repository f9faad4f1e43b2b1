/** Section `mesh` of a configuration file: routes to neighbours, DNS, siblings, and relays trusted beyond their domain. */
import * as z from 'zod';
import { DIALECTS } from './dialects.js';
import { MECHANISMS, QOPS } from './sasl-names.js';
import {
  distinct,
  domainPatternSchema,
  domainSchema,
  identitySchema,
  portSchema,
  relayUrlSchema,
  usernameSchema,
} from './values.js';

const NAME_SERVER = /^(?:\d+(?:\.\d+){3}(?::\d+)?|[0-9A-Fa-f:]+|\[[0-9A-Fa-f:]+\](?::\d+)?)$/;

/** A user name without a password proves nothing; without both the certificate authenticates this node. */
function together(
  value: { readonly username?: string | undefined; readonly passwordFile?: string | undefined },
  context: z.RefinementCtx,
): void {
  if ((value.username === undefined) === (value.passwordFile === undefined)) return;
  const missing = value.username === undefined ? 'username' : 'passwordFile';
  context.addIssue({
    code: 'custom',
    path: [],
    message: `"${missing}" is missing: user name and password belong together`,
  });
}

const credentials = (path: z.ZodType<string, string>) =>
  z
    .strictObject({
      username: usernameSchema
        .optional()
        .describe(
          'user name: usually imxp=mesh@ and a domain of this node, or apex=mesh@ for a neighbour that supports only APEX',
        ),
      passwordFile: path.optional().describe('file whose first line is the password'),
      mechanisms: z
        .array(z.enum(MECHANISMS))
        .min(1)
        .superRefine(distinct((name) => name, 'the mechanism'))
        .optional()
        .describe(
          'the only mechanisms that may be used, whatever else the neighbour offers; default: all but ANONYMOUS',
        ),
      qops: z
        .array(z.enum(QOPS))
        .min(1)
        .superRefine(distinct((name) => name, 'the protection'))
        .optional()
        .describe('qualities of protection that may be used without TLS; default: auth'),
    })
    .superRefine(together);

/** A route without relays of its own only says over which domain it goes. */
function relaysOrVia(
  { relays, via, ...link }: { readonly relays?: unknown; readonly via?: unknown; readonly [key: string]: unknown },
  context: z.RefinementCtx,
): void {
  const issue = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message });
  if (relays !== undefined) return;
  if (via === undefined) issue('relays', 'is missing: an array is needed, or "via" with a domain to go over');
  for (const key of ['tls', 'credentials', 'lanes', 'dialect'] as const) {
    if (via === undefined || link[key] === undefined) continue;
    issue(key, `has no meaning without "relays": the link is that to "${via}"`);
  }
}

const route = (path: z.ZodType<string, string>) =>
  z.strictObject({
    domain: domainPatternSchema.describe(
      'a domain, "*.suffix" for all domains below it, or "*" for all domains without another route',
    ),
    relays: z
      .array(relayUrlSchema)
      .min(1)
      .superRefine(distinct((relay) => relay.url, 'the relay'))
      .optional()
      .describe('URLs of the relays of the domain, or of "via", tried in this order'),
    via: domainSchema
      .optional()
      .describe(
        'domain of an intermediary that forwards to the domain: its relays are asked for by this name and prove it; without "relays" they are those of its own route or of the DNS',
      ),
    tls: z
      .enum(['off', 'prefer', 'require'])
      .optional()
      .describe(
        'whether the link must use TLS, with a certificate that names the domain, or that of "via"; default: "require"',
      ),
    credentials: credentials(path)
      .optional()
      .describe('credentials of this node at the neighbour; default: its certificate'),
    lanes: z.int().min(1).max(64).optional().describe('channels of this link; default: limits.link.lanes'),
    dialect: z
      .enum(DIALECTS)
      .optional()
      .describe('dialect of this link; default: what the neighbour offers, preferably imxp'),
  });

/** @param path turns a path of the file into an absolute one */
export const meshSchema = (path: z.ZodType<string, string>) =>
  z
    .strictObject({
      routes: z
        .array(
          route(path)
            .superRefine(relaysOrVia)
            // Confidentiality between relays is mandatory (message-service-01 §6.1); anything less is a deliberate
            // decision.
            .transform((value) => ({ ...value, tls: value.tls ?? ('require' as const) })),
        )
        .superRefine(distinct((entry) => entry.domain, 'the route'))
        .default([]),
      dns: z
        .strictObject({
          enabled: z
            .boolean()
            .default(true)
            .describe(
              'whether domains without a route are looked up in the DNS (SRV _imxp-mesh._tcp, else _im._imxp, _pres._imxp or _apex-mesh._tcp)',
            ),
          servers: z
            .array(z.string().regex(NAME_SERVER, 'not address or address:port'))
            .default([])
            .describe('name servers; default: those of the system'),
          dane: z
            .enum(['off', 'opportunistic', 'required'])
            .default('off')
            .describe(
              'whether relays are proven by TLSA records that DNSSEC has validated (RFC 7673), instead of by a CA; "opportunistic": those that have such records; "required": all, others are not used',
            ),
          validating: z
            .array(z.string().regex(NAME_SERVER, 'not address or address:port'))
            .default([])
            .describe(
              'name servers whose word that an answer was validated by DNSSEC is believed, beside those on this machine; the way to them must be safe',
            ),
          tls: z
            .enum(['off', 'prefer', 'require'])
            // Otherwise an attacker who controls the DNS answers could impersonate any relay.
            .default('require')
            .describe('whether links to relays found by DNS must use TLS, with a certificate that names the domain'),
          credentials: credentials(path)
            .optional()
            .describe('credentials of this node at relays found by DNS; default: its certificate'),
          defaultPort: portSchema
            .min(1)
            .optional()
            .describe(
              'port on which domains with an address but without SRV records are tried; default: they have no relay',
            ),
        })
        .prefault({}),
      siblings: z
        .array(
          z.strictObject({
            relays: z
              .array(relayUrlSchema)
              .min(1)
              .superRefine(distinct((relay) => relay.url, 'the relay'))
              .describe('URLs of one relay, tried in this order'),
            tls: z
              .enum(['off', 'prefer', 'require'])
              .default('require')
              .describe('whether the link must use TLS, with a certificate that names the domain'),
            credentials: credentials(path)
              .optional()
              .describe('credentials of this node there, as a relay of its own domain; default: its certificate'),
            lanes: z.int().min(1).max(64).optional().describe('channels of this link; default: limits.link.lanes'),
          }),
        )
        .superRefine(distinct((sibling) => sibling.relays[0]?.url, 'the relay'))
        .default([])
        .describe('other relays of the same domains, which are asked for endpoints that are not attached here'),
      trusted: z
        .array(identitySchema)
        .default([])
        .describe('identities of relays that may forward Data operations of originators in any domain'),
    })
    .prefault({});
