/**
 * Schema of a configuration file: every key with its default and the reason for it. Turns `unknown` into values that
 * need no further checks. Reads no files.
 */
import { resolve } from 'node:path';
import * as z from 'zod';
import { clusterable, clusterSchema } from './cluster.js';
import { DIALECTS } from './dialects.js';
import { limitsSchema } from './limits-schema.js';
import { meshSchema } from './mesh.js';
import { TRANSPORTS } from './relay-url.js';
import { MECHANISMS, QOPS } from './sasl-names.js';
import { nodeStoreSchema } from './store.js';
import { hasCertificate, tlsSchema } from './tls.js';
import {
  actorSchema,
  addressPatternSchema,
  addressSchema,
  distinct,
  domainSchema,
  hostSchema,
  identitySchema,
  lower,
  portSchema,
  serviceSchema,
} from './values.js';

/** Processes that have the sessions of peers. */
export const MOST_WORKERS = 256;

const listen = z.strictObject({
  transport: z
    .enum([...TRANSPORTS, 'any'])
    .default('tcp')
    .describe('how peers connect; "any" accepts BEEP over TCP and WebSocket, with TLS or without, on one port'),
  // Listening on every interface should be a deliberate decision, so it is never the default.
  host: hostSchema.prefault('127.0.0.1').describe('address to listen on; by default only this machine can connect'),
  port: portSchema.describe('port to listen on; 0 takes any free port'),
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
  web: z
    .strictObject({
      path: z
        .string()
        .regex(/^\/(?:[\w.~-]+\/)*[\w.~-]*$/, 'not a path such as /chat')
        .describe('path of the chat page; it must differ from the path of the WebSocket'),
    })
    .optional()
    .describe('chat page for browsers, which connects to the WebSocket of this listener; default: none'),
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
    .array(hostSchema.transform(lower))
    .default([])
    .describe(
      'host names and addresses of this relay beside those in its domains: accepted as serverName of a start, where they stand for no domain, and in digest-uri (beep/<name>), which names one of them or a domain if there are any here',
    ),
});

const sharedDelivery = z.enum(['first', 'latest', 'all', 'one']);
const DELIVERY_FORMS = 'neither one of first, latest, all and one, nor a list of rules';
const deliveryRules = z.array(
  z.strictObject({
    addresses: z
      .array(addressPatternSchema)
      .min(1)
      .optional()
      .describe('addresses and patterns of them that the rule is for; default: all that no rule before it matches'),
    delivery: sharedDelivery.describe('who receives for them'),
  }),
);

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
    relays: z
      .record(identitySchema, z.array(domainSchema))
      .default({})
      .describe('further domains that an identity may bind for'),
    attach: z
      .record(identitySchema, z.array(addressSchema))
      .default({})
      .describe(
        'further endpoints that an identity may attach as, each with its subaddresses; "*@domain" for every endpoint of the domain and for the domain as a whole, "imxp=*@domain" for its services',
      ),
    originators: z
      .record(addressSchema, z.array(addressSchema))
      .default({})
      .describe('further originators, or patterns of them, that an attached endpoint may send for'),
    services: z
      .record(serviceSchema, z.literal('application'))
      .default({})
      .describe('well-known endpoints that an attached application serves, instead of the service of this relay'),
    gateways: z
      .record(domainSchema, addressSchema)
      .default({})
      .describe(
        'domains served here with the identity to which all their endpoints and services belong; it attaches as "*@domain"',
      ),
    delivery: z
      .union([sharedDelivery, deliveryRules], {
        error: ({ input }) => (Array.isArray(input) ? undefined : DELIVERY_FORMS),
      })
      // core-01 §4.4.4.1 step 3.3 asks for an application that is attached as the recipient.
      .default('first')
      .describe(
        'who receives for fred@example.com while only programs under subaddresses of it (fred/laptop@example.com) are attached: "first" nobody, since the first program that attaches as the address itself receives for it; "latest" the program that attached last; "all" each of them; "one" one of them in turn, and the next where that one is busy or gone. A list of rules says it by address, the first that matches counts: [{"addresses": ["orders@example.com"], "delivery": "one"}, {"delivery": "latest"}]. Programs that only send receive nothing; those that attach as a queue group share what arrives whatever is said here',
      ),
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
    anonymous: z
      .boolean()
      // Nobody vouches for them, and they cost as much as others.
      .default(false)
      .describe(
        'whether peers that use SASL ANONYMOUS may attach as anonymous/RANDOM, to subscribe to presence and to send, where access entries name anonymous/*; needs ANONYMOUS in sasl.mechanisms',
      ),
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
          actor: actorSchema.describe('an address, or a pattern such as *@*; "owner" for the account itself'),
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
      .array(addressPatternSchema)
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

const originSchema = z
  .string()
  .regex(/^https?:\/\/(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d{1,5})?$/i, 'not an origin such as http://10.0.0.2:9913')
  .transform(lower);

