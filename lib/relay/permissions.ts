/**
 * Permissions that a configuration gives an identity, as lists for people. Each entry was found by asking the policy
 * itself.
 */
import { addressOf, wholeDomain } from '../imxp/address.js';
import type { Identity } from '../imxp/identity.js';
import { parseActor } from '../imxp/vocabulary/actor.js';
import { Policy, type PolicyRules } from './policy.js';

export interface Permissions {
  /** Whether TLS is required first. */
  readonly privacy: boolean;
  /** Endpoints that it may attach as, each with all its subaddresses, and patterns of endpoints. */
  readonly attach: readonly string[];
  /** Domains that it may bind for. */
  readonly bind: readonly string[];
  /** Originators that it may send for once attached or bound: addresses, or `*@domain`. */
  readonly originate: readonly string[];
  /** Whether it may also send for originators of any domain, and to any domain. */
  readonly transit: boolean;
}

/** @param domains those served here, in lower case */
export function permissions(rules: PolicyRules, domains: readonly string[], identity: Identity): Permissions {
  const policy = new Policy(rules);
  // Under TLS only the identity decides. What is refused without TLS is refused for that reason alone.
  const attach = endpointsOf(rules, identity).filter((endpoint) => {
    const name = addressOf(exampleOf(endpoint));
    return name !== undefined && domains.includes(name.domain) && !policy.mayAttach(identity, true, name);
  });
  const bind = domainsOf(rules, identity).filter(
    (domain) => !domains.includes(domain) && !policy.mayBind(identity, true, domain),
  );
  const further = attach.flatMap((endpoint) => rules.originators[endpoint] ?? []);
  const transit = policy.trusts(identity);
  const originate = [...attach, ...further, ...bind.map((domain) => `*@${domain}`)];
  return {
    privacy: rules.requireTls === 'always' || (rules.requireTls === 'mesh' && identity.kind === 'relay'),
    attach,
    bind,
    originate: [...new Set(originate)],
    transit,
  };
}

/** Returns every endpoint and pattern that the configuration mentions, and the identity's own. */
function endpointsOf({ attach, services = {}, gateways = {} }: PolicyRules, identity: Identity): string[] {
  const own = identity.kind === 'endpoint' ? [identity.address] : [];
  const whole = Object.keys(gateways).flatMap((domain) => [wholeDomain(domain), `imxp=*@${domain}`]);
  return [...new Set([...own, ...Object.values(attach).flat(), ...Object.keys(services), ...whole])];
}

/** Returns an endpoint that a pattern matches; an endpoint, and the name of a whole domain, as it is. */
function exampleOf(text: string): string {
  const pattern = parseActor(text);
  if (pattern?.kind === 'services') return text.replace('*', 'any');
  return pattern?.kind === 'subaddresses' ? text.replace(/\*(?=@[^@]*$)/, 'any') : text;
}

/** Returns every domain that the configuration mentions, and the identity's own. */
function domainsOf(rules: PolicyRules, identity: Identity): string[] {
  const own = identity.kind === 'relay' ? identity.domains.map((domain) => domain.toLowerCase()) : [];
  return [...new Set([...own, ...Object.values(rules.relays).flat()])];
}
