/** The one spelling that an account has in the store, whatever name it was asked for by. */
import { addressOf } from '../imxp/address.js';
import { canonicalAccount, relayDomain } from '../sasl/name.js';

/** Relays as `imxp=mesh@domain`, endpoints as their normalised address. */
export function accountName(name: string): string {
  const account = canonicalAccount(name);
  return relayDomain(account) === undefined ? (addressOf(account)?.key ?? account) : account;
}
