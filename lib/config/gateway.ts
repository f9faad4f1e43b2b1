/** Configuration of a gateway between the mesh and XMPP: its schema with defaults, and what contradicts itself in it. */
import { resolve } from 'node:path';
import * as z from 'zod';
import { count, gatewayLogSchema, gatewayMeshSchema, LOOPBACK, ms } from './gateway-parts.js';
import { type JsonSchema, keysIn } from './json-schema.js';
import { type Examined, findingsOf, freeze, problemOf } from './parse.js';
import { ConfigurationError, type Finding } from './problem.js';
import { storeSchema } from './store.js';
import { distinct, domainSchema, hostSchema, ONCE, portSchema } from './values.js';

/** RFC 6120 §13.12 asks for 10,000 at least; ejabberd takes 65,536 from clients, Prosody 262,144. */
const STANZA_OCTETS = 60_000;

function gatewaySchema(base: string) {
  const path = z
    .string()
    .min(1)
    .transform((text) => resolve(base, text));
  const component = z.strictObject({
    domain: domainSchema.describe('domain of the component, as the XMPP server knows it'),
    secretFile: path.describe('file whose first line is the secret that the XMPP server has for it'),
    mesh: z
      .union([domainSchema, z.literal('*')], 'neither a domain nor "*"')
      .optional()
      .describe('mesh domain whose users have addresses in it; "*" for those of all others; default: the same domain'),
  });
  const xmpp = z.strictObject({
    host: hostSchema
      .refine(
        (host) => LOOPBACK.test(host),
        'not this machine: a component has no TLS (XEP-0114); run the gateway beside the XMPP server',
      )
      .default('127.0.0.1')
      .describe('host of the XMPP server; this machine, because a component has no TLS'),
    port: portSchema.default(5347).describe('port for components'),
    components: z
      .array(component)
      .min(1)
      .superRefine(distinct(({ domain }) => domain, 'this component'))
      .superRefine(distinct(({ mesh }) => mesh, 'this mesh domain'))
      .describe('domains in which users of the mesh have XMPP addresses'),
  });
  const domain = z.strictObject({
    mesh: domainSchema.describe('mesh domain, which the gateway serves'),
    xmpp: domainSchema.describe('XMPP domain that it stands for'),
  });
  const messages = z.strictObject({
    ok: z
      .enum(['receipt', 'server'])
      .default('receipt')
      .describe(
        'when a message to XMPP is answered ok: a client has acknowledged it (XEP-0184), or the server of its domain has taken it',
      ),
    timeoutMs: ms(
      20_000,
      'time for that, after which the sender is answered 451; below the 30 s after which relays give up (data.deliveryTimeoutMs)',
    ),
    stanzaOctets: count(
      STANZA_OCTETS,
      'longest stanza to XMPP; ejabberd takes no longer ones than 65,536 octets by default',
    ),
    outstanding: count(1024, 'messages from XMPP that the mesh has not answered; further ones are refused'),
    outstandingPerUser: count(64, 'those of one XMPP user, so that none can use up all of messages.outstanding'),
  });
  const presence = z.strictObject({
    durationSeconds: count(
      3600,
      'seconds of a subscription in the mesh for an XMPP user, which is renewed as long as they want it',
    ),
    answerTimeoutMs: ms(
      5000,
      'time for an XMPP user to answer a subscription; afterwards the subscriber is told later',
    ),
    keepMs: ms(
      86_400_000,
      'time that an XMPP subscription is kept after that of the mesh has run out, so that the XMPP user is not asked again',
    ),
    retryMs: ms(
      300_000,
      'time after which it is tried again for an XMPP user whom the user of the mesh does not permit',
    ),
    pendingMs: ms(604_800_000, 'time after which it is not tried again, and the subscription is refused'),
    subscriptions: count(100_000, 'subscriptions in each direction'),
    subscriptionsPerUser: count(1000, 'those of one user, so that none can use up all of presence.subscriptions'),
  });
  return z.strictObject({
    mesh: gatewayMeshSchema(path),
    xmpp,
    store: storeSchema(path, 'gateway-var').describe('where subscriptions are kept'),
    domains: z
      .array(domain)
      .superRefine(distinct((pair) => pair.mesh, 'this mesh domain'))
      .superRefine(distinct((pair) => pair.xmpp, 'this XMPP domain'))
      .default([])
      .describe('mesh domains that stand for XMPP domains'),
    sourceRouted: domainSchema
      .optional()
      .describe('mesh domain in which users of all XMPP domains are named xmpp=host/user, which the gateway serves'),
    messages: messages.prefault({}),
    presence: presence.prefault({}),
    log: gatewayLogSchema(),
  });
}

export type XmppGatewayConfig = z.output<ReturnType<typeof gatewaySchema>>;

let schema: JsonSchema | undefined;

/** Returns the JSON Schema (2020-12) of the file. */
export function gatewayJsonSchema(): JsonSchema {
  schema ??= z.toJSONSchema(gatewaySchema('/'), { io: 'input' }) as JsonSchema;
  return schema;
}

/** Applies the schema to a value; relative paths become absolute below `base`. */
export function examineGatewayConfig(value: unknown, base: string): Examined<XmppGatewayConfig> {
  const result = gatewaySchema(base).safeParse(value, ONCE);
  if (!result.success) {
    const known = (path: readonly PropertyKey[]) => keysIn(gatewayJsonSchema(), path);
    return { config: undefined, findings: result.error.issues.flatMap((issue) => findingsOf(issue, value, known)) };
  }
  const config: XmppGatewayConfig = freeze(result.data);
  const findings = contradictions(config);
  return { config: findings.length > 0 ? undefined : config, findings };
}

/**
 * Makes an {@link XmppGatewayConfig} of a value, for programs that have no file.
 *
 * @param base directory that relative paths are relative to
 * @throws ConfigurationError with everything that is wrong
 */
export function parseXmppGatewayConfig(value: unknown, base: string = process.cwd()): XmppGatewayConfig {
  const { config, findings } = examineGatewayConfig(value, base);
  if (config === undefined) throw new ConfigurationError(findings.map(problemOf));
  return config;
}

function contradictions({ domains, sourceRouted, xmpp, messages, presence }: XmppGatewayConfig): Finding[] {
  const findings: Finding[] = [];
  const error = (keys: Finding['keys'], message: string) => findings.push({ severity: 'error', keys, message });
  if (domains.length === 0 && sourceRouted === undefined)
    error(['domains'], 'no XMPP user has a mesh address: list a domain, or write sourceRouted');
  for (const [index, { mesh, xmpp: own }] of domains.entries()) {
    if (mesh === sourceRouted)
      error(['domains', index, 'mesh'], 'is sourceRouted as well; each needs a domain of its own');
    const both = xmpp.components.some((component) => component.domain === own);
    if (both) error(['domains', index, 'xmpp'], 'is the domain of a component, which has users of the mesh');
  }
  const served = new Set([...domains.map(({ mesh }) => mesh), ...(sourceRouted === undefined ? [] : [sourceRouted])]);
  for (const [index, { domain, mesh = domain }] of xmpp.components.entries()) {
    if (served.has(mesh))
      error(['xmpp', 'components', index, 'mesh'], 'is served by this gateway itself: its users are those of XMPP');
  }
  if (messages.outstandingPerUser > messages.outstanding)
    error(['messages', 'outstandingPerUser'], 'is more than messages.outstanding');
  if (presence.subscriptionsPerUser > presence.subscriptions)
    error(['presence', 'subscriptionsPerUser'], 'is more than presence.subscriptions');
  return findings;
}
