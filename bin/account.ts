/** `imxp account`: the accounts of a node. Works beside a running relay, which acts by the change within a moment. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { verifierOf } from '../lib/node/new-account.js';
import { paint } from '../lib/ops/terminal.js';
import { QUOTA_NAMES, QUOTAS, type QuotaName } from '../lib/store/account-state.js';
import type { AccountProfile, Accounts } from '../lib/store/accounts.js';
import {
  type AccountFlags,
  accountOf,
  anyAccountOf,
  done,
  loadForAccounts,
  type Opened,
  unknown,
  withAccounts,
} from './support/accounts/accounts.js';
import { exportAccounts } from './support/accounts/export.js';
import { type ImportFlags, importAccounts } from './support/accounts/import.js';
import { COLUMNS, describe, profileJson, quotaRows, row } from './support/accounts/profile.js';
import { withConfig } from './support/configuration.js';
import { CommandError, EXIT } from './support/exit.js';
import { explain } from './support/manual.js';
import { print, printJson, table } from './support/output.js';
import { obtainPassword } from './support/password.js';

interface PasswordFlags extends AccountFlags {
  readonly passwordFile?: string;
  readonly passwordStdin?: boolean;
}

function passwordFor(name: string, { passwordFile, passwordStdin }: PasswordFlags): Promise<string> {
  return obtainPassword({ passwordFile, passwordStdin, subject: name, confirm: true });
}

async function add(address: string, flags: PasswordFlags): Promise<void> {
  const config = await loadForAccounts(flags);
  const name = accountOf(address, config);
  await withAccounts(config, async ({ accounts }) => {
    const taken = new CommandError(
      EXIT.FAILED,
      `${name} has an account already; imxp account passwd changes its password`,
    );
    // Before somebody types a password in vain.
    if (accounts.exists(name)) throw taken;
    if (!(await accounts.add(await verifierOf(name, await passwordFor(name, flags), config)))) throw taken;
  });
  done(name, 'added', flags);
}

async function passwd(address: string, flags: PasswordFlags): Promise<void> {
  const config = await loadForAccounts(flags);
  const name = accountOf(address, config);
  await withAccounts(config, async ({ accounts }) => {
    if (!accounts.exists(name)) throw unknown(name);
    if (!(await accounts.change(await verifierOf(name, await passwordFor(name, flags), config)))) throw unknown(name);
  });
  done(name, 'password changed', flags);
}

/** Does something to an account that must exist. */
async function act(address: string, flags: AccountFlags, action: (name: string, opened: Opened) => Promise<boolean>) {
  const config = await loadForAccounts(flags);
  const name = anyAccountOf(address);
  return await withAccounts(config, async (opened) => {
    if (!(await action(name, opened))) throw unknown(name);
    return { name, config, profile: await opened.accounts.profile(name) };
  });
}

async function remove(address: string, flags: AccountFlags): Promise<void> {
  const { name } = await act(address, flags, (account, { accounts }) => accounts.remove(account));
  done(name, 'removed', flags);
}

async function disable(address: string, flags: AccountFlags & { readonly reason?: string }): Promise<void> {
  const { reason = '' } = flags;
  const { name } = await act(address, flags, (account, { accounts }) => accounts.disable(account, reason));
  done(name, 'disabled', flags, { reason });
}

async function enable(address: string, flags: AccountFlags): Promise<void> {
  const { name } = await act(address, flags, (account, { accounts }) => accounts.enable(account));
  done(name, 'enabled', flags);
}

type QuotaFlags = AccountFlags & { readonly [Name in QuotaName]?: number | 'default' };

async function quota(address: string, flags: QuotaFlags): Promise<void> {
  const given = QUOTA_NAMES.filter((name) => flags[name] !== undefined);
  const changes = Object.fromEntries(
    given.map((name) => [name, flags[name] === 'default' ? undefined : flags[name]] as const),
  ) as { [Name in QuotaName]?: number | undefined };
  const { name, config, profile } = await act(address, flags, async (account, { accounts }) =>
    given.length === 0 ? accounts.exists(account) : await accounts.limit(account, changes),
  );
  const own = profile?.state.quota ?? {};
  if (flags.json === true) printJson({ account: name, quota: own });
  else print(`${name}\n${table(quotaRows(own, config).map(([first = '', ...rest]) => [`  ${first}`, ...rest]))}`);
}

