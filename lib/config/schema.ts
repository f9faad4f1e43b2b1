/**
 * What a configuration file may say: every key with its default and the reason for it. Turns `unknown` into values that
 * nothing below has to check again. Reads no files and knows nobody who uses the values.
 */
import { resolve } from 'node:path';
import * as z from 'zod';
import { DIALECTS } from './dialects.js';
import { limitsSchema } from './limits.js';
import { parseRelayUrl, type RelayLocation, TRANSPORTS } from './relay-url.js';
import { MECHANISMS, QOPS } from './sasl-names.js';

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const DOMAIN = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`);
const PATTERN = new RegExp(`^(?:\\*|(?:\\*\\.)?${DOMAIN.source.slice(1, -1)})$`);
/** D-CORE-01: no white space; a local part with an `@` must be quoted. */
const ADDRESS = new RegExp(`^(?=.{3,1023}$)(?:[^\\s"@]+|"(?:[^"\\\\\\s]|\\\\\\S)+")@${DOMAIN.source.slice(1, -1)}$`);

const lower = (text: string): string => text.toLowerCase();

/** A domain, compared without regard to case and therefore kept in lower case. */
const domain = z.string().regex(DOMAIN, 'not a domain name').transform(lower);
const domainPattern = z.string().regex(PATTERN, 'neither a domain, nor "*." and a domain, nor "*"').transform(lower);
/** `local@domain`; only the domain is compared without regard to case (D-CORE-01). */
const address = z
  .string()
  .regex(ADDRESS, 'not an address of the form local@domain')
  .transform((text) => {
    const at = text.lastIndexOf('@');
    return text.slice(0, at) + lower(text.slice(at));
  });
/** Who a peer proved to be: an address such as `imxp=mesh@rubble.com`, or a domain. */
const identity = z.union([address, domain], 'neither an address nor a domain name');

const host = z.string().regex(/^[A-Za-z0-9.:_-]+$/, 'not a host name or address');
const port = z.int().min(0).max(65_535);

const relayUrl = z.string().transform((text, context): RelayLocation => {
  try {
    return parseRelayUrl(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
});

/** Refuses the second of two equal entries, as their author surely meant something else. */
function distinct<T>(key: (item: T) => string | undefined, what: string) {
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

const listen = z.strictObject({
  transport: z
    .enum([...TRANSPORTS, 'any'])
    .default('tcp')
    .describe('how peers connect; any: BEEP over TCP and WebSocket, with TLS or without, on one port'),
  // Every interface is a decision to be made on purpose, so it is never the default.
  host: host.default('127.0.0.1').describe('nothing listens beyond this machine unless you say so'),
  port: port.describe('0 takes any free port'),
  path: z
    .string()
    .regex(/^\/[^\s?#]*$/, 'not a path such as /imxp')
    .optional()
    .describe('where the WebSocket is; / without it'),
  origins: z
    .array(z.string().regex(/^(?:\*|https?:\/\/[^\s/]+)$/, 'not an origin such as https://example.com'))
    // Any page may open WebSockets from inside the networks of those who look at it (RFC 6455 §10.2).
    .optional()
    .describe('web pages whose browsers may connect, * for all; without it those of this host alone'),
});

const sasl = z.strictObject({
  mechanisms: z
    .array(z.enum(MECHANISMS))
    .superRefine(distinct((name) => name, 'the mechanism'))
    // DIGEST-MD5 is what every endpoint must support (message-service-01 §6.1); EXTERNAL costs nothing without certificates.
    .default(['DIGEST-MD5', 'EXTERNAL'])
    .describe('offered to peers; empty offers none'),
  realm: z
    .string()
    .regex(/^[\x20-\x7e]*$/)
    .regex(/^[^"\\]+$/, 'must not contain " or \\')
    .optional()
    .describe('one realm for all domains; without it the realm is the domain the peer asked for'),
  qops: z
    .array(z.enum(QOPS))
    .min(1)
    .superRefine(distinct((name) => name, 'the protection'))
    // The layers of DIGEST-MD5 rest on MD5 and on 3DES or RC4; TLS is better wherever a peer has it.
    .default(['auth'])
    .describe('protection DIGEST-MD5 offers to sessions without TLS: auth, auth-int, auth-conf; under TLS always auth'),
  serverNames: z
    .array(host.transform(lower))
    .default([])
    .describe('host names of this relay, accepted in digest-uri (beep/<name>) besides the domains'),
});

const store = (path: z.ZodType<string, string>) =>
  z
    .discriminatedUnion('type', [
      z.strictObject({
        type: z.literal('lmdb'),
        path: path.describe('a directory; made when missing, for its owner only'),
      }),
      z.strictObject({ type: z.literal('memory') }).describe('forgets everything at the end; for trials'),
    ])
    .prefault({ type: 'lmdb', path: 'var' });

const tls = (path: z.ZodType<string, string>) =>
  z
    .strictObject({
      certificate: path.optional().describe('PEM: the certificate of this relay, then intermediate ones'),
      key: path.optional().describe('PEM: its private key'),
      authority: path.optional().describe("PEM: whose certificates are believed; without it those of Node's list"),
      require: z
        .enum(['never', 'mesh', 'always'])
        .optional()
        .describe('who must use TLS: nobody, relays (the default where there is a certificate), everybody'),
      legacy: z.boolean().default(false).describe('also speak the suites of the year 2000, which are no longer safe'),
      revoked: path.optional().describe('PEM or DER: a revocation list signed by the authority'),
      domains: z
        .record(
          domain,
          z.strictObject({
            certificate: path.describe('PEM, for this domain'),
            key: path.describe('PEM, its private key'),
          }),
        )
        .default({})
        .describe('certificates for single domains, where one certificate does not name all'),
    })
    .superRefine((value, context) => {
      if ((value.certificate === undefined) !== (value.key === undefined)) {
        const missing = value.key === undefined ? 'key' : 'certificate';
        context.addIssue({
          code: 'custom',
          path: [],
          message: `"${missing}" is missing: certificate and key go together`,
        });
      }
      const some = value.certificate !== undefined || Object.keys(value.domains).length > 0;
      if (!some && value.require !== undefined && value.require !== 'never') {
        context.addIssue({
          code: 'custom',
          path: ['require'],
          message: `"${value.require}" needs "certificate" and "key"; imxp certs makes them`,
        });
      }
    })
    .transform((value) => {
      const some = value.certificate !== undefined || Object.keys(value.domains).length > 0;
      // A relay that cannot offer TLS would otherwise refuse every peer.
      return { ...value, require: value.require ?? (some ? ('mesh' as const) : ('never' as const)) };
    })
    .prefault({});

/** A name without a password proves nothing, and who has neither must want the certificate. */
function together(
  value: { readonly username?: string | undefined; readonly passwordFile?: string | undefined },
  context: z.RefinementCtx,
): void {
  if ((value.username === undefined) === (value.passwordFile === undefined)) return;
  const missing = value.username === undefined ? 'username' : 'passwordFile';
  context.addIssue({ code: 'custom', path: [], message: `"${missing}" is missing: name and password go together` });
}

const credentials = (path: z.ZodType<string, string>) =>
  z
    .strictObject({
      username: z
        .string()
        .min(1)
        .optional()
        .describe('usually imxp=mesh@ and a domain of this node; apex=mesh@ for a neighbour that speaks APEX only'),
      passwordFile: path.optional().describe('its first line is the password'),
      mechanisms: z
        .array(z.enum(MECHANISMS))
        .min(1)
        .superRefine(distinct((name) => name, 'the mechanism'))
        .optional()
        .describe('the only ones acceptable here, whatever else the neighbour offers; without it all but ANONYMOUS'),
      qops: z
        .array(z.enum(QOPS))
        .min(1)
        .superRefine(distinct((name) => name, 'the protection'))
        .optional()
        .describe('protection acceptable where there is no TLS; without it auth'),
    })
    .superRefine(together);

const route = (path: z.ZodType<string, string>) =>
  z.strictObject({
    domain: domainPattern.describe('a domain, "*.suffix" for all below it, or "*" for all that have no other route'),
    relays: z
      .array(relayUrl)
      .min(1)
      .superRefine(distinct((relay) => relay.url, 'the relay'))
      .describe('tried in this order'),
    tls: z
      .enum(['off', 'prefer', 'require'])
      // Confidentiality between relays is mandatory (message-service-01 §6.1); anything less is a decision.
      .default('require')
      .describe('whether the link must be under TLS, with a certificate that names the domain'),
    credentials: credentials(path).optional().describe('how this node logs in there; without it by its certificate'),
    lanes: z.int().min(1).max(64).optional().describe('channels of this link; limits.link.lanes without it'),
    dialect: z
      .enum(DIALECTS)
      .optional()
      .describe('spoken on this link; without it what the neighbour offers, imxp rather than apex'),
  });

const mesh = (path: z.ZodType<string, string>) =>
  z
    .strictObject({
      routes: z
        .array(route(path))
        .superRefine(distinct((entry) => entry.domain, 'the route'))
        .default([]),
      dns: z
        .strictObject({
          enabled: z
            .boolean()
            .default(true)
            .describe('look domains without a route up (SRV _imxp-mesh._tcp, else _apex-mesh._tcp)'),
          servers: z
            .array(
              z
                .string()
                .regex(
                  /^(?:\d+(?:\.\d+){3}(?::\d+)?|[0-9A-Fa-f:]+|\[[0-9A-Fa-f:]+\](?::\d+)?)$/,
                  'not address or address:port',
                ),
            )
            .default([])
            .describe('without any, those of the system'),
          tls: z
            .enum(['off', 'prefer', 'require'])
            // Whoever answers for the DNS would otherwise be believed in everything.
            .default('require')
            .describe(
              'whether links to relays found there must be under TLS, with a certificate that names the domain',
            ),
          credentials: credentials(path)
            .optional()
            .describe('how this node logs in at relays found there; without it by its certificate'),
          defaultPort: port
            .min(1)
            .optional()
            .describe('where domains with an address and no SRV record are tried; without it they have no relay'),
        })
        .prefault({}),
      siblings: z
        .array(
          z.strictObject({
            relays: z
              .array(relayUrl)
              .min(1)
              .superRefine(distinct((relay) => relay.url, 'the relay'))
              .describe('one relay; its addresses are tried in this order'),
            tls: z
              .enum(['off', 'prefer', 'require'])
              .default('require')
              .describe('whether the link must be under TLS, with a certificate that names the domain'),
            credentials: credentials(path)
              .optional()
              .describe('how this node logs in there, as relay of its own domain; without it by its certificate'),
            lanes: z.int().min(1).max(64).optional().describe('channels of this link; limits.link.lanes without it'),
          }),
        )
        .superRefine(distinct((sibling) => sibling.relays[0]?.url, 'the relay'))
        .default([])
        .describe('other relays of the same domains: asked for endpoints that are not attached here'),
      trusted: z.array(identity).default([]).describe('relays that may pass on Data of originators in any domain'),
    })
    .prefault({});

const policy = z
  .strictObject({
    bindCheck: z
      .enum(['off', 'address', 'address+port'])
      .optional()
      .describe(
        'compare a binding relay with the SRV records of its domain, the port only on sessions this node opened; "address" where DNS is enabled',
      ),
    bindCheckAuthenticated: z
      .boolean()
      // A proof by password or certificate is stronger than an address.
      .default(false)
      .describe('check relays that authenticated for the domain as well'),
    relays: z.record(identity, z.array(domain)).default({}).describe('identity to the further domains it may bind for'),
    attach: z
      .record(identity, z.array(address))
      .default({})
      .describe('identity to the further endpoints it may attach as'),
    originators: z
      .record(address, z.array(address))
      .default({})
      .describe('attached endpoint to the further originators it may send for'),
    statusRequest: z
      .enum(['on', 'border', 'off'])
      .default('on')
      .describe(
        'whether this relay reports to originators what became of their Data; "border" only on Data from or to other domains',
      ),
    dataTiming: z
      .enum(['on', 'border', 'off'])
      .default('on')
      .describe('whether this relay obeys time limits of Data and reports on them; "border" as for statusRequest'),
    hold4Endpoint: z
      .enum(['on', 'timed', 'off'])
      .default('on')
      .describe(
        'whether Data that ask for it are held for endpoints that are not attached; "timed" only those with a time limit, within limits.offline.ageMs',
      ),
    attachOverride: z
      .enum(['on', 'off'])
      .default('on')
      .describe('whether an application may take the place of another that is attached as the same endpoint'),
    hopLimit: z
      .int()
      .min(0)
      .max(255)
      // Relays that do not know the option ignore it; those that reject what they do not know would fail the Data.
      .default(0)
      .describe(
        'relays that Data of endpoints here may pass where they do not say so themselves (dataHopping); 0 for any number',
      ),
  })
  .prefault({});

const access = z
  .strictObject({
    initial: z
      .array(
        z.strictObject({
          actor: z.string().min(1).describe('an address, or a pattern such as *@*; "owner" for the account itself'),
          actions: z
            .array(z.string().regex(/^[a-z]+:[A-Za-z]+$/, 'not service:operation, such as core:data'))
            .min(1)
            .describe('what the actor may do, as service:operation; "all" stands for every one'),
        }),
      )
      // An inbox anybody may write to, presence nobody may see until allowed (D-ACCESS-07).
      .default([
        { actor: 'owner', actions: ['all:all'] },
        { actor: '*@*', actions: ['core:data'] },
      ])
      .describe('access entries of a new account'),
  })
  .prefault({});

const presence = z
  .strictObject({
    follow: z
      .array(
        z
          .string()
          .regex(/^[^@]+@(?:\*|[^@*]+)$/, 'neither an address nor a pattern such as *@example.com')
          .transform((text) => text.slice(0, text.lastIndexOf('@')) + lower(text.slice(text.lastIndexOf('@')))),
      )
      // Who is there is for each to say himself, unless he asks for something else.
      .default([])
      .describe('endpoints whose presence is open while they are attached and closed otherwise; *@* for all'),
  })
  .prefault({});

const compatibility = z
  .strictObject({
    draftNames: z
      .boolean()
      // They are always understood; a greeting twice as long helps only peers older than RFC 3080.
      .default(false)
      .describe('also offer TLS and SASL under the profile names of the BEEP drafts of 2000'),
    dialects: z
      .array(z.enum(DIALECTS))
      .min(1)
      .superRefine(distinct((name) => name, 'the dialect'))
      .default([...DIALECTS])
      .describe('offered to peers, and spoken with neighbours that offer them, the preferred first'),
  })
  .prefault({});

const admin = z.strictObject({
  host: host.default('127.0.0.1').describe('where operators ask'),
  port: port.describe('0 takes any free port'),
});

const log = z
  .strictObject({
    level: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
      .default('info')
      .describe('what is logged; debug has a line for each Data'),
  })
  .prefault({});

/** Who listens for TLS needs a certificate to be a server with. */
function certified(
  config: {
    readonly listen: readonly { readonly transport: string }[];
    readonly tls: { readonly certificate?: string | undefined; readonly domains: object };
  },
  context: z.RefinementCtx,
): void {
  if (config.tls.certificate !== undefined || Object.keys(config.tls.domains).length > 0) return;
  for (const [index, { transport }] of config.listen.entries()) {
    if (transport !== 'wss') continue;
    const message = '"wss" needs "tls" with "certificate" and "key"; imxp certs makes them';
    context.addIssue({ code: 'custom', path: ['listen', index, 'transport'], message });
  }
}

/** The schema of a file in the directory `base`, which relative paths are relative to. */
export function nodeSchema(base: string) {
  const path = z
    .string()
    .min(1)
    .transform((text) => resolve(base, text));
  return z
    .strictObject({
      $schema: z.string().optional().describe('for editors; not used'),
      domains: z
        .array(domain)
        .min(1)
        .superRefine(distinct((name) => name, 'the domain'))
        .describe('the domains this relay serves'),
      listen: z
        .array(listen)
        .min(1)
        .superRefine(
          distinct((entry) => (entry.port === 0 ? undefined : `${entry.host} ${entry.port}`), 'the address'),
        ),
      tls: tls(path),
      sasl: sasl.prefault({}),
      store: store(path),
      mesh: mesh(path),
      policy,
      access,
      presence,
      compatibility,
      admin: admin.optional().describe('health and metrics; none without it'),
      limits: limitsSchema.prefault({}),
      log,
    })
    .superRefine(certified)
    .transform(({ $schema: _, ...config }) => ({
      ...config,
      policy: { ...config.policy, bindCheck: config.policy.bindCheck ?? (config.mesh.dns.enabled ? 'address' : 'off') },
    }));
}

type Schema = ReturnType<typeof nodeSchema>;
type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** What may be written in a file. */
export type NodeConfigInput = z.input<Schema>;
/** What a node runs on: complete, checked, with absolute paths, frozen through and through. */
export type NodeConfig = DeepReadonly<z.output<Schema>>;

export type ListenConfig = NodeConfig['listen'][number];
export type TlsConfig = NodeConfig['tls'];
export type SaslConfig = NodeConfig['sasl'];
export type StoreConfig = NodeConfig['store'];
export type RouteConfig = NodeConfig['mesh']['routes'][number];
export type PolicyConfig = NodeConfig['policy'];
