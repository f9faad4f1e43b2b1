/**
 * Check that a relay that binds for a domain has an address that the domain's SRV records name (core-01 §4.4.2 step 2,
 * D-CORE-11). Whether it may bind at all was decided before.
 */
import { APEX_PROFILE } from '../../imxp/dialect/apex.js';
import type { Identity } from '../../imxp/identity.js';
import { locatedAt } from './locate.js';
import type { Resolver } from './resolver.js';

export interface BindCheckOptions {
  /** The port is only compared where this side opened the session: who connects comes from any port (D-CORE-11). */
  readonly mode: 'off' | 'address' | 'address+port';
  /** Check also who authenticated for that very domain: a proof is stronger than an address. */
  readonly authenticated: boolean;
  readonly resolver: Resolver;
}

/** The peer that binds; a relay's channel has this shape. */
export interface Binder {
  /** Of the channel; IMXP where none is given. */
  readonly profile?: string;
  readonly identity: Identity;
  readonly remote: { readonly address: string; readonly port: number };
  /** Whether this side opened the session. */
  readonly initiator: boolean;
}

/** @param domain in lower case */
export type DnsBindCheck = (domain: string, peer: Binder) => boolean | Promise<boolean>;

/** @returns the check; its promises reject with TransportError LOOKUP_FAILED (450) when the DNS gives no answer */
export function bindCheck({ mode, authenticated, resolver }: BindCheckOptions): DnsBindCheck {
  if (mode === 'off') return () => true;
  return (domain, { profile, identity, remote, initiator }) => {
    // RFC 3340 §4.4.2 has no such step: authorization is all there is.
    if (profile === APEX_PROFILE) return true;
    const proven = identity.kind === 'relay' && identity.domains.some((own) => own.toLowerCase() === domain);
    if (proven && !authenticated) return true;
    return locatedAt(domain, remote, mode === 'address+port' && initiator, resolver);
  };
}
