/**
 * Identity of the peer of a session. SASL and certificates only produce identities; policy alone decides what an
 * identity may do (core-01 §4.5).
 */
import { accountOf } from './address.js';

/** How an identity was proven; kept for the log and for policy. */
export interface Proof {
  /** SASL mechanism name, or `none`. */
  readonly mechanism: string;
  /** Whether the session was under TLS when the proof was given. */
  readonly privacy: boolean;
  /** The authenticated account, if it acts as another identity: an address, or `imxp=mesh@domain`. */
  readonly account?: string;
}

/** An unauthenticated or anonymous peer. */
export interface AnonymousIdentity {
  readonly kind: 'none';
}

/** An endpoint, `local@domain`. */
export interface EndpointIdentity {
  readonly kind: 'endpoint';
  readonly address: string;
  readonly proof: Proof;
}

/** A relay of one or more domains (authenticated as `imxp=mesh@domain` or `domain`). */
export interface RelayIdentity {
  readonly kind: 'relay';
  readonly domains: readonly string[];
  readonly proof: Proof;
}

export type Identity = AnonymousIdentity | EndpointIdentity | RelayIdentity;

export const NOBODY: AnonymousIdentity = Object.freeze({ kind: 'none' });

/**
 * Returns the accounts behind an identity: the one it acts as, and the one that was authenticated. Endpoints without
 * their subaddress, relays as `imxp=mesh@domain`.
 */
export function accountsOf(identity: Identity): readonly string[] {
  if (identity.kind === 'none') return [];
  const acts =
    identity.kind === 'endpoint'
      ? [accountOf(identity.address)]
      : identity.domains.map((domain) => `imxp=mesh@${domain.toLowerCase()}`);
  const { account } = identity.proof;
  return account === undefined || acts.includes(account) ? acts : [...acts, account];
}

/** Returns a key for everything that is counted per identity; empty for an unauthenticated peer. */
export function keyOf(identity: Identity): string {
  if (identity.kind === 'none') return '';
  return identity.kind === 'endpoint' ? accountOf(identity.address) : `imxp=mesh@${identity.domains.join(' ')}`;
}
