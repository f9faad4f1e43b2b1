/**
 * Names of anonymous principals: `anonymous/RANDOM@domain` (D-CORE-47). Nobody vouches for whoever has one, and two of
 * them have nothing in common, so they are treated apart from other subaddresses.
 */
import type { Address } from './address.js';
import type { Identity } from './identity.js';

/** Local part of the identity that all anonymous principals of a domain share. */
export const ANONYMOUS = 'anonymous';

/**
 * A UUID without hyphens has 122 random bits, so that a peer cannot guess another's name and receive messages for it.
 */
const NAME = /^anonymous\/[0-9a-f]{32}$/;

/** Whether an address is reserved for anonymous principals. */
export function isAnonymousName({ local }: Pick<Address, 'local'>): boolean {
  return local.startsWith('anonymous/');
}

/** Whether an anonymous principal may attach under a local part. */
export function isAnonymousLocal(local: string): boolean {
  return NAME.test(local);
}

/** @param random 32 hexadecimal digits */
export function anonymousAddress(random: string, domain: string): string {
  return `${ANONYMOUS}/${random}@${domain}`;
}

/** Whether a peer used SASL ANONYMOUS, and the policy gave it an identity. */
export function isAnonymous(identity: Identity): boolean {
  return identity.kind === 'endpoint' && identity.proof.mechanism === 'ANONYMOUS';
}
