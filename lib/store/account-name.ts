/** Canonical spelling of account names in the store. */
import { addressOf } from '../imxp/address.js';
import { canonicalAccount, relayDomain } from '../sasl/name.js';

/** Returns relays as `imxp=mesh@domain`, endpoints as their normalized address. */
export function accountName(name: string): string {
  const account = canonicalAccount(name);
  return relayDomain(account) === undefined ? (addressOf(account)?.key ?? account) : account;
}
