/**
 * Maps the proven name of a peer to its identity on the mesh, a relay or an endpoint (core-01 §4.5, D-SASL-05). What
 * an identity may do is decided by policy.
 */
import { type Identity, NOBODY, type Proof } from '../imxp/identity.js';
import { type PeerIdentity, provenName } from '../sasl/identity.js';
import type { Authentication } from '../sasl/mechanism.js';
import { canonicalAccount, relayDomain, sameAccount } from '../sasl/name.js';
import { certificateIdentities } from './certificate.js';

const known = new WeakMap<PeerIdentity, Identity>();

/** The identity of a peer on the mesh; the same object each time for the same peer. */
export function identityOf(peer: PeerIdentity | undefined): Identity {
  if (peer === undefined) return NOBODY;
  let identity = known.get(peer);
  if (identity === undefined) {
    identity = read(peer);
    known.set(peer, identity);
  }
  return identity;
}

function read({ name, account, mechanism, privacy }: PeerIdentity): Identity {
  const proof: Proof = { mechanism, privacy, ...(account === undefined ? {} : { account }) };
  const domain = relayDomain(name);
  if (domain !== undefined) return { kind: 'relay', domains: [domain], proof };
  return { kind: 'endpoint', address: canonicalAccount(name), proof };
}

/**
 * Names the peer of an authentication as IMXP spells it: `imxp=mesh@domain` for a relay and for a bare domain, else
 * `local@domain`.
 *
 * @param privacy true when the session was under TLS when the proof was given
 * @returns undefined for ANONYMOUS, and for a local part alone, which names nobody on the mesh
 */
export function meshPeer(authentication: Authentication, privacy: boolean): PeerIdentity | undefined {
  const { mechanism, account } = authentication;
  if (mechanism === 'ANONYMOUS') return undefined;
  const proven = provenName(authentication);
  const name = canonicalAccount(proven);
  if (!name.includes('@')) return undefined;
  const other = account !== undefined && !sameAccount(account, proven);
  return { name, mechanism, privacy, ...(other ? { account: canonicalAccount(account) } : {}) };
}

/** The relay of a domain that this side dialled. @param how it was found */
export function dialledRelay(domain: string, how: string, privacy: boolean): PeerIdentity {
  return { name: `imxp=mesh@${domain}`, mechanism: how, privacy };
}

/** The names that a trusted certificate proves, for SASL EXTERNAL. */
export function externalNames(certificate: Buffer): string[] {
  return certificateIdentities(certificate).flatMap((identity) => {
    if (identity.kind === 'relay') return identity.domains.map((domain) => `imxp=mesh@${domain}`);
    return identity.kind === 'endpoint' ? [identity.address] : [];
  });
}
