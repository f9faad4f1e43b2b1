/** `imxp account`: manages the accounts of a node. A running relay applies changes within a moment. */
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { verifierOf } from '../lib/node/new-account.js';
import { paint } from '../lib/ops/terminal.js';
import { otherCases } from '../lib/store/account-name.js';
import { QUOTA_NAMES, QUOTAS, type QuotaName } from '../lib/store/account-state.js';
import type { AccountProfile, Accounts } from '../lib/store/accounts.js';
import { FORCE } from './support/access-entries.js';
import {
  ACCESS_ACTIONS,
  type AccessAction,
  type AccountAccessFlags,
  accountAccess,
} from './support/accounts/access.js';
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
import { accountArgument } from './support/names.js';
import { complain, print, printJson, table } from './support/output.js';
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
    for (const other of otherCases(name)) {
      if (accounts.exists(other)) complain(`there is an account ${other}, too: senders will confuse them`, 'warning');
    }
    const taken = new CommandError(
      EXIT.FAILED,
      `${name} already has an account; imxp account passwd changes its password`,
    );
    // Checked before the user types a password in vain.
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

/** Performs an action on an account that must exist. */
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

const ABOUT = `An account belongs to an endpoint in a domain served here (fred@example.com) or to a neighbour relay
(imxp=mesh@rubble.com). The password comes from --password-file, --password-stdin, IMXP_PASSWORD or a prompt; only
verifiers are stored. A relay running on the same store applies each change within a moment, and ends the sessions of
disabled and removed accounts.`;
const EXITS = {
  0: 'done',
  1: 'the account exists already or does not exist, or a file cannot be used or has faults',
  69: 'the store cannot be read or written',
  78: 'the configuration or the directory of the store is not usable, or the store is in memory',
};
const SEE = ['imxp relay', 'imxp check --identity', 'docs/guide/accounts.md'];

/** Makes a subcommand of `imxp account`. */
type Make = (name: string, description: string, examples: readonly string[], about?: string) => Command;

