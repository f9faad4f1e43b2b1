/** `imxp check`: reports every problem in a configuration, and what it means. */
import { relative } from 'node:path';
import type { Command } from 'commander';
import { configurationJsonSchema } from '../lib/config/json-schema.js';
import { writeProblem } from '../lib/config/problem.js';
import { writeRelayUrl } from '../lib/config/relay-url.js';
import type { NodeConfig, RouteConfig, StoreConfig } from '../lib/config/schema.js';
import { hasCertificate } from '../lib/config/tls.js';
import { checkConfig } from '../lib/node/configuration.js';
import { paint } from '../lib/ops/terminal.js';
import { withConfig } from './support/configuration.js';
import { type DomainSeen, Observer, seenText } from './support/dns.js';
import { nameServerOption } from './support/endpoint.js';
import { EXIT } from './support/exit.js';
import { domainText, explainDomain, explainIdentity, identityRows } from './support/explain.js';
import { explain } from './support/manual.js';
import { accountArgument, domainArgument, shownName } from './support/names.js';
import { print, printJson, table } from './support/output.js';
import { checkAsOwner, userName } from './support/store-owner.js';

const shown = (path: string): string => relative('', path) || '.';

function tlsText({ tls }: NodeConfig): string {
  if (!hasCertificate(tls)) return 'no certificate: peers cannot use TLS';
  const who = { never: 'not required', mesh: 'required of relays', always: 'required of everyone' }[tls.require];
  const files = [tls.certificate, ...Object.values(tls.domains).map(({ certificate }) => certificate)];
  const obtained = tls.acme === undefined ? [] : [`certificates from ${tls.acme.directory}`];
  return [who, ...obtained, files.flatMap((file) => (file === undefined ? [] : [shown(file)])).join(', ')]
    .filter((text) => text !== '')
    .join('; ');
}

function routeText({ domain, via, relays, tls, credentials, dialect }: RouteConfig): string {
  if (relays === undefined) return `${shownName(domain)} as ${shownName(via ?? '')}, which forwards`;
  const as = credentials?.username === undefined ? '' : `, as ${credentials.username}`;
  const protection = { off: 'without TLS', prefer: 'TLS if offered', require: 'TLS required' }[tls];
  const spoken = dialect === undefined ? '' : `, ${dialect}`;
  const forwards = via === undefined ? '' : `, relay of ${shownName(via)}`;
  return `${shownName(domain)} via ${relays.map(({ url }) => url).join(', then ')} (${protection}${as}${spoken}${forwards})`;
}

function summary(config: NodeConfig): string {
  const { mesh, store, sasl } = config;
  const dns = mesh.dns.enabled ? 'other domains: found in the DNS' : 'other domains: none';
  const rows: string[][] = [
    ['domains', config.domains.map(shownName).join(', ')],
    ['listen', config.listen.map(({ transport, host, port }) => writeRelayUrl(transport, host, port)).join(', ')],
    ['tls', tlsText(config)],
    ['sasl', sasl.mechanisms.join(', ') || 'none'],
    ['store', storeText(store)],
    ...[...mesh.routes.map(routeText), dns].map((text, index) => [index === 0 ? 'routes' : '', text]),
    ...mesh.siblings.map(({ relays }, index) => [
      index === 0 ? 'siblings' : '',
      relays.map(({ url }) => url).join(', then '),
    ]),
    ...[
      ...Object.entries(config.policy.gateways).map(([domain, gateway]) => `${gateway} for all of ${domain}`),
      ...Object.keys(config.policy.services),
    ].map((text, index) => [index === 0 ? 'applications' : '', text]),
    [
      'bindings',
      {
        off: 'not checked in the DNS',
        address: 'address checked in the DNS',
        'address+port': 'address and port checked in the DNS',
      }[config.policy.bindCheck],
    ],
  ];
  return table(rows.map(([key = '', value = '']) => [`  ${key}`, value]));
}

function storeText(store: StoreConfig): string {
  if (store.type === 'memory') return 'memory: everything is lost when the node stops';
  const path = shown(store.path);
  if (store.type === 'lmdb') return `lmdb in ${path}`;
  const { url, urlFile } = store;
  const where = url === undefined ? `the URL in ${shown(urlFile ?? '')}` : url;
  return `PostgreSQL at ${where}, schema ${store.schema}; copy in ${path}`;
}

