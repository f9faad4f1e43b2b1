/**
 * Schema of a configuration file: every key with its default and the reason for it. Turns `unknown` into values that
 * need no further checks. Reads no files.
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

/** A domain, compared without regard to case and therefore converted to lower case. */
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
/** An authenticated identity: an address such as `imxp=mesh@rubble.com`, or a domain. */
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

/** Refuses the second of two equal entries, because its author surely meant something else. */
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
    .describe('how peers connect; "any" accepts BEEP over TCP and WebSocket, with TLS or without, on one port'),
  // Listening on every interface should be a deliberate decision, so it is never the default.
  host: host.default('127.0.0.1').describe('address to listen on; by default only this machine can connect'),
  port: port.describe('port to listen on; 0 takes any free port'),
  path: z
    .string()
    .regex(/^\/[^\s?#]*$/, 'not a path such as /imxp')
    .optional()
    .describe('path of the WebSocket; default: /'),
  origins: z
    .array(z.string().regex(/^(?:\*|https?:\/\/[^\s/]+)$/, 'not an origin such as https://example.com'))
    // Any page may open WebSockets from inside the networks of its visitors (RFC 6455 §10.2).
    .optional()
    .describe('origins of web pages that may connect, * for all; default: only those of the same host'),
});

const sasl = z.strictObject({
  mechanisms: z
    .array(z.enum(MECHANISMS))
    .superRefine(distinct((name) => name, 'the mechanism'))
    // Every endpoint must support DIGEST-MD5 (message-service-01 §6.1); EXTERNAL costs nothing without certificates.
    .default(['DIGEST-MD5', 'EXTERNAL'])
    .describe('SASL mechanisms offered to peers; an empty list offers none'),
  realm: z
    .string()
    .regex(/^[\x20-\x7e]*$/)
    .regex(/^[^"\\]+$/, 'must not contain " or \\')
    .optional()
    .describe('one realm for all domains; default: the domain that the peer asked for'),
  qops: z
    .array(z.enum(QOPS))
    .min(1)
    .superRefine(distinct((name) => name, 'the protection'))
    // The security layers of DIGEST-MD5 use MD5 and 3DES or RC4; TLS is better if the peer supports it.
    .default(['auth'])
    .describe('qualities of protection that DIGEST-MD5 offers on sessions without TLS; under TLS always auth'),
  serverNames: z
    .array(host.transform(lower))
    .default([])
    .describe(
      'host names and addresses of this relay beside those in its domains: accepted as serverName of a start, where they stand for no domain, and in digest-uri (beep/<name>), which names one of them or a domain if there are any here',
    ),
});

const store = (path: z.ZodType<string, string>) =>
  z
    .discriminatedUnion('type', [
      z.strictObject({
        type: z.literal('lmdb'),
        path: path.describe('directory of the store; created if it does not exist, accessible only to its owner'),
      }),
      z
        .strictObject({ type: z.literal('memory') })
        .describe('keeps everything in memory and loses it at the end; for trials'),
    ])
    .prefault({ type: 'lmdb', path: 'var' });

const tls = (path: z.ZodType<string, string>) =>
  z
    .strictObject({
      certificate: path
        .optional()
        .describe('PEM file with the certificate of this relay, followed by intermediate certificates'),
      key: path.optional().describe('PEM file with its private key'),
      authority: path.optional().describe("PEM file of trusted CAs; default: Node's bundled list"),
      require: z
        .enum(['never', 'mesh', 'always'])
        .optional()
        .describe(
          'which peers must use TLS: none, relays, or all; default: "mesh" (relays) if there is a certificate, else "never"',
        ),
      legacy: z
        .boolean()
        .default(false)
        .describe('also offer the cipher suites of the year 2000, which are no longer secure'),
      revoked: path.optional().describe('PEM or DER file with a certificate revocation list signed by the authority'),
      domains: z
        .record(
          domain,
          z.strictObject({
            certificate: path.describe('PEM file with the certificate of this domain'),
            key: path.describe('PEM file with its private key'),
          }),
        )
        .default({})
        .describe('certificates of single domains, if one certificate does not name all domains'),
    })
    .superRefine((value, context) => {
      if ((value.certificate === undefined) !== (value.key === undefined)) {
        const missing = value.key === undefined ? 'key' : 'certificate';
        context.addIssue({
          code: 'custom',
          path: [],
          message: `"${missing}" is missing: certificate and key belong together`,
        });
      }
      const some = value.certificate !== undefined || Object.keys(value.domains).length > 0;
      if (!some && value.require !== undefined && value.require !== 'never') {
        context.addIssue({
          code: 'custom',
          path: ['require'],
          message: `"${value.require}" needs "certificate" and "key"; imxp certs creates them`,
        });
      }
    })
    .transform((value) => {
      const some = value.certificate !== undefined || Object.keys(value.domains).length > 0;
      // A relay that cannot offer TLS would otherwise refuse every peer.
      return { ...value, require: value.require ?? (some ? ('mesh' as const) : ('never' as const)) };
    })
    .prefault({});

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
      username: z
        .string()
        .min(1)
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

const route = (path: z.ZodType<string, string>) =>
  z.strictObject({
    domain: domainPattern.describe(
      'a domain, "*.suffix" for all domains below it, or "*" for all domains without another route',
    ),
    relays: z
      .array(relayUrl)
      .min(1)
      .superRefine(distinct((relay) => relay.url, 'the relay'))
      .describe('URLs of the relays of the domain, tried in this order'),
    tls: z
      .enum(['off', 'prefer', 'require'])
      // Confidentiality between relays is mandatory (message-service-01 §6.1); anything less is a deliberate decision.
      .default('require')
      .describe('whether the link must use TLS, with a certificate that names the domain'),
    credentials: credentials(path)
      .optional()
      .describe('credentials of this node at the neighbour; default: its certificate'),
    lanes: z.int().min(1).max(64).optional().describe('channels of this link; default: limits.link.lanes'),
    dialect: z
      .enum(DIALECTS)
      .optional()
      .describe('dialect of this link; default: what the neighbour offers, preferably imxp'),
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
            .describe(
              'whether domains without a route are looked up in the DNS (SRV _imxp-mesh._tcp, else _apex-mesh._tcp)',
            ),
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
            .describe('name servers; default: those of the system'),
          tls: z
            .enum(['off', 'prefer', 'require'])
            // Otherwise whoever controls the DNS answers would be believed in everything.
            .default('require')
            .describe('whether links to relays found by DNS must use TLS, with a certificate that names the domain'),
          credentials: credentials(path)
            .optional()
            .describe('credentials of this node at relays found by DNS; default: its certificate'),
          defaultPort: port
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
              .array(relayUrl)
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
        .array(identity)
        .default([])
        .describe('identities of relays that may forward Data operations of originators in any domain'),
    })
    .prefault({});

const policy = z
  .strictObject({
    bindCheck: z
      .enum(['off', 'address', 'address+port'])
      .optional()
      .describe(
        'whether the address of a binding relay is checked against the SRV records of its domain, and its port on sessions that this node opened; default: "address" if DNS is enabled',
      ),
    bindCheckAuthenticated: z
      .boolean()
      // A proof by password or certificate is stronger than an address.
      .default(false)
      .describe('whether relays that authenticated for the domain are checked as well'),
    relays: z.record(identity, z.array(domain)).default({}).describe('further domains that an identity may bind for'),
    attach: z
      .record(identity, z.array(address))
      .default({})
      .describe('further endpoints that an identity may attach as'),
    originators: z
      .record(address, z.array(address))
      .default({})
      .describe('further originators that an attached endpoint may send for'),
    statusRequest: z
      .enum(['on', 'border', 'off'])
      .default('on')
      .describe(
        'whether this relay reports delivery to originators who ask for it; "border": only for Data operations from or to other domains',
      ),
    dataTiming: z
      .enum(['on', 'border', 'off'])
      .default('on')
      .describe(
        'whether this relay enforces time limits of Data operations and reports on them; "border" as for statusRequest',
      ),
    hold4Endpoint: z
      .enum(['on', 'timed', 'off'])
      .default('on')
      .describe(
        'whether messages that ask for it are held for endpoints that are not attached; "timed": only messages with a time limit, within limits.offline.ageMs',
      ),
    attachOverride: z
      .enum(['on', 'off'])
      .default('on')
      .describe('whether an application may take over from another that is attached as the same endpoint'),
    hopLimit: z
      .int()
      .min(0)
      .max(255)
      // Relays that do not know the option ignore it; those that reject unknown options would fail the Data operation.
      .default(0)
      .describe(
        'relays that a Data operation of an endpoint here may pass if it sets no limit itself (dataHopping); 0 for any number',
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
            .describe('what the actor may do, as service:operation; "all" stands for every service or operation'),
        }),
      )
      // Anybody may write to an inbox; nobody may see presence until allowed (D-ACCESS-07).
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
      // People decide for themselves to be seen, unless the operator asks for something else.
      .default([])
      .describe(
        'addresses or patterns of endpoints whose presence is open while they are attached and closed otherwise; *@* for all',
      ),
  })
  .prefault({});

