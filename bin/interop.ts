/** `imxp interop`: checks another implementation of BEEP or IMXP from the outside. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { AREAS, areaOf, type Check, type Result } from '../kit/conformance/check.js';
import { clausesText, noCounts, remarksText, summaryText, TextReport } from '../kit/conformance/report.js';
import { CHECKS, isSelectable, Kit, STANDING, selected } from '../kit/conformance/run.js';
import { type Account, makeTarget } from '../kit/conformance/target.js';
import { DIALECTS, type DialectName } from '../kit/conformance/vocabulary.js';
import { readPasswordFile } from '../lib/config/password-file.js';
import { parseRelayUrl, type RelayLocation } from '../lib/config/relay-url.js';
import { paint } from '../lib/ops/terminal.js';
import { countArgument } from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { readGivenFile } from './support/files.js';
import { explain } from './support/manual.js';
import { addressArgument, domainArgument } from './support/names.js';
import { note, print, printJson } from './support/output.js';
import { obtainPassword } from './support/password.js';

interface InteropOptions {
  readonly ws?: RelayLocation;
  readonly domain?: string;
  readonly account?: string;
  readonly passwordFile?: string;
  readonly second?: string;
  readonly secondPasswordFile?: string;
  readonly relayAccount?: string;
  readonly relayPasswordFile?: string;
  readonly tls?: boolean;
  readonly ca?: string;
  readonly dialect: DialectName;
  readonly only?: readonly string[];
  readonly list?: boolean;
  readonly json?: boolean;
  readonly timeout: number;
}

const DEFAULT_TIMEOUT_MS = 5000;

function urlArgument(text: string): RelayLocation {
  try {
    return parseRelayUrl(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

/** Parses `host:port`, or a URL. */
const placeArgument = (text: string): RelayLocation => urlArgument(text.includes('://') ? text : `tcp://${text}`);

function onlyArgument(text: string, earlier: readonly string[] | undefined): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !isSelectable(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`there is no area or check ${unknown}; --list shows them.`);
  return [...(earlier ?? []), ...names];
}

async function accountOf(
  address: string | undefined,
  file: string | undefined,
  option: string,
): Promise<Account | undefined> {
  if (address === undefined) return undefined;
  if (option === '--password-file')
    return { address, password: await obtainPassword({ passwordFile: file, subject: address }) };
  if (file === undefined)
    throw new CommandError(EXIT.USAGE, `the password of ${address} is needed; give ${option} FILE`);
  return { address, password: await readPasswordFile(file) };
}

async function authorityOf(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : (await readGivenFile(file)).toString('utf8');
}

function list(only: readonly string[], json: boolean): void {
  const shown = [...CHECKS, ...STANDING].filter(({ id }) => selected(id, only));
  for (const area of AREAS) {
    const inArea = shown.filter(({ id }) => areaOf(id) === area);
    if (inArea.length > 0 && !json) print(paint('bold', area));
    for (const { id, title, clause } of inArea) {
      if (json) printJson({ id, title, clause });
      else print(`  ${id}: ${title} (${clause})`);
    }
  }
}

/** Shows the running check on a terminal. */
function progress(check: Check | undefined): void {
  if (process.stderr.isTTY === true) process.stderr.write(`\r\u001b[K${check === undefined ? '' : `  … ${check.id}`}`);
}

async function targetOf(place: RelayLocation | undefined, options: InteropOptions) {
  const location = options.ws ?? place;
  if (location === undefined)
    throw new CommandError(EXIT.USAGE, 'no listener given; name one as HOST:PORT or --ws URL');
  return makeTarget({
    location,
    domain: options.domain,
    account: await accountOf(options.account, options.passwordFile, '--password-file'),
    second: await accountOf(options.second, options.secondPasswordFile, '--second-password-file'),
    relay: await accountOf(options.relayAccount, options.relayPasswordFile, '--relay-password-file'),
    tls: options.tls,
    authority: await authorityOf(options.ca),
    dialect: options.dialect,
    timeoutMs: options.timeout,
  });
}

/** First what each clause came to, then the checks, then each remark once. */
function show(results: readonly Result[], report: TextReport): void {
  print(paint('bold', 'by clause'));
  for (const line of clausesText(results)) print(line);
  for (const result of results) for (const line of report.take(result)) print(line);
  for (const line of report.end()) print(line);
  const remarks = [...remarksText(results)];
  if (remarks.length > 0) print(paint('bold', 'remarks'));
  for (const line of remarks) print(line);
}

