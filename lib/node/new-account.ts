/**
 * Validates account names and makes verifiers according to a node's configuration. Opens no store and asks nobody for a
 * password.
 */
import type { NodeConfig, PolicyConfig } from '../config/schema.js';
import { LocalError } from '../errors.js';
import { type Address, commonKey, EVERYBODY, parseAddress } from '../imxp/address.js';
import { canonicalAccount, relayDomain } from '../sasl/name.js';
import { makeVerifier, type Verifier } from '../sasl/verifier.js';

/** What decides about the names of accounts. */
export type AccountNaming = Pick<NodeConfig, 'domains'> & {
  readonly policy?: Pick<PolicyConfig, 'services' | 'gateways'>;
};

/** Whether the configuration gives a service, or a domain, to an application that logs in by this name. */
function isApplication(name: Address, policy: AccountNaming['policy']): boolean {
  if (policy === undefined) return false;
  const known = [...Object.keys(policy.services), ...Object.values(policy.gateways)];
  return known.some((text) => commonKey(parseAddress(text)) === commonKey(name));
}

/**
 * Returns the reason why a name cannot be that of an account of a node; undefined if it can.
 *
 * @throws RemoteProtocolError ADDRESS_INVALID
 */
export function nameObstacle(text: string, { domains, policy }: AccountNaming): string | undefined {
  // A bare "fred" is a forgotten domain far more often than the relay of a domain of one label.
  if (relayDomain(canonicalAccount(text)) !== undefined && /[.@]/.test(text)) return undefined;
  if (!text.includes('@')) return `is not an address; write for instance ${text || 'fred'}@${domains[0]}`;
  const name = parseAddress(text);
  const { domain, key, base } = name;
  if (name.local === EVERYBODY) return `stands for every endpoint of ${domain}, which is nobody's account`;
  // core-01 §2.2: these local parts belong to services.
  if (name.service && !isApplication(name, policy)) {
    return 'names a service; only imxp=mesh@DOMAIN may have an account, for a relay, and what policy.services and policy.gateways name';
  }
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
  config: Pick<NodeConfig, 'sasl'> & AccountNaming,
): Promise<Verifier> {
  const obstacle = nameObstacle(name, config);
  if (obstacle !== undefined) throw new LocalError('ARGUMENT', `${JSON.stringify(name)} ${obstacle}`);
  return await makeVerifier(name, password, { realms: realmsOf(config) });
}
