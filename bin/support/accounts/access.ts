/**
 * Reads, replaces and resets the access entries of an account in the store, for operators. A relay that runs on the same
 * store applies a change within milliseconds.
 */
import { checkEntries } from '../../../lib/endpoint/access-list.js';
import { type Address, parseAddress } from '../../../lib/imxp/address.js';
import { implicitEntries } from '../../../lib/services/access-rules.js';
import { ENTRIES } from '../../../lib/services/apex-access.js';
import { AccessEntries } from '../../../lib/store/access.js';
import { checkKnown, entriesOf, showEntries, warnOfUnreachable } from '../access-entries.js';
import { CommandError, EXIT } from '../exit.js';
import { type AccountFlags, loadForAccounts, unknown, withAccounts } from './accounts.js';

export interface AccountAccessFlags extends AccountFlags {
  readonly force?: boolean;
  /** For `set`; without one, or with `-`, standard input. */
  readonly file?: string;
}

export const ACCESS_ACTIONS = ['get', 'set', 'reset'] as const;
export type AccessAction = (typeof ACCESS_ACTIONS)[number];

/** Prints the list after the action. @throws CommandError */
export async function accountAccess(address: string, action: AccessAction, flags: AccountAccessFlags): Promise<void> {
  if (flags.file !== undefined && action !== 'set') {
    throw new CommandError(
      EXIT.USAGE,
      `${action} takes no file; imxp account access ${address} set --file FILE replaces the list`,
    );
  }
  const config = await loadForAccounts(flags);
  const owner = parseAddress(address);
  if (!config.domains.includes(owner.domain)) {
    throw new CommandError(
      EXIT.USAGE,
      `${owner.domain} is not served here; access entries belong to endpoints of ${config.domains.join(', ')}`,
    );
  }
  await withAccounts(config, async ({ accounts, store }) => {
    // D-CORE-20: operators may set the entries of services.
    if (!owner.service && !accounts.exists(owner.base)) throw unknown(owner.base);
    const entries = new AccessEntries(store, config.access.initial);
    if (action === 'set') await replace(entries, owner, flags);
    if (action === 'reset') await entries.reset(owner);
    const { entries: found, lastUpdate } = entries.of(owner);
    const shown = found.length > 0 ? found : implicitEntries(owner);
    showEntries(
      {
        owner: owner.key,
        lastUpdate: new Date(lastUpdate),
        entries: shown.map(({ actor, actions }) => ({ actor, actions })),
      },
      flags,
    );
  });
}

async function replace(entries: AccessEntries, owner: Address, flags: AccountAccessFlags): Promise<void> {
  const wanted = await entriesOf(flags.file);
  checkEntries(wanted);
  if (wanted.length > ENTRIES)
    throw new CommandError(
      EXIT.USAGE,
      `${wanted.length} entries, and an access list has ${ENTRIES} at most; combine some by patterns such as *@example.com`,
    );
  checkKnown(
    wanted.flatMap(({ actions }) => actions),
    flags,
  );
  // What the owner sets at the same moment is replaced as well.
  let replaced: number | undefined;
  do replaced = await entries.replace(owner, entries.of(owner), wanted, Date.now());
  while (replaced === undefined);
  warnOfUnreachable(wanted, owner.key);
}
