/** `imxp gateway`: runs a gateway between the mesh and XMPP, or mail, until it is stopped. */
import type { Command } from 'commander';
import { examineGatewayConfig, gatewayJsonSchema, type XmppGatewayConfig } from '../lib/config/gateway.js';
import { examineMailGatewayConfig, type MailGatewayConfig, mailGatewayJsonSchema } from '../lib/config/mail-gateway.js';
import { readPasswordFile } from '../lib/config/password-file.js';
import { type Finding, writeProblem } from '../lib/config/problem.js';
import { Endpoint } from '../lib/endpoint/endpoint.js';
import type { ImxpError } from '../lib/errors.js';
import type { LinkSecurity } from '../lib/gateway/cpim-service.js';
import { checkFile, configOf } from '../lib/node/configuration.js';
import { startLog } from '../lib/ops/log.js';
import { paint } from '../lib/ops/terminal.js';
import { CommandError, exitCodeOf } from './support/exit.js';
import { gatewayHintFor } from './support/hints.js';
import { explain } from './support/manual.js';
import { complain, print, printJson } from './support/output.js';

interface GatewayCommandOptions {
  readonly config: string;
  readonly check?: boolean;
  readonly schema?: boolean;
}

const DEFAULT_GATEWAY_CONFIG = 'gateway.json';

function every(ms: number, run: () => void): () => void {
  const timer = setInterval(run, ms);
  timer.unref();
  return () => clearInterval(timer);
}

type Secrets = readonly (readonly [Finding['keys'], string | undefined])[];

/** Reads the files with secrets, so that a missing one is found at once. */
async function inspectSecrets(secrets: Secrets): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [keys, file] of secrets) {
    if (file === undefined) continue;
    try {
      await readPasswordFile(file);
    } catch (error) {
      findings.push({ severity: 'error', keys, message: error instanceof Error ? error.message : String(error) });
    }
  }
  return findings;
}

function inspectXmppSecrets({ mesh, xmpp: { components } }: XmppGatewayConfig): Promise<readonly Finding[]> {
  return inspectSecrets([
    [['mesh', 'passwordFile'], mesh.passwordFile],
    ...components.map(({ secretFile }, index) => [['xmpp', 'components', index, 'secretFile'], secretFile] as const),
  ]);
}

function inspectMailSecrets({ mesh, smtp: { passwordFile } }: MailGatewayConfig): Promise<readonly Finding[]> {
  return inspectSecrets([
    [['mesh', 'passwordFile'], mesh.passwordFile],
    [['smtp', 'passwordFile'], passwordFile],
  ]);
}

/** What both kinds of gateway have in their configuration. */
type GatewayConfig = Pick<XmppGatewayConfig, 'mesh' | 'log'>;

interface RunningGateway {
  close(): Promise<void>;
}

/**
 * Connects to the relay, and runs a gateway until a signal comes or the relay does not want it any more.
 *
 * @param start starts it; `facts` are for the log
 */
async function run(
  { mesh, log: { level } }: GatewayConfig,
  start: (endpoint: Endpoint, options: { readonly security: LinkSecurity }) => Promise<RunningGateway>,
  facts: Readonly<Record<string, unknown>>,
): Promise<void> {
  const log = startLog({ level, every });
  const { address, passwordFile, certificate, key, relay, tls, ca } = mesh;
  let stop = (): void => {};
  const stopped = new Promise<void>((resolve) => {
    // Not the function itself: a listener is called with the name of the signal.
    stop = () => resolve();
  });
  // Before it is ready: whoever reads that may send a signal at once.
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const endpoint = await Endpoint.connect({
    address,
    reconnect: true,
    ...(passwordFile === undefined ? {} : { passwordFile }),
    ...(certificate === undefined || key === undefined ? {} : { certificate, key }),
    ...(relay === undefined ? {} : { relay }),
    ...(tls === undefined ? {} : { tls }),
    ...(ca === undefined ? {} : { ca }),
  }).catch((error: unknown) => {
    const hint = gatewayHintFor(error);
    throw hint === undefined || !(error instanceof Error)
      ? error
      : new CommandError(exitCodeOf(error), error.message, { hint });
  });
  endpoint.on('disconnect', (error) => log.logger.warn({ reason: error.message }, 'connection to the relay lost'));
  endpoint.on('connect', () => log.logger.info({ relay: endpoint.relay }, 'connected to the relay again'));
  try {
    const gateway = await start(endpoint, { security: { authenticated: true, confidential: tls !== 'off' } });
    log.logger.info({ relay: endpoint.relay, ...facts }, 'ready');
    // An account that was removed, for instance: without the mesh there is nothing to pass on, and whoever watches over the
    // process has to learn it.
    const closed = new Promise<ImxpError | undefined>((resolve) => endpoint.once('close', resolve));
    const failure = await Promise.race([stopped, closed]);
    log.logger.info(failure === undefined ? {} : { reason: failure.message }, 'stopping');
    await gateway.close();
    if (failure !== undefined) throw failure;
  } finally {
    await endpoint.close();
    log.stop();
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
  }
}

