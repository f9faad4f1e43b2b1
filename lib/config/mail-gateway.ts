/** Configuration of a gateway between the mesh and mail: its schema with defaults, and what contradicts itself in it. */
import { resolve } from 'node:path';
import * as z from 'zod';
import { count, gatewayLogSchema, gatewayMeshSchema, LOOPBACK, ms } from './gateway-parts.js';
import { type JsonSchema, keysIn } from './json-schema.js';
import { type Examined, findingsOf, freeze, problemOf } from './parse.js';
import { ConfigurationError, type Finding } from './problem.js';
import { distinct, domainSchema, hostSchema, ONCE, portSchema } from './values.js';

const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1'];
/** RFC 5321 §4.5.3.1.8 asks for 100 recipients; more are sent in another transaction. */
const RECIPIENTS = 100;
const LONGEST_MESSAGE = 10_485_760;

function mailGatewaySchema(base: string) {
  const path = z
    .string()
    .min(1)
    .transform((text) => resolve(base, text));
  const listen = z.strictObject({
    protocol: z
      .enum(['lmtp', 'smtp'])
      .default('lmtp')
      .describe(
        'LMTP answers each recipient by itself; with SMTP the gateway writes a notification for each that fails',
      ),
    host: hostSchema.default('127.0.0.1').describe('address to listen on; it has no TLS, so prefer this machine'),
    port: portSchema.default(2424),
    from: z
      .array(z.union([z.ipv4(), z.ipv6()], 'not an IP address'))
      .min(1)
      .optional()
      .describe('IP addresses of the mail servers that may connect; default: those of this machine'),
    connections: count(50, 'connections at a time; further ones are refused with 421'),
    idleMs: ms(
      300_000,
      'time after which a connection that says nothing is closed; RFC 5321 §4.5.3.2.7 asks for 5 minutes',
    ),
  });
  const smtp = z.strictObject({
    host: hostSchema.default('127.0.0.1').describe('mail server that takes messages of the mesh'),
    port: portSchema.default(25),
    tls: z
      .enum(['off', 'starttls', 'implicit'])
      .optional()
      .describe('how to use TLS; default: starttls, or off for a server on this machine'),
    ca: path.optional().describe("PEM file of trusted CAs; default: Node's bundled list"),
    user: z.string().min(1).optional().describe('name to log in with, if the server asks for it'),
    passwordFile: path.optional().describe('file whose first line is the password for it'),
  });
  const pair = z.strictObject({
    mesh: domainSchema.describe('domain in the mesh'),
    mail: domainSchema.describe('domain of mail addresses that stands for it'),
  });
  const pairs = () =>
    z
      .array(pair)
      .superRefine(distinct(({ mesh }) => mesh, 'this mesh domain'))
      .superRefine(distinct(({ mail }) => mail, 'this mail domain'));
  const messages = z.strictObject({
    ok: z
      .enum(['server', 'delivered'])
      .default('server')
      .describe(
        'when a message to mail is answered ok: the mail server has taken it, or has notified of its delivery (RFC 3461)',
      ),
    timeoutMs: ms(
      20_000,
      'time for that, after which the sender is answered 451; below the 30 s after which relays give up (data.deliveryTimeoutMs)',
    ),
    octets: z.int().min(1).max(LONGEST_MESSAGE).default(1_000_000).describe('longest mail, either way'),
    recipients: count(RECIPIENTS, 'recipients of one mail into the mesh; further ones are refused with 452'),
    outstanding: count(100, 'messages in each direction that have no answer yet; further ones are refused with 450'),
    outstandingPerUser: count(25, 'those of one sender, so that none can use up all of messages.outstanding'),
  });
  return z.strictObject({
    mesh: gatewayMeshSchema(path),
    hostname: domainSchema
      .optional()
      .describe('name of the gateway towards mail servers; default: the first mail domain of users'),
    listen: listen.prefault({}),
    smtp: smtp.prefault({}),
    users: pairs().min(1).describe('mesh domains whose users have mail addresses; mail for other domains is refused'),
    domains: pairs().default([]).describe('mesh domains that stand for mail domains, which the gateway serves'),
    sourceRouted: domainSchema
      .optional()
      .describe('mesh domain in which users of all mail domains are named smtp=host/user, which the gateway serves'),
    messages: messages.prefault({}),
    log: gatewayLogSchema(),
  });
}

