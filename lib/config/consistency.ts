/** Checks what no single key of a configuration shows: keys that contradict each other, and entries without effect. */
import { acmeNames, acmePath } from './acme.js';
import type { Finding, KeyPath } from './problem.js';
import type { NodeConfig } from './schema.js';

/** Names of the services that every relay provides itself. */
const BUILT_IN: ReadonlySet<string> = new Set(['imxp=report', 'imxp=access', 'imxp=presence']);
/** The stars that stand for something (access-01 §3); any other is a character of a name. */
const WILDCARD = /^(?:\*|(?:imxp|apex)=\*|.+\/\*)$/i;

/** Hosts that are this machine, as a URL has them. */
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Returns every problem of a configuration whose keys are valid by themselves. */
export function inconsistencies(config: NodeConfig): readonly Finding[] {
  const examination = new Examination(config);
  examination.mesh();
  examination.policy();
  examination.others();
  return examination.findings;
}

class Examination {
  readonly findings: Finding[] = [];
  readonly #config: NodeConfig;
  readonly #local: ReadonlySet<string>;

  constructor(config: NodeConfig) {
    this.#config = config;
    this.#local = new Set(config.domains);
  }

  mesh(): void {
    const { routes, siblings } = this.#config.mesh;
    for (const [index, route] of routes.entries()) {
      const at = ['mesh', 'routes', index];
      if (this.#local.has(route.domain)) {
        this.#error([...at, 'domain'], `"${route.domain}" is served here, so a route to it would be a loop`);
      }
      if (route.tls === 'off' && route.credentials !== undefined) {
        this.#warning([...at, 'tls'], 'without TLS an eavesdropper can attack the password');
      }
      this.#intermediary([...at, 'via'], route.via, route.relays === undefined);
    }
    for (const [index, { tls, credentials }] of siblings.entries()) {
      if (tls === 'off' && credentials !== undefined) {
        this.#warning(['mesh', 'siblings', index, 'tls'], 'without TLS an eavesdropper can attack the password');
      }
    }
    if (this.#config.tls.require === 'always' && routes.some((route) => route.tls === 'off')) {
      this.#warning(
        ['tls', 'require'],
        '"always" applies to peers that connect to this node; a route with tls "off" still sends in the clear',
      );
    }
  }

  /** @param shared whether the route takes the relays of the intermediary from elsewhere */
  #intermediary(at: KeyPath, via: string | undefined, shared: boolean): void {
    if (via === undefined) return;
    const { routes, dns } = this.#config.mesh;
    if (this.#local.has(via)) this.#error(at, `"${via}" is served here, so a route over it would be a loop`);
    if (!shared) return;
    const own = routes.find(({ domain }) => domain === via);
    if (
      own === undefined &&
      !routes.some(({ domain, relays }) => relays !== undefined && coversDomain(domain, via)) &&
      !dns.enabled
    ) {
      this.#error(
        at,
        `how "${via}" is reached is not configured, and mesh.dns is disabled: give "relays" or a route to it`,
      );
    } else if (own !== undefined && own.relays === undefined) {
      this.#error(at, `the route to "${via}" goes over another domain itself: name the relays that it begins with`);
    }
  }

  policy(): void {
    const { services, gateways, attach, originators } = this.#config.policy;
    for (const service of Object.keys(services)) {
      const at = ['policy', 'services', service];
      const domain = domainOf(service);
      if (!this.#local.has(domain)) this.#error(at, `"${domain}" is not one of "domains"`, true);
      else if (gateways[domain] !== undefined) {
        this.#warning(at, `has no effect: ${domain} and all its services belong to a gateway (policy.gateways)`, true);
      }
    }
    for (const [domain, gateway] of Object.entries(gateways)) {
      const at = ['policy', 'gateways', domain];
      if (!this.#local.has(domain)) this.#error(at, `"${domain}" is not one of "domains"`, true);
      if (/^(?:imxp|apex)=mesh@/i.test(gateway)) {
        this.#error(
          at,
          `"${gateway}" is a relay; a gateway attaches as an endpoint, so name one such as imxp=gateway@${domain}`,
        );
      } else if (WILDCARD.test(localOf(gateway))) this.#error(at, `"${gateway}" is a pattern; name one identity`);
    }
    for (const [identity, endpoints] of Object.entries(attach)) {
      for (const [index, endpoint] of endpoints.entries()) this.#attachable(identity, endpoint, index);
    }
    for (const [endpoint, further] of Object.entries(originators)) {
      for (const [index, name] of further.entries()) this.#star(['policy', 'originators', endpoint, index], name);
    }
  }

  #attachable(identity: string, endpoint: string, index: number): void {
    const { services, gateways } = this.#config.policy;
    const at = ['policy', 'attach', identity, index];
    const domain = domainOf(endpoint);
    const service = localOf(endpoint)
      .toLowerCase()
      .replace(/^apex=/, 'imxp=');
    const gateway = gateways[domain];
    this.#star(at, endpoint);
    if (!this.#local.has(domain)) {
      this.#warning(at, `has no effect: "${domain}" is not one of "domains"`);
    } else if (gateway !== undefined) {
      this.#warning(at, `has no effect: ${domain} belongs to ${gateway} (policy.gateways)`);
    } else if (BUILT_IN.has(service) && services[`${service}@${domain}`] === undefined) {
      this.#warning(
        at,
        `has no effect: this relay provides ${service}@${domain} itself, unless policy.services says "${service}@${domain}": "application"`,
      );
    }
  }

  #star(at: KeyPath, name: string): void {
    const local = localOf(name);
    if (!local.includes('*') || local.startsWith('"') || WILDCARD.test(local)) return;
    this.#warning(at, `"${name}" is a name with a star in it; patterns are *@domain, imxp=*@domain and name/*@domain`);
  }

  #acme(): void {
    const { tls, domains } = this.#config;
    if (tls.acme === undefined) return;
    if (acmePath(this.#config) === undefined)
      this.#error(['tls', 'acme'], 'needs "path", a directory for the certificates, because the store has none');
    if (acmeNames(this.#config).size === 0)
      this.#warning(['tls', 'acme'], 'has no effect: "tls.domains" has a certificate for every domain');
    for (const domain of domains) {
      if (addressLike(domain) && tls.domains[domain] === undefined)
        this.#error(
          ['tls', 'acme'],
          `no authority certifies "${domain}" as a domain: give it a certificate in "domains"`,
        );
    }
  }

  others(): void {
    this.#acme();
    const { tls, sasl, limits, webhooks } = this.#config;
    for (const [index, { account, url }] of webhooks.entries()) {
      if (!this.#local.has(domainOf(account))) {
        this.#error(['webhooks', index, 'account'], `"${domainOf(account)}" is not one of "domains"`);
      }
      if (url.startsWith('http:') && !LOOPBACK.has(new URL(url).hostname)) {
        this.#warning(['webhooks', index, 'url'], 'messages and answers go unprotected over the network; use https');
      }
    }
    if (webhooks.length > 0 && limits.webhook.giveUpMs >= limits.data.deliveryTimeoutMs) {
      this.#error(['limits', 'webhook', 'giveUpMs'], 'must be less than limits.data.deliveryTimeoutMs');
    }
    for (const name of Object.keys(tls.domains)) {
      if (!this.#local.has(name)) this.#error(['tls', 'domains', name], `"${name}" is not one of "domains"`);
    }
    if (tls.legacy) {
      this.#warning(
        ['tls', 'legacy'],
        'the cipher suites of the year 2000 do not protect against a determined attacker',
      );
    }
    if (sasl.mechanisms.length === 0) {
      this.#warning(['sasl', 'mechanisms'], 'without mechanisms nobody can authenticate with a password');
    }
    if (limits.unauthenticated.messageOctets > limits.session.messageOctets) {
      this.#error(['limits', 'unauthenticated', 'messageOctets'], 'must not be more than limits.session.messageOctets');
    }
  }

  #error(keys: KeyPath, message: string, atKey = false): void {
    this.findings.push({ severity: 'error', keys, message, atKey });
  }

  #warning(keys: KeyPath, message: string, atKey = false): void {
    this.findings.push({ severity: 'warning', keys, message, atKey });
  }
}

/** Whether a domain is the address of a machine. */
function addressLike(domain: string): boolean {
  return /^\d+(?:\.\d+){3}$/.test(domain);
}

/** Whether the pattern of a route matches a domain. */
function coversDomain(pattern: string, domain: string): boolean {
  return pattern === '*' || (pattern.startsWith('*.') && domain.endsWith(pattern.slice(1)));
}

function localOf(address: string): string {
  return address.slice(0, address.lastIndexOf('@'));
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}