async function show(address: string, flags: AccountFlags): Promise<void> {
  const { name, config, profile } = await act(address, flags, async (account, { accounts }) =>
    accounts.exists(account),
  );
  if (profile === undefined) throw unknown(name);
  if (flags.json === true) printJson(profileJson(profile));
  else print(table(describe(profile, config)));
}

interface ListFlags extends AccountFlags {
  readonly state?: 'active' | 'disabled';
}

async function list(address: string | undefined, flags: ListFlags): Promise<void> {
  const config = await loadForAccounts(flags);
  const wanted = address === undefined ? undefined : anyAccountOf(address);
  const found = await withAccounts(config, ({ accounts }) => profilesOf(accounts, wanted));
  if (wanted !== undefined && found.length === 0) throw unknown(wanted);
  const shown = found.filter(({ state }) => {
    return flags.state === undefined || (state.disabled !== undefined) === (flags.state === 'disabled');
  });
  if (flags.json === true) printJson(shown.map(profileJson));
  else if (shown.length > 0) print(withHeader(table([COLUMNS, ...shown.map(row)])));
}

async function profilesOf(accounts: Accounts, wanted: string | undefined): Promise<AccountProfile[]> {
  const found: AccountProfile[] = [];
  if (wanted === undefined) for await (const profile of accounts.profiles()) found.push(profile);
  else found.push(...[await accounts.profile(wanted)].filter((one) => one !== undefined));
  return found;
}

function withHeader(text: string): string {
  const [header = '', ...rows] = text.split('\n');
  return [paint('bold', header), ...rows].join('\n');
}

// ---- the command line

const ABOUT = `Accounts are endpoints of the domains served (fred@example.com) and neighbour relays (imxp=mesh@rubble.com).
The password comes from --password-file, --password-stdin, IMXP_PASSWORD, or a prompt; only verifiers are kept. A relay that
runs on the same store acts by each change within a moment: it ends what disabled and removed accounts have.`;
const EXITS = {
  0: 'done',
  1: 'there is such an account already, or none; a file cannot be taken',
  69: 'the store cannot be read or written',
  78: 'the configuration or the place of the store is not usable, or the store keeps nothing',
};
const SEE = ['imxp relay', 'imxp check --identity', 'docs/guide/accounts.md'];

/** One of the commands below `imxp account`. */
type Make = (name: string, description: string, examples: readonly string[], about?: string) => Command;

export function register(program: Command): void {
  const account = program.command('account').description('the accounts of a node: who may log in, and how much');
  explain(account, {
    about: ABOUT,
    exits: EXITS,
    examples: [
      'imxp account add fred@example.com --config mesh.json',
      'imxp account add imxp=mesh@rubble.com --config mesh.json --password-file secrets/rubble.com',
      'imxp account disable fred@example.com --reason "left the quarry"',
      'imxp account list --json | jq -r .[].account',
      'imxp account export accounts.jsonl && imxp account import accounts.jsonl --config other.json',
    ],
    see: SEE,
  });
  const make: Make = (name, description, examples, about) => {
    const made = withConfig(account.command(name).description(description)).option(
      '--json',
      'print the result as JSON',
    );
    return explain(made, {
      exits: EXITS,
      examples,
      see: ['imxp account', ...SEE],
      ...(about === undefined ? {} : { about }),
    });
  };
  registerLife(make);
  registerState(make);
  registerLooks(make);
  registerFiles(make);
}

const WHOSE = ['<address>', 'whose'] as const;

function withPassword(command: Command): Command {
  return command
    .option('--password-file <file>', 'its first line is the password; without it IMXP_PASSWORD, or a prompt')
    .addOption(
      new Option('--password-stdin', 'the first line of standard input is the password').conflicts('passwordFile'),
    );
}

