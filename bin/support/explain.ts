/** What `imxp check` reports about one identity and one domain, from the policy and the routes. */
import type { NodeConfig, RouteConfig } from '../../lib/config/schema.js';
import type { Identity } from '../../lib/imxp/identity.js';
import { identityOf, meshPeer } from '../../lib/mesh/identity.js';
import { RouteTable } from '../../lib/mesh/route-table.js';
import { type Permissions, permissions } from '../../lib/relay/permissions.js';
import { CommandError, EXIT } from './exit.js';
import { shownName } from './names.js';

export interface IdentityExplained extends Permissions {
  readonly identity: string;
  readonly kind: 'endpoint' | 'relay';
}

export interface DomainExplained {
  readonly domain: string;
  readonly by: 'here' | 'route' | 'dns' | 'nobody';
  readonly route?: RouteConfig;
  /** The identity to which a domain served here belongs. */
  readonly gateway?: string;
  /** Services of a domain served here that an application provides. */
  readonly applications?: readonly string[];
}

/** @throws CommandError USAGE for a name that is neither an address nor a relay */
export function explainIdentity(config: NodeConfig, name: string): IdentityExplained {
  const authentication = { username: name, realm: undefined, authzid: undefined, account: undefined } as const;
  const identity: Identity = identityOf(
    meshPeer({ ...authentication, mechanism: 'DIGEST-MD5', layer: undefined }, true),
  );
  if (identity.kind === 'none') {
    throw new CommandError(EXIT.USAGE, `${name} is neither an address nor a relay such as imxp=mesh@rubble.com`);
  }
  const { policy, tls, mesh } = config;
  const rules = { ...policy, requireTls: tls.require, trusted: mesh.trusted };
  return { identity: name, kind: identity.kind, ...permissions(rules, config.domains, identity) };
}

export function explainDomain(config: NodeConfig, name: string): DomainExplained {
  const domain = name.toLowerCase();
  if (config.domains.includes(domain)) return { domain, by: 'here', ...applicationsIn(config, domain) };
  const routes = new RouteTable<RouteConfig>();
  for (const route of config.mesh.routes) routes.add(route.domain, route);
  const route = routes.find(domain);
  if (route !== undefined) return { domain, by: 'route', route };
  return { domain, by: config.mesh.dns.enabled ? 'dns' : 'nobody' };
}

function applicationsIn({ policy }: NodeConfig, domain: string): Pick<DomainExplained, 'gateway' | 'applications'> {
  const gateway = policy.gateways[domain];
  if (gateway !== undefined) return { gateway };
  const applications = Object.keys(policy.services).filter((service) => service.endsWith(`@${domain}`));
  return applications.length === 0 ? {} : { applications };
}

const listed = (items: readonly string[], none: string): string => (items.length === 0 ? none : items.join(', '));

export function identityRows(config: NodeConfig, it: IdentityExplained): string[][] {
  const served = it.kind === 'endpoint' && config.domains.includes(it.identity.split('@').at(-1)?.toLowerCase() ?? '');
  const who = it.kind === 'relay' ? 'a relay' : served ? 'an endpoint of this node' : 'an endpoint of another domain';
  const { bindCheck, bindCheckAuthenticated } = config.policy;
  const located = it.bind.length > 0 && (bindCheckAuthenticated || it.kind !== 'relay') && bindCheck !== 'off';
  return [
    [it.identity, who],
    ['  tls', it.privacy ? `required (tls.require is ${config.tls.require}): 538 without it` : 'not required'],
    ['  log in by', listed(config.sasl.mechanisms, 'nothing: sasl.mechanisms is empty')],
    ['  attach as', it.attach.length === 0 ? 'nothing' : `${it.attach.join(', ')}, and their subaddresses`],
    ['  bind for', listed(it.bind, 'no domain') + (located ? ', from an address in its SRV records' : '')],
    ['  originate', it.transit ? 'as anyone: it is in mesh.trusted' : listed(it.originate, 'as no one')],
    ['  send to', reach(it)],
  ];
}

function reach({ kind, transit, originate }: IdentityExplained): string {
  if (!transit && originate.length === 0) return 'no one';
  if (transit) return 'any domain';
  return kind === 'relay' ? 'the domains served here; no transit, because it is not in mesh.trusted' : 'any domain';
}

function applicationsText({ domain, gateway, applications = [] }: DomainExplained): string {
  if (gateway !== undefined) return `; all its endpoints and services belong to ${gateway}, attached as *@${domain}`;
  return applications.length === 0 ? '' : `; an application provides ${applications.join(', ')}`;
}

export function domainText(it: DomainExplained, routeText: (route: RouteConfig) => string): string {
  if (it.route !== undefined) return `${shownName(it.domain)}: configured route ${routeText(it.route)}`;
  if (it.by === 'here') return `${shownName(it.domain)}: served here${applicationsText(it)}`;
  if (it.by === 'dns')
    return `${shownName(it.domain)}: no configured route; looked up in the DNS (SRV _imxp-mesh._tcp.${it.domain})`;
  return `${shownName(it.domain)}: no configured route, and mesh.dns is disabled; refused with 550`;
}
