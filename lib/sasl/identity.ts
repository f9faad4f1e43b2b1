/**
 * From what SASL proved to the identity the rest of the node works with (core-01 §4.5, D-SASL-05). Owns the rule which name
 * counts; what the identity may do is policy.
 */

import { type Identity, NOBODY } from '../imxp/identity.js';
import type { Authentication } from './mechanism.js';
import { canonicalAccount, relayDomain, sameAccount } from './name.js';

/** The name that counts: authzid if sent; else the account; else the user name, completed by the realm if need be. */
function nameOf(authentication: Authentication): string {
  const { authzid, account, username, realm } = authentication;
  if (authzid !== undefined && authzid !== '') return authzid;
  if (account !== undefined) return account;
  return username.includes('@') || realm === undefined || realm === '' ? username : `${username}@${realm}`;
}

/**
 * @param privacy true when the session was under TLS when the proof was given
 * @returns a relay for `imxp=mesh@domain` and for a bare domain, nobody for ANONYMOUS, else an endpoint
 */
export function identityOf(authentication: Authentication, privacy: boolean): Identity {
  if (authentication.mechanism === 'ANONYMOUS') return NOBODY;
  const name = nameOf(authentication);
  const { account, mechanism } = authentication;
  const other = account !== undefined && !sameAccount(account, name);
  const proof = { mechanism, privacy, ...(other ? { account: canonicalAccount(account) } : {}) };
  const domain = relayDomain(name);
  if (domain !== undefined) return { kind: 'relay', domains: [domain], proof };
  const address = canonicalAccount(name);
  // A local part alone names nobody on the mesh; it can only come from a store that gives no account.
  return address.includes('@') ? { kind: 'endpoint', address, proof } : NOBODY;
}