export type MailGatewayConfig = z.output<ReturnType<typeof mailGatewaySchema>>;

let schema: JsonSchema | undefined;

/** Returns the JSON Schema (2020-12) of the file. */
export function mailGatewayJsonSchema(): JsonSchema {
  schema ??= z.toJSONSchema(mailGatewaySchema('/'), { io: 'input' }) as JsonSchema;
  return schema;
}

/** Applies the schema to a value; relative paths become absolute below `base`. */
export function examineMailGatewayConfig(value: unknown, base: string): Examined<MailGatewayConfig> {
  const result = mailGatewaySchema(base).safeParse(value, ONCE);
  if (!result.success) {
    const known = (path: readonly PropertyKey[]) => keysIn(mailGatewayJsonSchema(), path);
    return { config: undefined, findings: result.error.issues.flatMap((issue) => findingsOf(issue, value, known)) };
  }
  const config: MailGatewayConfig = freeze(result.data);
  const findings = contradictions(config);
  return { config: findings.length > 0 ? undefined : config, findings };
}

/**
 * Makes a {@link MailGatewayConfig} of a value, for programs that have no file.
 *
 * @param base directory that relative paths are relative to
 * @throws ConfigurationError with everything that is wrong
 */
export function parseMailGatewayConfig(value: unknown, base: string = process.cwd()): MailGatewayConfig {
  const { config, findings } = examineMailGatewayConfig(value, base);
  if (config === undefined) throw new ConfigurationError(findings.map(problemOf));
  return config;
}

/** The addresses from which mail servers may connect. */
export function mailServersOf({ listen }: MailGatewayConfig): readonly string[] {
  return listen.from ?? LOOPBACK_ADDRESSES;
}

/** Whether a host is this machine, where no TLS is needed. */
export function isThisMachine(host: string): boolean {
  return LOOPBACK.test(host);
}

function contradictions({ users, domains, sourceRouted, listen, smtp, messages }: MailGatewayConfig): Finding[] {
  const findings: Finding[] = [];
  const error = (keys: Finding['keys'], message: string) => findings.push({ severity: 'error', keys, message });
  if (domains.length === 0 && sourceRouted === undefined)
    error(['domains'], 'no sender of mail has a mesh address: list a domain, or write sourceRouted');
  for (const [index, { mesh, mail }] of domains.entries()) {
    if (mesh === sourceRouted) error(['domains', index, 'mesh'], 'is sourceRouted as well; each needs its own domain');
    if (users.some((user) => user.mail === mail))
      error(
        ['domains', index, 'mail'],
        'is also the mail domain of users of the mesh: mail would go round in a circle',
      );
  }
  const served = new Set([...domains.map(({ mesh }) => mesh), ...(sourceRouted === undefined ? [] : [sourceRouted])]);
  for (const [index, { mesh }] of users.entries())
    if (served.has(mesh))
      error(['users', index, 'mesh'], 'is served by this gateway itself: its users are those of mail');
  if (!isThisMachine(listen.host) && listen.from === undefined)
    error(
      ['listen', 'from'],
      'is needed where listen.host is not this machine: list the mail servers that may connect',
    );
  if ((smtp.user === undefined) !== (smtp.passwordFile === undefined))
    error(['smtp', 'passwordFile'], 'and smtp.user are only of use together');
  if (smtp.user !== undefined && !isThisMachine(smtp.host) && smtp.tls === 'off')
    error(['smtp', 'tls'], 'off would send the password in the clear to another machine');
  if (messages.outstandingPerUser > messages.outstanding)
    error(['messages', 'outstandingPerUser'], 'is more than messages.outstanding');
  return findings;
}