async function xmpp({ config: path, check, schema }: GatewayCommandOptions): Promise<void> {
  if (schema === true) return printJson(gatewayJsonSchema());
  const warn = (problem: Parameters<typeof writeProblem>[0]): void => complain(writeProblem(problem, path), 'warning');
  const config = configOf(await checkFile(path, examineGatewayConfig, inspectXmppSecrets), { warn });
  if (check === true) return print(`${path}: ${paint('green', 'OK', process.stdout)}`);
  const domains = config.domains.map((pair) => pair.mesh);
  const components = config.xmpp.components.map(({ domain }) => domain);
  const { XmppGateway } = await import('../lib/gateway/xmpp/start.js');
  await run(config, (endpoint, options) => XmppGateway.start(config, endpoint, options), { domains, components });
}

async function mail({ config: path, check, schema }: GatewayCommandOptions): Promise<void> {
  if (schema === true) return printJson(mailGatewayJsonSchema());
  const warn = (problem: Parameters<typeof writeProblem>[0]): void => complain(writeProblem(problem, path), 'warning');
  const config = configOf(await checkFile(path, examineMailGatewayConfig, inspectMailSecrets), { warn });
  if (check === true) return print(`${path}: ${paint('green', 'OK', process.stdout)}`);
  const domains = config.domains.map((pair) => pair.mesh);
  const users = config.users.map((pair) => pair.mail);
  const { MailGateway } = await import('../lib/gateway/mail/start.js');
  await run(config, (endpoint, options) => MailGateway.start(config, endpoint, options), { domains, users });
}

export function register(command: Command): void {
  explain(command, {
    about: `A gateway is a program beside a relay: it stands for every user of a domain that the relay serves (policy.gateways in its
configuration), and passes their messages on.`,
    exits: { 0: 'done', 64: 'the command line is not valid' },
    examples: ['imxp gateway xmpp --config gateway.json', 'imxp gateway mail --config mail.json'],
    see: ['imxp gateway xmpp', 'imxp gateway mail', 'imxp relay', 'docs/guide/gateways.md'],
  });
  const toXmpp = command
    .command('xmpp')
    .description('run a gateway to XMPP, as a component of an XMPP server')
    .option('-c, --config <file>', 'configuration file of the gateway', DEFAULT_GATEWAY_CONFIG)
    .option('--check', 'say everything that is wrong with the configuration, and stop')
    .option('--schema', 'print the JSON Schema of the file, for editors')
    .action(xmpp);
  explain(toXmpp, {
    about: `Connects to a relay as an endpoint and to an XMPP server on the same machine as a component (XEP-0114). Users of the mesh have
addresses in the domains of the components, users of XMPP in mesh domains that the relay leaves to the gateway. Logs to
standard output, "ready" when it passes messages on; it connects again to either side when a connection is lost. SIGTERM
and SIGINT stop it in order.`,
    exits: {
      0: 'stopped in order',
      69: 'the relay or the XMPP server cannot be reached, or does not take the component',
      77: 'the relay refuses the account of the gateway, at the start or later',
      78: 'the configuration is not usable',
    },
    examples: [
      'imxp gateway xmpp --config gateway.json --check',
      'imxp gateway xmpp --config gateway.json',
      'imxp gateway xmpp --schema > gateway.schema.json',
    ],
    see: ['imxp relay', 'imxp account', 'docs/guide/gateways.md'],
  });
  const toMail = command
    .command('mail')
    .description('run a gateway to mail, beside a mail server')
    .option('-c, --config <file>', 'configuration file of the gateway', DEFAULT_GATEWAY_CONFIG)
    .option('--check', 'say everything that is wrong with the configuration, and stop')
    .option('--schema', 'print the JSON Schema of the file, for editors')
    .action(mail);
  explain(toMail, {
    about: `Connects to a relay as an endpoint, takes mail for users of the mesh by LMTP or SMTP from the mail servers that the
configuration names, and hands messages of the mesh to a mail server by SMTP. It has no queue: whoever sends learns what
became of the message, and the mail server tries again or notifies its sender. Logs to standard output, "ready" when it
passes messages on; it connects again when the connection to the relay is lost. SIGTERM and SIGINT stop it in order.`,
    exits: {
      0: 'stopped in order',
      69: 'the relay cannot be reached, or the port for mail is in use',
      77: 'the relay refuses the account of the gateway, at the start or later',
      78: 'the configuration is not usable',
    },
    examples: [
      'imxp gateway mail --config mail.json --check',
      'imxp gateway mail --config mail.json',
      'imxp gateway mail --schema > mail.schema.json',
    ],
    see: ['imxp relay', 'imxp account', 'docs/guide/gateways.md'],
  });
}