interface CheckFlags {
  readonly config: string;
  readonly dns?: string | true;
  readonly nameServer?: string;
  readonly ca?: string;
  readonly json?: boolean;
  readonly identity?: string;
  readonly domain?: string;
}

/** What the configuration means for one identity and one domain, if requested. */
function meaningOf(config: NodeConfig, { identity, domain }: CheckFlags) {
  return {
    ...(identity === undefined ? {} : { identity: explainIdentity(config, identity) }),
    ...(domain === undefined ? {} : { domain: explainDomain(config, domain) }),
  };
}

async function check(flags: CheckFlags): Promise<void> {
  const { config: path, json } = flags;
  const { file, config, problems, owner } = await checkAsOwner(path);
  if (config === undefined) process.exitCode = EXIT.CONFIGURATION;
  if (json === true) {
    const explained = config === undefined ? {} : meaningOf(config, flags);
    printJson({
      file,
      ok: config !== undefined,
      problems,
      ...explained,
      ...(owner === undefined ? {} : { user: owner.uid }),
    });
    return;
  }
  if (owner !== undefined) print(`Checked as user ${await userName(owner)}, to whom the store belongs.`);
  for (const problem of problems) {
    const word = problem.severity === 'error' ? paint('red', 'error') : paint('yellow', 'warning');
    print(`${word} ${writeProblem(problem, shown(file))}`);
  }
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
  if (config === undefined) {
    print(`${shown(file)}: not valid, ${counted(errors, 'error')}`);
    return;
  }
  print(
    `${shown(file)}: ${paint('green', 'OK')}${problems.length === 0 ? '' : `, ${counted(problems.length, 'warning')}`}`,
  );
  const { identity, domain } = meaningOf(config, flags);
  if (identity !== undefined) print(table(identityRows(config, identity)));
  if (domain !== undefined) print(domainText(domain, routeText));
  if (identity === undefined && domain === undefined) print(summary(config));
}

/** Reports what others see of a domain, or of those in the configuration. A named domain needs no configuration. */
async function checkDns(flags: CheckFlags & { readonly dns: string | true }): Promise<void> {
  const { config } = await checkConfig(flags.config);
  if (config === undefined && flags.dns === true) {
    await check(flags);
    return;
  }
  const observer = await Observer.for(config, flags.nameServer, flags.ca);
  const seen: DomainSeen[] = [];
  const domains = flags.dns === true ? (config?.domains ?? []) : [flags.dns.toLowerCase()];
  for (const domain of domains) seen.push(await observer.see(domain));
  if (flags.json === true) printJson(seen);
  else for (const domain of seen) print(seenText(domain));
  if (seen.some(({ ok }) => !ok)) process.exitCode = EXIT.UNAVAILABLE;
}

export function register(command: Command): void {
  command
    .option('--json', 'print the problems as JSON')
    .option(
      '--identity <name>',
      'show what an identity may do: fred@example.com, or a relay such as imxp=mesh@rubble.com',
      accountArgument,
    )
    .option('--domain <name>', 'show the route of messages to a domain', domainArgument)
    .option(
      '--dns [domain]',
      'show what others see of a domain (default: those served here): DNS records, addresses, answers',
      domainArgument,
    )
    .addOption(nameServerOption())
    .option('--ca <file>', 'with --dns: PEM file of trusted CAs; default: that of the configuration')
    .option('--schema', 'print the JSON Schema of the configuration file, for editors');
  withConfig(command).action(async (options: CheckFlags & { schema?: boolean }) => {
    if (options.schema === true) print(JSON.stringify(configurationJsonSchema(), null, 2));
    else if (options.dns !== undefined) await checkDns({ ...options, dns: options.dns });
    else await check(options);
  });
  explain(command, {
    exits: {
      0: 'valid, possibly with warnings',
      69: 'with --dns: a record or relay is missing or does not answer correctly',
      78: 'not valid',
    },
    examples: [
      'imxp check --config mesh.json',
      'imxp check --identity fred@example.com --domain rubble.com',
      'imxp check --dns example.com --ca ca.crt    # needs no configuration',
      'imxp check --schema > mesh.schema.json',
    ],
    see: ['imxp relay', 'imxp trace', 'docs/reference/configuration.md', 'docs/guide/dns.md'],
  });
}
