/** What the commands on accounts share: how accounts are named, and how their store is opened. Prints nothing. */
import type { NodeConfig } from '../../../lib/config/schema.js';
import { parseAddress } from '../../../lib/imxp/address.js';
import { type AccountNaming, nameObstacle } from '../../../lib/node/new-account.js';
import { canonicalAccount, relayDomain } from '../../../lib/sasl/name.js';
import { Accounts } from '../../../lib/store/accounts.js';
import { openStore } from '../../../lib/store/open.js';
import type { Store } from '../../../lib/store/store.js';
import { loadForCommand } from '../configuration.js';
import { CommandError, EXIT } from '../exit.js';
import { shownName } from '../names.js';
import { note, print, printJson } from '../output.js';
import { asUser, foreignOwner, userName } from '../store-owner.js';

/** What every command on accounts has. */
export interface AccountFlags {
  readonly config: string;
  readonly json?: boolean;
}

export type Kind = 'endpoint' | 'relay';

export function kindOf(address: string): Kind {
  return relayDomain(address) === undefined ? 'endpoint' : 'relay';
}

/**
 * The one spelling of an account's name: an endpoint of a domain served here, or a neighbour relay.
 *
 * @throws CommandError USAGE; RemoteProtocolError ADDRESS_INVALID, which exits with 64 as well
 */
export function accountOf(text: string, config: AccountNaming): string {
  const obstacle = nameObstacle(text, config);
  if (obstacle !== undefined) throw new CommandError(EXIT.USAGE, `${JSON.stringify(text)} ${obstacle}`);
  const name = canonicalAccount(text);
  return relayDomain(name) === undefined ? parseAddress(text).key : name;
}

/** Accounts of a domain that is served no longer must be found, too. */
export function anyAccountOf(text: string): string {
  const name = canonicalAccount(text);
  return relayDomain(name) === undefined && name.includes('@') ? parseAddress(name).key : name;
}

export function unknown(name: string): CommandError {
  return new CommandError(EXIT.FAILED, `${name} has no account; imxp account list shows all`);
}

export interface Opened {
  readonly config: NodeConfig;
  readonly store: Store;
  readonly accounts: Accounts;
}

/** The configuration, with the place of the store looked at. Certificates and passwords may be missing yet. */
export function loadForAccounts({ config }: AccountFlags): Promise<NodeConfig> {
  return loadForCommand(config, { files: 'store' });
}

/**
 * Runs something on the accounts and closes the store in any case. A relay may run beside it.
 *
 * @throws CommandError CONFIGURATION: the store keeps nothing
 */
export async function withAccounts<T>(config: NodeConfig, action: (opened: Opened) => Promise<T>): Promise<T> {
  if (config.store.type === 'memory') {
    throw new CommandError(
      EXIT.CONFIGURATION,
      'store.type is "memory": accounts kept there are gone when this command ends',
    );
  }
  const owner = await foreignOwner(config.store);
  const store = await asUser(owner, () => openStore(config.store));
  if (owner !== undefined) note(`The store belongs to user ${await userName(owner)}, and was opened as that user.`);
  try {
    return await action({ config, store, accounts: new Accounts(store, { domains: config.domains }) });
  } finally {
    await store.close();
  }
}

/** Says what was done to one account. */
export function done(name: string, action: string, { json }: AccountFlags, more: object = {}): void {
  if (json === true) printJson({ account: name, action, ...more });
  else print(`${shownName(name)}: ${action}`);
}
