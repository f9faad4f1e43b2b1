/**
 * Validates account names and makes verifiers according to a node's configuration. Opens no store and asks nobody for a
 * password.
 */
import type { NodeConfig } from '../config/schema.js';
import { LocalError } from '../errors.js';
import { parseAddress } from '../imxp/address.js';
import { canonicalAccount, relayDomain } from '../sasl/name.js';
import { makeVerifier, type Verifier } from '../sasl/verifier.js';

/**
 * Returns the reason why a name cannot be that of an account of a node; undefined if it can.
 *
 * @throws RemoteProtocolError ADDRESS_INVALID
 */
export function nameObstacle(text: string, { domains }: Pick<NodeConfig, 'domains'>): string | undefined {
  const name = canonicalAccount(text);
  // A bare "fred" is a forgotten domain far more often than the relay of a domain of one label.
  if (relayDomain(name) !== undefined && /[.@]/.test(text)) return undefined;
  if (!text.includes('@')) return `is not an address; write for instance ${text || 'fred'}@${domains[0]}`;
  const { domain, service, key, base } = parseAddress(text);
  // core-01 §2.2: these local parts belong to services.
  if (service) return 'names a service; only imxp=mesh@DOMAIN may have an account, for a relay';
  if (key !== base) return `is a subaddress; the account is that of ${base}`;
  if (domains.includes(domain)) return undefined;
  return `is not in a domain served here (${domains.join(', ')}); a neighbour relay is imxp=mesh@${domain}`;
}

/** Returns every realm that a node may name when a peer logs in. */
export function realmsOf({ sasl, domains }: Pick<NodeConfig, 'sasl' | 'domains'>): string[] {
  return [...new Set([...(sasl.realm === undefined ? [] : [sasl.realm]), ...domains])];
}

/**
 * Makes the verifier that a node keeps instead of the password of an account.
 *
 * @param name an endpoint of one of its domains, or `imxp=mesh@DOMAIN` for a neighbour relay
 * @throws LocalError ARGUMENT if no account can have that name or that password; RemoteProtocolError ADDRESS_INVALID
 */
export async function verifierOf(
  name: string,
  password: string,
  config: Pick<NodeConfig, 'sasl' | 'domains'>,
): Promise<Verifier> {
  const obstacle = nameObstacle(name, config);
  if (obstacle !== undefined) throw new LocalError('ARGUMENT', `${JSON.stringify(name)} ${obstacle}`);
  return await makeVerifier(name, password, { realms: realmsOf(config) });
}