function registerLife(make: Make): void {
  const adding = make('add', 'add an account', [
    'imxp account add fred@example.com --config mesh.json',
    'imxp account add imxp=mesh@rubble.com --password-file secrets/rubble.com',
    'pwgen -s 20 1 | tee fred.txt | imxp account add fred@example.com --password-stdin',
  ]).argument('<address>', 'an endpoint, or a relay as imxp=mesh@rubble.com');
  withPassword(adding).action(add);
  make(
    'remove',
    'remove an account with all that belongs to it',
    ['imxp account remove fred@example.com'],
    `Its attachments and sessions end. A relay throws its access entries, its presence and what is held for it away, now or
when it starts the next time. Somebody who comes by a certificate needs no account: disable him instead, or revoke it.`,
  )
    .argument(...WHOSE)
    .action(remove);
  const changing = make(
    'passwd',
    'change the password of an account',
    ['imxp account passwd fred@example.com'],
    'The new password holds from now on; sessions that exist go on.',
  ).argument(...WHOSE);
  withPassword(changing).action(passwd);
}

function registerState(make: Make): void {
  make(
    'disable',
    'let nobody in or in touch with an account until it is enabled',
    ['imxp account disable fred@example.com --reason "left the quarry"'],
    `A login is answered as one with a wrong password is; the log says why. Sessions and attachments end; Data for it are
refused with 550. Everything else stays as it is. Disabled again, an account has the new reason.`,
  )
    .argument(...WHOSE)
    .option('--reason <text>', 'for the log and for imxp account show')
    .action(disable);
  make('enable', 'let a disabled account in again', ['imxp account enable fred@example.com'])
    .argument(...WHOSE)
    .action(enable);
  const limiting = make(
    'quota',
    'show or change what an account may use',
    [
      'imxp account quota fred@example.com',
      'imxp account quota fred@example.com --data-per-second 5 --attachments 2',
      'imxp account quota fred@example.com --data-per-second default',
    ],
    `Without options it shows what holds. A number goes before that of the configuration (limits), for this account only;
"default" takes it back. Attachments that exist go on when there are more of them than may be.`,
  ).argument(...WHOSE);
  for (const name of QUOTA_NAMES) {
    const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} <number>`;
    limiting.addOption(new Option(option, QUOTAS[name]).argParser(quantity));
  }
  limiting.action(quota);
}

function quantity(text: string): number | 'default' {
  if (text === 'default') return text;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number, or "default".');
}

function registerLooks(make: Make): void {
  make('list', 'list the accounts', [
    'imxp account list',
    'imxp account list --state disabled',
    'imxp account list --json | jq -r .[].account',
  ])
    .argument('[address]', 'this one only')
    .addOption(new Option('--state <state>', 'only those').choices(['active', 'disabled']))
    .action(list);
  make('show', 'everything about an account but its verifiers', ['imxp account show fred@example.com'])
    .argument(...WHOSE)
    .action(show);
}

function registerFiles(make: Make): void {
  make(
    'import',
    'add accounts from a file',
    [
      'imxp account import people.csv --dry-run',
      'imxp account import accounts.jsonl --update',
      'imxp account import .htdigest',
    ],
    `CSV with or without a header (address,password), JSON lines as imxp account export writes them, or a file of htdigest.
Instead of a password there may be a verifier: user:realm:hash for DIGEST-MD5, and SCRAM-SHA-256$iterations:salt$key:key
(RFC 5803). Everything wrong is said with its line before anything is written; then 200 accounts at a time. A password costs
some ten milliseconds, a verifier nothing.`,
  )
    .argument('<file>', 'the file, or - for standard input')
    .option('--dry-run', 'say what is wrong and what would be done, and write nothing')
    .option('--update', 'give accounts that exist the new verifier, and what else the file says')
    .action((file: string, flags: ImportFlags) => importAccounts(file, flags));
  make(
    'export',
    'write all accounts, with verifiers, never passwords',
    ['imxp account export accounts.jsonl', 'imxp account export | gpg -e -r admin > accounts.gpg'],
    `JSON lines that imxp account import takes: verifiers, state, quota and times. A file is for its owner only (0600) and
replaced as a whole. Access lists, presence and held messages stay in the directory of the store: copy it while no relay runs.`,
  )
    .argument('[file]', 'standard output without it')
    .action((file: string | undefined, flags: AccountFlags) => exportAccounts(file, flags));
}