const admin = (path: z.ZodType<string, string>) =>
  z.strictObject({
    host: hostSchema.prefault('127.0.0.1').describe('address to listen on for operators'),
    port: portSchema.describe('port to listen on; 0 takes any free port'),
    api: z
      .strictObject({
        tokens: path.describe('JSON file of tokens: their names, roles, accounts and SHA-256 digests'),
      })
      .optional()
      .describe('HTTP API for programs and operators who have a token; default: none'),
    nodes: z
      .array(originSchema)
      .default([])
      .describe('admin ports of other nodes that the console of this one shows, such as http://10.0.0.2:9913'),
    origins: z
      .array(originSchema)
      .default([])
      .describe('consoles of other nodes that may ask here from a browser, such as http://10.0.0.1:9913'),
  });

const webhook = (path: z.ZodType<string, string>) =>
  z.strictObject({
    account: addressSchema.describe('account whose messages are posted; nothing else can be attached as it then'),
    url: z
      .url({ protocol: /^https?$/, error: 'not a URL such as https://bot.example.com/messages' })
      .refine((text) => !/^https?:\/\/[^/?#]*@/i.test(text), 'must not contain a user name or a password')
      .describe('where to post them; redirects are not followed'),
    secret: path.describe('file whose first line is the secret that signs the requests, as text or whsec_ and base64'),
    authority: path.optional().describe("PEM file of trusted CAs for the target; default: Node's bundled list"),
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
    readonly tls: Parameters<typeof hasCertificate>[0];
  },
  context: z.RefinementCtx,
): void {
  if (hasCertificate(config.tls)) return;
  for (const [index, { transport }] of config.listen.entries()) {
    if (transport !== 'wss') continue;
    const message = '"wss" needs "tls" with "certificate" and "key", which imxp certs creates, or with "acme"';
    context.addIssue({ code: 'custom', path: ['listen', index, 'transport'], message });
  }
}

/** Requires a WebSocket for a page, at a path of its own. */
function paged(
  { listen: listeners }: { readonly listen: readonly z.output<typeof listen>[] },
  context: z.RefinementCtx,
): void {
  for (const [index, { transport, path = '/', web }] of listeners.entries()) {
    if (web === undefined) continue;
    const fault = (message: string): void =>
      context.addIssue({ code: 'custom', path: ['listen', index, 'web'], message });
    if (transport === 'tcp') fault('needs the transport "ws", "wss" or "any": browsers connect by WebSocket');
    const page = web.path.replace(/\/$/, '');
    if (page === path.replace(/\/$/, '') || path.startsWith(`${page}/`))
      fault(`the WebSocket is at ${path}: give the page or the WebSocket another path`);
  }
}

/** Requires the mechanism that anonymous peers use. */
function anonymousMechanism(
  {
    policy: { anonymous },
    sasl: { mechanisms },
  }: { readonly policy: { readonly anonymous: boolean }; readonly sasl: { readonly mechanisms: readonly string[] } },
  context: z.RefinementCtx,
): void {
  if (!anonymous || mechanisms.includes('ANONYMOUS')) return;
  const message = 'needs "ANONYMOUS" in "sasl.mechanisms"';
  context.addIssue({ code: 'custom', path: ['policy', 'anonymous'], message });
}

/** Requires a store that several processes can open. */
function sharedStore(
  { workers, store: { type } }: { readonly workers: number | 'auto'; readonly store: { readonly type: string } },
  context: z.RefinementCtx,
): void {
  if (workers === 1 || type !== 'memory') return;
  const message = 'needs a store of type "lmdb", because the processes share it';
  context.addIssue({ code: 'custom', path: ['workers'], message });
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
        .array(domainSchema)
        .min(1)
        .superRefine(distinct((name) => name, 'the domain'))
        .describe('domains that this relay serves'),
      listen: z
        .array(listen)
        .min(1)
        .superRefine(
          distinct((entry) => (entry.port === 0 ? undefined : `${entry.host} ${entry.port}`), 'the address'),
        ),
      tls: tlsSchema(path),
      sasl: sasl.prefault({}),
      store: nodeStoreSchema(path, 'var'),
      mesh: meshSchema(path),
      policy,
      access,
      presence,
      compatibility,
      webhooks: z
        .array(webhook(path))
        .superRefine(distinct(({ account }) => account, 'the account'))
        .default([])
        .describe('programs that receive the messages of an account by HTTP requests; default: none'),
      admin: admin(path).optional().describe('HTTP port for health, status and metrics; default: none'),
      workers: z
        .union([z.literal('auto'), z.int().min(1).max(MOST_WORKERS)])
        // One process is enough for some 100,000 messages per second, and each further one costs memory.
        .default(1)
        .describe(
          'processes that have the sessions of peers; "auto": as many as there are processor cores. With more than one, a further process has the store and the services',
        ),
      cluster: clusterSchema(path)
        .optional()
        .describe(
          'this node as one of several, on one machine or many, that serve the domains together; default: none',
        ),
      limits: limitsSchema.prefault({}),
      log,
    })
    .superRefine(certified)
    .superRefine(paged)
    .superRefine(anonymousMechanism)
    .superRefine(sharedStore)
    .superRefine(clusterable)
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
export type ClusterConfig = NonNullable<NodeConfig['cluster']>;
export type PostgresConfig = Extract<StoreConfig, { readonly type: 'postgres' }>;
export type RouteConfig = NodeConfig['mesh']['routes'][number];
export type PolicyConfig = NodeConfig['policy'];
