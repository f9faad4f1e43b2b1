/**
 * Whether a proven account may act as somebody else: asks the node's policy, with a safe default. Every mechanism with an
 * authorization identity goes through here.
 */

import { sameAccount } from './name.js';
import type { ServerSettings } from './settings.js';

/** @param authzid `undefined` when none was sent: everybody may act as himself */
export async function mayActAs(
  settings: Pick<ServerSettings, 'authorize'>,
  account: string,
  authzid: string | undefined,
): Promise<boolean> {
  if (authzid === undefined || sameAccount(account, authzid)) return true;
  return settings.authorize === undefined ? false : settings.authorize(account, authzid);
}