async function interop(place: RelayLocation | undefined, options: InteropOptions): Promise<void> {
  const { only = [], json = false } = options;
  if (options.list === true) {
    list(only, json);
    return;
  }
  const target = await targetOf(place, options);
  if (target.authority !== undefined && target.serverName === undefined) {
    const { host } = target.location;
    throw new CommandError(
      EXIT.USAGE,
      `${host} is an IP address; give the name that its certificate must contain as --domain`,
    );
  }
  const kit = new Kit(target);
  const begun = performance.now();
  try {
    await kit.survey();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const hint = 'Check that a BEEP listener is running there, and that host and port are right.';
    throw new CommandError(EXIT.UNAVAILABLE, `${target.location.url}: ${why}`, { cause: error, hint });
  }
  const service = await kit.service();
  if (service !== undefined) {
    throw new CommandError(EXIT.UNAVAILABLE, `${target.location.url}: no BEEP listener answers there, but ${service}`);
  }
  const counts = noCounts();
  const results: Result[] = [];
  const report = new TextReport();
  for await (const result of kit.run(only, progress)) {
    progress(undefined);
    counts[result.outcome] += 1;
    if (json) printJson({ ...result, ms: Math.round(result.ms) });
    else results.push(result);
  }
  if (!json) show(results, report);
  if (counts.failed + counts.blocked > 0) process.exitCode = EXIT.FAILED;
  if (json) printJson({ ...counts, ms: Math.round(performance.now() - begun) });
  else print(summaryText(counts, performance.now() - begun));
  if (counts.passed === 0) note('no check passed: this may not be a BEEP listener');
}

export function register(command: Command): void {
  command
    .argument('[host:port]', 'the listener; a tcp://, ws:// or wss:// URL is accepted, too', placeArgument)
    .option('--ws <url>', 'WebSocket URL of the listener: ws:// or wss://', urlArgument)
    .option('--domain <name>', 'domain that it serves; default: that of the account', domainArgument)
    .option(
      '--account <address>',
      'endpoint to log in as; without it, checks that need a login are skipped',
      addressArgument,
    )
    .option('--password-file <file>', 'file whose first line is its password; default: IMXP_PASSWORD, or a prompt')
    .option('--second <address>', 'a second endpoint, to send messages to', addressArgument)
    .option('--second-password-file <file>', 'file whose first line is its password')
    .option('--relay-account <address>', 'neighbour relay to bind as, such as imxp=mesh@rubble.com', addressArgument)
    .option('--relay-password-file <file>', 'file whose first line is its password')
    .option('--tls', 'start TLS before every check that can run under it')
    .option('--ca <file>', 'PEM file of trusted CAs; without it any certificate is accepted')
    .addOption(new Option('--dialect <name>', 'dialect of the operations').choices(DIALECTS).default('imxp'))
    .option('--only <names>', 'run only these areas or checks; separated by commas, may be repeated', onlyArgument)
    .option('--list', 'list the checks without running them')
    .option('--timeout <ms>', 'time limit of one answer in milliseconds', countArgument, DEFAULT_TIMEOUT_MS)
    .option('--json', 'print one JSON object per check, then the counts')
    .action((place: RelayLocation | undefined, options: InteropOptions) => interop(place, options));
  explain(command, {
    about: `Areas: ${AREAS.join(', ')}.

Each check uses a session of its own and names the clause it verifies. For a failure it shows what was expected, what
was received and why that matters, with the frames of both sides and their octets. Checks of features that the listener
does not offer are skipped; checks that could not be reached because something else failed are inconclusive. What
violates a MUST fails. A remark is about a SHOULD, about what the examples show or about unusual behaviour, and is shown
once with its checks. Passwords are never shown; SASL responses are. Some checks log in with a wrong password on
purpose, which counts against the account's login limit.`,
    exits: { 0: 'no check failed', 1: 'a check failed or was inconclusive', 69: 'the listener cannot be reached' },
    examples: [
      'imxp interop 127.0.0.1:10913',
      'imxp interop relay.example.com:10913 --account fred@example.com \\\n      --password-file secrets/fred --tls --ca certs/ca.crt',
      `imxp interop 127.0.0.1:10913 --only framing,windows.small --json \\\n      | jq 'select(.outcome == "failed")'`,
    ],
    see: ['imxp wire', 'imxp check --dns'],
  });
}
