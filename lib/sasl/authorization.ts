/**
 * Authorization of an authenticated account to act as another identity, by the node's policy with a safe default. Used
 * by every mechanism with an authorization identity.
 */

import { sameAccount } from './name.js';
import { prepared } from './scram/saslprep.js';
import type { ServerSettings } from './settings.js';

/**
 * The authorization identity that counts. Some libraries repeat the user name (`fred` for `fred`, or for
 * `fred@example.com`), and everybody may act as themselves: that is none.
 *
 * @param account whose password it was
 * @param username the name that was authenticated, in the peer's spelling
 * @param authzid undefined or empty when none was sent
 */
export function statedAuthzid(account: string, username: string, authzid: string | undefined): string | undefined {
  if (authzid === undefined || authzid === '') return undefined;
  if (sameAccount(authzid, account)) return authzid;
  const asked = prepared(authzid) ?? authzid;
  // A name without a domain is one in the domain of the account.
  const whole = asked.includes('@') ? asked : `${asked}@${account.slice(account.lastIndexOf('@') + 1)}`;
  return sameAccount(asked, prepared(username) ?? username) || sameAccount(whole, account) ? undefined : authzid;
}

/** @param authzid `undefined` when none was sent: everybody may act as themselves */
export async function mayActAs(
  settings: Pick<ServerSettings, 'authorize'>,
  account: string,
  authzid: string | undefined,
): Promise<boolean> {
  if (authzid === undefined || sameAccount(account, authzid)) return true;
  return settings.authorize === undefined ? false : settings.authorize(account, authzid);
}
