/** `imxp interop`: how another implementation of BEEP and the mesh behaves, checked from the outside. */
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { AREAS, areaOf, type Check } from '../kit/conformance/check.js';
import { noCounts, summaryText, TextReport } from '../kit/conformance/report.js';
import { CHECKS, isSelectable, Kit, STANDING, selected } from '../kit/conformance/run.js';
import { type Account, makeTarget } from '../kit/conformance/target.js';
import { DIALECTS, type DialectName } from '../kit/conformance/vocabulary.js';
import { describeFileError, readPasswordFile } from '../lib/config/password-file.js';
import { parseRelayUrl, type RelayLocation } from '../lib/config/relay-url.js';
import { paint } from '../lib/ops/terminal.js';
import { addressArgument, countArgument } from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { explain } from './support/manual.js';
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

/** `host:port`, or a URL as other commands take it. */
const placeArgument = (text: string): RelayLocation => urlArgument(text.includes('://') ? text : `tcp://${text}`);

function onlyArgument(text: string, earlier: readonly string[] | undefined): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !isSelectable(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`no area or check is called ${unknown}; see --list.`);
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
  if (file === undefined) throw new CommandError(EXIT.USAGE, `the password of ${address} is needed: ${option} FILE`);
  return { address, password: await readPasswordFile(file) };
}

async function authorityOf(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new CommandError(EXIT.USAGE, `${file}: ${describeFileError(error)}`);
  }
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

/** Which check is under way, where somebody looks at a terminal. */
function progress(check: Check | undefined): void {
  if (process.stderr.isTTY === true) process.stderr.write(`\r\u001b[K${check === undefined ? '' : `  … ${check.id}`}`);
}

async function targetOf(place: RelayLocation | undefined, options: InteropOptions) {
  const location = options.ws ?? place;
  if (location === undefined) throw new CommandError(EXIT.USAGE, 'say which listener: HOST:PORT, or --ws URL');
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

async function interop(place: RelayLocation | undefined, options: InteropOptions): Promise<void> {
  const { only = [], json = false } = options;
  if (options.list === true) {
    list(only, json);
    return;
  }
  const target = await targetOf(place, options);
  if (target.authority !== undefined && target.serverName === undefined) {
    const { host } = target.location;
    throw new CommandError(EXIT.USAGE, `${host} is an address: --domain says what a certificate of --ca has to name`);
  }
  const kit = new Kit(target);
  const begun = performance.now();
  try {
    await kit.survey();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(EXIT.UNAVAILABLE, `${target.location.url}: ${why}`, { cause: error });
  }
  const counts = noCounts();
  const report = new TextReport();
  for await (const result of kit.run(only, progress)) {
    progress(undefined);
    counts[result.outcome] += 1;
    if (json) printJson({ ...result, ms: Math.round(result.ms) });
    else for (const line of report.take(result)) print(line);
  }
  for (const line of report.end()) print(line);
  if (counts.failed + counts.blocked > 0) process.exitCode = EXIT.FAILED;
  if (json) printJson({ ...counts, ms: Math.round(performance.now() - begun) });
  else print(summaryText(counts, performance.now() - begun));
  if (counts.passed === 0) note('nothing passed: is this a BEEP listener?');
}

export function register(program: Command): void {
  const command = program
    .command('interop')
    .description('check how another BEEP or IMXP listener behaves, and show the octets of what fails')
    .argument('[host:port]', 'the listener; tcp://, ws:// and wss:// are taken as well', placeArgument)
    .option('--ws <url>', 'the listener, over WebSocket: ws:// or wss://', urlArgument)
    .option('--domain <name>', 'the domain it serves; that of the account unless given')
    .option(
      '--account <address>',
      'an endpoint to log in as; without it nothing that needs a login is checked',
      addressArgument,
    )
    .option('--password-file <file>', 'its first line is the password; without it IMXP_PASSWORD, or a prompt')
    .option('--second <address>', 'another endpoint, to send to', addressArgument)
    .option('--second-password-file <file>', 'its first line is the password of that')
    .option('--relay-account <address>', 'a neighbour to bind as, such as imxp=mesh@rubble.com', addressArgument)
    .option('--relay-password-file <file>', 'its first line is the password of that')
    .option('--tls', 'tune to TLS before everything that may be done under it')
    .option('--ca <file>', "the authority that signed the listener's certificate, PEM; without it any is taken")
    .addOption(new Option('--dialect <name>', 'which operations').choices(DIALECTS).default('imxp'))
    .option('--only <names>', 'areas or checks, with commas or several times', onlyArgument)
    .option('--list', 'print the checks instead')
    .option('--timeout <ms>', 'milliseconds that one answer may take', countArgument, DEFAULT_TIMEOUT_MS)
    .option('--json', 'print one JSON object for each check, then the counts')
    .action((place: RelayLocation | undefined, options: InteropOptions) => interop(place, options));
  explain(command, {
    about: `Areas: ${AREAS.join(', ')}.
Each check has a session of its own, and names the clause it is about. Of what failed it says what was expected, what came
and why that matters, with the frames of both sides and their octets. What the listener does not offer is skipped; what
could not be reached because something else failed is unjudged. A remark is about what is allowed but not usual. Passwords
never appear; responses of SASL do. Some checks fail a login on purpose, which costs the account a little patience.`,
    exits: { 0: 'nothing failed', 1: 'something failed or could not be judged', 69: 'no connection' },
    examples: [
      'imxp interop 127.0.0.1:10913',
      'imxp interop relay.example.com:10913 --account fred@example.com --password-file secrets/fred --tls --ca certs/ca.crt',
      `imxp interop 127.0.0.1:10913 --only framing,windows.small --json | jq 'select(.outcome == "failed")'`,
    ],
    see: ['imxp wire', 'imxp check --dns'],
  });
}
