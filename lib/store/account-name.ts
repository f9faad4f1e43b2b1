/** Canonical spelling of account names in the store. */
import { addressOf } from '../imxp/address.js';
import { canonicalAccount, relayDomain } from '../sasl/name.js';

/** Returns relays as `imxp=mesh@domain`, endpoints as their normalized address. */
export function accountName(name: string): string {
  const account = canonicalAccount(name);
  return relayDomain(account) === undefined ? (addressOf(account)?.key ?? account) : account;
}

/**
 * Returns the ways in which people write a name whose local part counts with its case (core-01 §2.2), other than the given
 * one.
 */
export function otherCases(name: string): string[] {
  const at = name.lastIndexOf('@');
  const [local, domain] = [name.slice(0, at), name.slice(at)];
  const lower = local.toLowerCase();
  const ways = [lower, local.toUpperCase(), lower.charAt(0).toUpperCase() + lower.slice(1)];
  return [...new Set(ways)].filter((way) => way !== local).map((way) => way + domain);
}
