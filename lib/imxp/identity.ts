/**
 * Who the peer of a session is, as a value. SASL and certificates only produce identities; what an identity may do is
 * decided by policy alone (core-01 §4.5).
 */
import { addressOf } from './address.js';

/** How an identity was proven; kept for the log and for policy. */
export interface Proof {
  /** SASL mechanism name, or `none`. */
  readonly mechanism: string;
  /** True when the session was under TLS when the proof was given. */
  readonly privacy: boolean;
  /** Whose proof it was, where it acts as somebody else: an address, or `imxp=mesh@domain`. */
  readonly account?: string;
}

/** No one in particular. */
export interface AnonymousIdentity {
  readonly kind: 'none';
}

/** An endpoint, `local@domain`. */
export interface EndpointIdentity {
  readonly kind: 'endpoint';
  readonly address: string;
  readonly proof: Proof;
}

/** A relay that speaks for domains (authenticated as `imxp=mesh@domain` or `domain`). */
export interface RelayIdentity {
  readonly kind: 'relay';
  readonly domains: readonly string[];
  readonly proof: Proof;
}

export type Identity = AnonymousIdentity | EndpointIdentity | RelayIdentity;

export const NOBODY: AnonymousIdentity = Object.freeze({ kind: 'none' });

/**
 * The accounts that stand behind an identity: whom it acts as, and who proved it. Endpoints without their subaddress,
 * relays as `imxp=mesh@domain`.
 */
export function accountsOf(identity: Identity): readonly string[] {
  if (identity.kind === 'none') return [];
  const acts =
    identity.kind === 'endpoint'
      ? [addressOf(identity.address)?.base ?? identity.address]
      : identity.domains.map((domain) => `imxp=mesh@${domain.toLowerCase()}`);
  const { account } = identity.proof;
  return account === undefined || acts.includes(account) ? acts : [...acts, account];
}

/** One name for everything that is counted for an identity; empty for nobody. */
export function keyOf(identity: Identity): string {
  if (identity.kind === 'none') return '';
  return identity.kind === 'endpoint' ? identity.address : `imxp=mesh@${identity.domains.join(' ')}`;
}