export function register(account: Command): void {
  explain(account, {
    about: ABOUT,
    exits: EXITS,
    examples: [
      'imxp account add fred@example.com --config mesh.json',
      'imxp account add imxp=mesh@rubble.com --password-file secrets/rubble.com',
      'imxp account disable fred@example.com --reason "left the quarry"',
      'imxp account list --json | jq -r .[].account',
      'imxp account export accounts.jsonl',
      'imxp account import accounts.jsonl --config other.json',
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
  registerAccess(make);
  registerLooks(make);
  registerFiles(make);
}

const WHOSE = ['<address>', 'the account', accountArgument] as const;

function withPassword(command: Command): Command {
  return command
    .option('--password-file <file>', 'file whose first line is the password; default: IMXP_PASSWORD, or a prompt')
    .addOption(
      new Option('--password-stdin', 'read the password from the first line of standard input').conflicts(
        'passwordFile',
      ),
    );
}

function registerLife(make: Make): void {
  const adding = make('add', 'add an account', [
    'imxp account add fred@example.com --config mesh.json',
    'imxp account add imxp=mesh@rubble.com --password-file secrets/rubble.com',
    'pwgen -s 20 1 | tee pw | imxp account add fred@example.com --password-stdin',
  ]).argument('<address>', 'an endpoint, or a relay such as imxp=mesh@rubble.com', accountArgument);
  withPassword(adding).action(add);
  make(
    'remove',
    'remove an account and everything that belongs to it',
    ['imxp account remove fred@example.com'],
    `Its attachments and sessions end. A relay deletes its access entries, presence and held messages, now or at its next
start. Someone who logs in with a certificate needs no account: disable the account instead, or revoke the certificate.`,
  )
    .argument(...WHOSE)
    .action(remove);
  const changing = make(
    'passwd',
    'change the password of an account',
    ['imxp account passwd fred@example.com'],
    'The new password applies to new logins; existing sessions continue.',
  ).argument(...WHOSE);
  withPassword(changing).action(passwd);
}

function registerState(make: Make): void {
  make(
    'disable',
    'block logins and messages for an account until it is enabled',
    ['imxp account disable fred@example.com --reason "left the quarry"'],
    `A login is answered like one with a wrong password; the log gives the reason. Sessions and attachments end; messages to
it are refused with 550. Everything else is kept. Disabling it again replaces the reason.`,
  )
    .argument(...WHOSE)
    .option('--reason <text>', 'reason for the log and for imxp account show')
    .action(disable);
  make('enable', 'enable a disabled account', ['imxp account enable fred@example.com'])
    .argument(...WHOSE)
    .action(enable);
  const limiting = make(
    'quota',
    'show or change the quotas of an account',
    [
      'imxp account quota fred@example.com',
      'imxp account quota fred@example.com --data-per-second 5 --attachments 2',
      'imxp account quota fred@example.com --data-per-second default',
    ],
    `Without options it shows the quotas in force. A number overrides the limit of the configuration for this account;
"default" removes the override. Existing attachments continue even past a lower quota.`,
  ).argument(...WHOSE);
  for (const name of QUOTA_NAMES) {
    const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} <number>`;
    limiting.addOption(new Option(option, QUOTAS[name]).argParser(quantity));
  }
  limiting.action(quota);
}

function registerAccess(make: Make): void {
  make(
    'access',
    'show, replace or reset the access entries of an account',
    [
      'imxp account access fred@example.com --config mesh.json',
      'imxp account access fred@example.com set --file list.txt',
      'imxp account access fred@example.com reset',
    ],
    `For owners who are absent or cannot log in; owners themselves use imxp access. It works with and without a running relay,
which applies the change within milliseconds. "get" prints the list in the form that "set" reads: one entry per line, the
ACTOR and its actions, or JSON with --json. "reset" removes all that was set, so that access.initial of the configuration
applies again.`,
  )
    .argument(...WHOSE)
    .addArgument(new Argument('[action]', 'what to do').choices(ACCESS_ACTIONS).default('get'))
    .option('--file <file>', 'for set: entries as "get" prints them; default: standard input')
    .option(...FORCE)
    .action((address: string, action: AccessAction, flags: AccountAccessFlags) =>
      accountAccess(address, action, flags),
    );
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
    .argument('[address]', 'show only this account', accountArgument)
    .addOption(new Option('--state <state>', 'show only accounts in this state').choices(['active', 'disabled']))
    .action(list);
  make('show', 'show everything about an account except its verifiers', ['imxp account show fred@example.com'])
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
    `Accepts CSV with or without a header (address,password), also with semicolons or tabs where a header names the fields or
the file begins with sep=, JSON lines as written by imxp account export, and htdigest files; htpasswd files cannot be
used. A verifier may replace the password: user:realm:hash for DIGEST-MD5, or SCRAM-SHA-256$iterations:salt$key:key
(RFC 5803). All errors are reported with their lines before anything is written; then accounts are written 200 at a time.
Existing accounts are counted and left as they are, so an import that was interrupted is repeated to continue. The file may
have any length: it is read twice, and only standard input is kept in memory. Each password takes some ten milliseconds of
one core; verifiers take none.`,
  )
    .argument('<file>', 'file to import; -: standard input')
    .option('--dry-run', 'report errors and what would be done, but write nothing')
    .option('--update', 'replace the verifiers and other fields of existing accounts')
    .action((file: string, flags: ImportFlags) => importAccounts(file, flags));
  make(
    'export',
    'export all accounts with their verifiers, never passwords',
    ['imxp account export accounts.jsonl', 'imxp account export | gpg -e -r admin > accounts.gpg'],
    `Writes JSON lines that imxp account import reads: verifiers, state, quotas and times. A file is readable only by its owner
(0600) and replaced as a whole. Access lists, presence and held messages are not exported; to copy them, copy the
directory of the store while no relay is running.`,
  )
    .argument('[file]', 'file to write; default: standard output')
    .action((file: string | undefined, flags: AccountFlags) => exportAccounts(file, flags));
}
