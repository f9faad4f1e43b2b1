/** `imxp account`: the accounts of a node. Works beside a running relay, which sees the change at once. */
import type { Command } from 'commander';
import type { NodeConfig } from '../lib/config/schema.js';
import { parseAddress } from '../lib/imxp/address.js';
import { canonicalAccount, relayDomain } from '../lib/sasl/name.js';
import { makeVerifier, type Verifier } from '../lib/sasl/verifier.js';
import { type Account, Accounts } from '../lib/store/accounts.js';
import { openStore } from '../lib/store/open.js';
import { loadForCommand, withConfig } from './support/configuration.js';
import { CommandError, EXIT } from './support/exit.js';
import { explain } from './support/manual.js';
import { print, printJson, table } from './support/output.js';
import { obtainPassword } from './support/password.js';

interface AccountOptions {
  readonly config: string;
  readonly passwordFile?: string;
  readonly json?: boolean;
}

/**
 * The one spelling of an account's name: an endpoint of a domain served here, or a neighbour relay.
 *
 * @throws CommandError USAGE; RemoteProtocolError ADDRESS_INVALID, which exits with 64 as well
 */
function accountName(text: string, { domains }: NodeConfig): string {
  const name = canonicalAccount(text);
  // A bare "fred" is a forgotten domain far more often than the relay of a domain of one label.
  if (relayDomain(name) !== undefined && /[.@]/.test(text)) return name;
  const wrong = (why: string): CommandError => new CommandError(EXIT.USAGE, `${JSON.stringify(text)} ${why}`);
  if (!text.includes('@')) throw wrong(`is not an address; write for instance ${text || 'fred'}@${domains[0]}`);
  const { key, domain, service } = parseAddress(text);
  // IMXP core §2: these local parts belong to services.
  if (service) throw wrong('names a service; only imxp=mesh@DOMAIN may have an account, for a relay');
  if (!domains.includes(domain)) {
    throw wrong(`is not in a domain served here (${domains.join(', ')}); a neighbour relay is imxp=mesh@${domain}`);
  }
  return key;
}

/** Runs something on the accounts and closes the store in any case. */
async function withAccounts<T>(config: NodeConfig, action: (accounts: Accounts) => Promise<T>): Promise<T> {
  if (config.store.type === 'memory') {
    throw new CommandError(
      EXIT.CONFIGURATION,
      'store.type is "memory": accounts kept there are gone when this command ends',
    );
  }
  const store = await openStore(config.store);
  try {
    return await action(new Accounts(store));
  } finally {
    await store.close();
  }
}

async function newVerifier(name: string, config: NodeConfig, options: AccountOptions): Promise<Verifier> {
  const password = await obtainPassword({ passwordFile: options.passwordFile, subject: name, confirm: true });
  const realms = [...new Set([...(config.sasl.realm === undefined ? [] : [config.sasl.realm]), ...config.domains])];
  return makeVerifier(name, password, { realms });
}

function done(name: string, action: string, { json }: AccountOptions): void {
  if (json === true) printJson({ account: name, action });
  else print(`${name}: ${action}`);
}

async function add(address: string, options: AccountOptions): Promise<void> {
  const config = await loadForCommand(options.config, { files: false });
  const name = accountName(address, config);
  await withAccounts(config, async (accounts) => {
    const taken = new CommandError(
      EXIT.FAILED,
      `${name} has an account already; imxp account passwd changes its password`,
    );
    // Before somebody types a password in vain.
    if ((await accounts.find(name)) !== undefined) throw taken;
    if (!(await accounts.add(await newVerifier(name, config, options)))) throw taken;
  });
  done(name, 'added', options);
}

function unknown(name: string): CommandError {
  return new CommandError(EXIT.FAILED, `${name} has no account; imxp account list shows all`);
}

async function passwd(address: string, options: AccountOptions): Promise<void> {
  const config = await loadForCommand(options.config, { files: false });
  const name = accountName(address, config);
  await withAccounts(config, async (accounts) => {
    if ((await accounts.find(name)) === undefined) throw unknown(name);
    if (!(await accounts.change(await newVerifier(name, config, options)))) throw unknown(name);
  });
  done(name, 'password changed', options);
}

async function remove(address: string, options: AccountOptions): Promise<void> {
  const config = await loadForCommand(options.config, { files: false });
  // Accounts of a domain that is served no longer must go, too.
  const name = canonicalAccount(address);
  const removed = await withAccounts(config, (accounts) => accounts.remove(name));
  if (!removed) throw unknown(name);
  done(name, 'removed', options);
}

async function list(address: string | undefined, options: AccountOptions): Promise<void> {
  const config = await loadForCommand(options.config, { files: false });
  const wanted = address === undefined ? undefined : canonicalAccount(address);
  const found: Account[] = [];
  await withAccounts(config, async (accounts) => {
    for await (const account of accounts.list()) {
      if (wanted === undefined || account.address === wanted) found.push(account);
    }
  });
  if (wanted !== undefined && found.length === 0) throw unknown(wanted);
  const kind = (account: Account): string => (relayDomain(account.address) === undefined ? 'endpoint' : 'relay');
  if (options.json === true) {
    printJson(
      found.map((one) => ({ account: one.address, kind: kind(one), created: one.created, changed: one.changed })),
    );
  } else if (found.length > 0) {
    print(table(found.map((one) => [one.address, kind(one), `password of ${one.changed.slice(0, 10)}`])));
  }
}

const ABOUT = `Accounts are endpoints of the domains served (fred@example.com) and neighbour relays (imxp=mesh@rubble.com).
The password comes from --password-file, from IMXP_PASSWORD, or from a prompt; only verifiers are kept. A relay that runs
on the same store sees each change at once.`;
const EXITS = {
  0: 'done',
  1: 'there is such an account already, or none',
  69: 'the store cannot be opened',
  78: 'the configuration is not usable, or its store keeps nothing',
};
const SEE = ['imxp relay', 'imxp check --identity'];

export function register(program: Command): void {
  const account = program.command('account').description('add, remove and list the accounts of a node');
  explain(account, {
    about: ABOUT,
    exits: EXITS,
    examples: [
      'imxp account add fred@example.com --config mesh.json',
      'imxp account add imxp=mesh@rubble.com --config mesh.json --password-file secrets/rubble.com',
      'imxp account passwd fred@example.com',
      'imxp account list --json | jq -r .[].account',
    ],
    see: SEE,
  });
  const json = ['--json', 'print the result as JSON'] as const;
  const password = [
    '--password-file <file>',
    'its first line is the password; without it IMXP_PASSWORD, or a prompt',
  ] as const;
  const command = (name: string, description: string, examples: readonly string[]): Command => {
    const made = withConfig(account.command(name).description(description)).option(...json);
    return explain(made, { exits: EXITS, examples, see: ['imxp account', ...SEE] });
  };
  command('add', 'add an account', [
    'imxp account add fred@example.com --config mesh.json',
    'imxp account add imxp=mesh@rubble.com --password-file secrets/rubble.com',
  ])
    .argument('<address>', 'an endpoint, or a relay as imxp=mesh@rubble.com')
    .option(...password)
    .action(add);
  command('passwd', 'change the password of an account', ['imxp account passwd fred@example.com'])
    .argument('<address>', 'whose')
    .option(...password)
    .action(passwd);
  command('remove', 'remove an account', ['imxp account remove fred@example.com'])
    .argument('<address>', 'whose')
    .action(remove);
  command('list', 'list the accounts', ['imxp account list', 'imxp account list --json | jq -r .[].account'])
    .argument('[address]', 'this one only')
    .action(list);
}