const compatibility = z
  .strictObject({
    draftNames: z
      .boolean()
      // They are always understood; a greeting twice as long helps only peers older than RFC 3080.
      .default(false)
      .describe('whether TLS and SASL are also offered under the profile names of the BEEP drafts of 2000'),
    dialects: z
      .array(z.enum(DIALECTS))
      .min(1)
      .superRefine(distinct((name) => name, 'the dialect'))
      .default([...DIALECTS])
      .describe('dialects offered to peers and used with neighbours that offer them, the preferred one first'),
  })
  .prefault({});

const admin = z.strictObject({
  host: host.default('127.0.0.1').describe('address to listen on for operators'),
  port: port.describe('port to listen on; 0 takes any free port'),
});

const log = z
  .strictObject({
    level: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
      .default('info')
      .describe('lowest level that is logged; debug logs a line for each Data operation'),
  })
  .prefault({});

/** Requires a server certificate for listeners that use TLS. */
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
    const message = '"wss" needs "tls" with "certificate" and "key"; imxp certs creates them';
    context.addIssue({ code: 'custom', path: ['listen', index, 'transport'], message });
  }
}

/** Returns the schema of a file in the directory `base`, which relative paths are relative to. */
export function nodeSchema(base: string) {
  const path = z
    .string()
    .min(1)
    .transform((text) => resolve(base, text));
  return z
    .strictObject({
      $schema: z.string().optional().describe('for editors; ignored'),
      domains: z
        .array(domain)
        .min(1)
        .superRefine(distinct((name) => name, 'the domain'))
        .describe('domains that this relay serves'),
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
      admin: admin.optional().describe('HTTP port for health, status and metrics; default: none'),
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

/** What a file may contain. */
export type NodeConfigInput = z.input<Schema>;
/** Configuration of a node: complete, checked, with absolute paths, deeply frozen. */
export type NodeConfig = DeepReadonly<z.output<Schema>>;

export type ListenConfig = NodeConfig['listen'][number];
export type TlsConfig = NodeConfig['tls'];
export type SaslConfig = NodeConfig['sasl'];
export type StoreConfig = NodeConfig['store'];
export type RouteConfig = NodeConfig['mesh']['routes'][number];
export type PolicyConfig = NodeConfig['policy'];
