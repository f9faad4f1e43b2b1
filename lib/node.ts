/**
 * The composition root: a configuration in, a running node out. The only file that knows every folder; it decides
 * nothing but who is given what.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { readPasswordFile } from './config/password-file.js';
import { type Reload, reloadable } from './config/reload.js';
import type { NodeConfig, RouteConfig } from './config/schema.js';
import type { Reply } from './errors.js';
import type { Dialect } from './imxp/dialect/dialect.js';
import { imxpDialect } from './imxp/dialect/imxp.js';
import { events } from './ops/events.js';
import { TokenBuckets } from './ops/token-bucket.js';
import { LinkTarget } from './relay/link-target.js';
import { Policy } from './relay/policy.js';
import { Rates } from './relay/rates.js';
import { Relay } from './relay/relay.js';
import { Routes } from './relay/routes.js';
import type { DeliveryTarget } from './relay/target.js';
import { NonceCache } from './sasl/nonce-cache.js';
import type { ServerSettings } from './sasl/settings.js';
import { CommonAccess } from './services/access-rules.js';
import { Accounts } from './store/accounts.js';
import { openStore } from './store/open.js';
import { ABSENT, type Store } from './store/store.js';
import { type BindCheck, bindCheck } from './wire/bind-check.js';
import { within } from './wire/deadline.js';
import { dial } from './wire/dialer.js';
import type { DriverOwner } from './wire/driver.js';
import { Link } from './wire/link.js';
import { Listener } from './wire/listener.js';
import { MeshProfile } from './wire/mesh-profile.js';
import type { TlsMaterial } from './wire/native-tls.js';
import { Penalties } from './wire/penalties.js';
import { ProfileTable, type ServedProfile } from './wire/profile.js';
import { RevocationList } from './wire/revocation.js';
import type { Credentials } from './wire/sasl-client.js';
import { SaslProfile } from './wire/sasl-profile.js';
import { TlsProfile } from './wire/tls-profile.js';
import { TlsService, type TlsServiceOptions } from './wire/tls-service.js';

/** Where a node listens. */
export interface Listening {
  readonly transport: string;
  readonly host: string;
  readonly port: number;
}

/** A neighbour of the node. */
export interface Neighbour {
  readonly link: Link;
  readonly target: LinkTarget;
  readonly route: RouteConfig;
}

const NO_RELAY: Reply = { code: 550, text: 'no relay for domain' };

/** A running node. */
export class Node {
  readonly accounts: Accounts;
  readonly #store: Store;
  readonly #tls: TlsService;
  readonly #dialect: Dialect;
  readonly #relay: Relay;
  readonly #linkProfiles: ProfileTable;
  #config: NodeConfig;
  #policy: Policy;
  #routes = new Routes<Neighbour>();
  #bindCheck: BindCheck;
  #listeners: Listener[] = [];

  private constructor(config: NodeConfig, store: Store, tls: TlsServiceOptions, secret: Buffer) {
    this.#config = config;
    this.#policy = new Policy(policyOf(config));
    this.#store = store;
    this.accounts = new Accounts(store);
    this.#tls = new TlsService(tls);
    this.#tls.verify();
    this.#dialect = imxpDialect(config.limits);
    this.#bindCheck = bindCheckOf(config);
    this.#relay = new Relay({
      domains: config.domains,
      dialects: [this.#dialect],
      dialer: { toward: (domain) => this.#toward(domain) },
      directory: this.accounts,
      access: new CommonAccess(config.access.initial),
      services: new Map(),
      policy: policyOf(config),
      limits: config.limits,
      rates: ratesOf(config),
      bindCheck: (domain, channel) => this.#bindCheck(domain, channel),
    });
    const mesh = new MeshProfile(this.#dialect, this.#relay, config.tls.require === 'always' ? ['private'] : []);
    this.#linkProfiles = new ProfileTable([mesh]);
    const { limits } = config;
    const penalties = new Penalties(limits);
    const starts = new TokenBuckets({ perSecond: limits.startPerSecond, burst: limits.startBurst });
    const profiles = new ProfileTable([...this.#tuningProfiles(secret, penalties), mesh]);
    const serves = (name: string): boolean => this.#servesName(name);
    this.#listeners = config.listen.map(
      ({ host, port }) => new Listener({ host, port, profiles, limits, penalties, starts, serves }),
    );
    this.#routes = this.#makeRoutes(config, new Map());
  }

  /**
   * Starts a node: opens its store, reads its certificates, listens.
   *
   * @throws LocalError CONFIGURATION | STORE_FAILED when it cannot
   */
  static async start(config: NodeConfig): Promise<Node> {
    const tls = await tlsOptions(config);
    const store = await openStore(config.store);
    try {
      const node = new Node(config, store, tls, await decoySecret(store));
      for (const listener of node.#listeners) await listener.listen();
      events.node.publish({ state: 'ready', listening: node.listening.map(written), domains: config.domains });
      return node;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Where it listens, with the ports the system chose. */
  get listening(): readonly Listening[] {
    return this.#config.listen.map(({ transport, host }, index) => ({
      transport,
      host,
      port: this.#listeners[index]?.port ?? 0,
    }));
  }

  /** The number of open sessions that peers began. */
  get sessions(): number {
    return this.#listeners.reduce((sum, listener) => sum + listener.drivers.size, 0);
  }

  /**
   * Takes a changed configuration as far as that is possible while running: routes, policy, certificates, access.
   * Sessions that exist go on.
   *
   * @returns what was applied and what needs a restart
   * @throws LocalError CONFIGURATION when files it names cannot be used; the node goes on as it was
   */
  async reload(config: NodeConfig): Promise<Reload> {
    const tls = await tlsOptions(config);
    new TlsService(tls).verify();
    const reload = reloadable(this.#config, config);
    this.#tls.replace(tls);
    this.#policy = new Policy(policyOf(config));
    this.#relay.reload({ policy: policyOf(config) });
    this.#bindCheck = bindCheckOf(config);
    const old = new Map([...this.#routes].map((neighbour) => [keyOf(neighbour.route), neighbour]));
    const { domains, listen, sasl, store, compatibility, admin, limits } = this.#config;
    this.#config = { ...config, domains, listen, sasl, store, compatibility, admin, limits };
    this.#routes = this.#makeRoutes(this.#config, old);
    await Promise.all([...old.values()].map(({ link }) => link.close()));
    events.node.publish({ state: 'reloaded', applied: reload.applied, restart: reload.restart });
    return reload;
  }

  /**
   * Stops in order: no new sessions and operations, outstanding Data finish within `drainTimeoutMs`, attachments are
   * terminated, sessions released.
   */
  async stop(): Promise<void> {
    const { drainTimeoutMs } = this.#config.limits;
    events.node.publish({ state: 'draining', sessions: this.sessions });
    for (const listener of this.#listeners) listener.stop();
    const finished = await within(drainTimeoutMs, this.#relay.drain());
    if (!finished) events.node.publish({ state: 'drain timed out', ms: drainTimeoutMs });
    await Promise.all([...this.#routes].map(({ link }) => link.close()));
    await Promise.all(this.#listeners.map((listener) => listener.release('the relay is shutting down')));
    await this.#store.close();
    events.node.publish({ state: 'stopped' });
  }

  #tuningProfiles(secret: Buffer, penalties: Penalties): ServedProfile[] {
    const { domains, sasl, tls, limits } = this.#config;
    const settings: ServerSettings = {
      mechanisms: sasl.mechanisms,
      credentials: this.accounts,
      realms: sasl.realm === undefined ? domains : [sasl.realm],
      // Where the operator names the hosts, a digest-uri must name one of them (RFC 2831 §2.1.2).
      ...(sasl.serverNames.length > 0 ? { hosts: [...domains, ...sasl.serverNames] } : {}),
      secret,
      qops: sasl.qops,
      authorize: (account, authzid) => this.#policy.mayActAs(account, authzid),
      nonces: new NonceCache(),
    };
    const profiles: ServedProfile[] = [];
    if (this.#tls.canServe) profiles.push(new TlsProfile(this.#tls, limits.handshakes));
    profiles.push(...SaslProfile.all(settings, penalties, tls.require === 'always'));
    return profiles;
  }

  /** Whether this node acts under a server name (RFC 3080 §2.3.1.2). */
  #servesName(name: string): boolean {
    const { domains, sasl } = this.#config;
    return domains.includes(name.toLowerCase()) || sasl.serverNames.includes(name.toLowerCase());
  }

  #toward(domain: string): DeliveryTarget | Reply {
    return this.#routes.find(domain)?.target ?? NO_RELAY;
  }

  /** Makes the neighbours of a configuration; those of `old` with the same route are kept and taken out of it. */
  #makeRoutes(config: NodeConfig, old: Map<string, Neighbour>): Routes<Neighbour> {
    const routes = new Routes<Neighbour>();
    for (const route of config.mesh.routes) {
      const kept = old.get(keyOf(route));
      old.delete(keyOf(route));
      routes.add(route.domain, kept ?? this.#neighbour(route));
    }
    return routes;
  }

  #neighbour(route: RouteConfig): Neighbour {
    const domain = relayDomainOf(route);
    const link: Link = new Link({
      name: domain,
      dialect: this.#dialect,
      domains: this.#bindingOrder(route),
      lanes: route.lanes ?? this.#config.limits.lanes,
      connect: () => this.#dial(route, domain, link),
      accept: (channel) => this.#relay.accept(channel),
      bound: (channel, transID) => {
        this.#relay.initiated(channel, transID, () => void channel.driver.release('the binding was terminated'));
      },
      up: (lanes) => target.up(lanes),
      down: (obstacle) => target.down(obstacle),
    });
    const target = new LinkTarget(link, this.#dialect, this.#config.limits, domain);
    return { link, target, route };
  }

  /** The local domains, the one the credentials stand for first. */
  #bindingOrder(route: RouteConfig): string[] {
    const { domains } = this.#config;
    const own = route.credentials?.username?.split('@').at(-1)?.toLowerCase() ?? '';
    return domains.includes(own) ? [own, ...domains.filter((domain) => domain !== own)] : [...domains];
  }

  /**
   * How this node proves who it is to a neighbour: by its certificate where the neighbour takes it, else by password. What
   * the route demands is never less, whatever somebody in between takes out of the neighbour's greeting.
   */
  #credentials({ credentials, tls }: RouteConfig): { readonly credentials?: Credentials } {
    const useCertificate = tls !== 'off' && this.#tls.hasCertificate;
    if (credentials === undefined) return useCertificate ? { credentials: { useCertificate } } : {};
    const { username, passwordFile, mechanisms, qops } = credentials;
    return {
      credentials: {
        useCertificate,
        ...(username === undefined || passwordFile === undefined
          ? {}
          : { username, password: () => readPasswordFile(passwordFile) }),
        ...(mechanisms === undefined ? {} : { mechanisms }),
        ...(qops === undefined ? {} : { qops }),
      },
    };
  }

  async #dial(route: RouteConfig, domain: string, owner: DriverOwner) {
    const driver = await dial({
      relays: route.relays,
      domain,
      tls: route.tls,
      service: this.#tls,
      profiles: this.#linkProfiles,
      limits: this.#config.limits,
      owner,
      ...this.#credentials(route),
    });
    // The route names the relay; TLS proved it by certificate, DIGEST-MD5 by the password it shares with us.
    driver.identity = { kind: 'relay', domains: [domain], proof: { mechanism: 'route', privacy: driver.privacy } };
    return driver;
  }
}

/** Starts a node. @throws LocalError CONFIGURATION | STORE_FAILED */
export function startNode(config: NodeConfig): Promise<Node> {
  return Node.start(config);
}

function policyOf(config: NodeConfig) {
  const { policy, tls, mesh } = config;
  return {
    requireTls: tls.require,
    attach: policy.attach,
    originators: policy.originators,
    relays: policy.relays,
    trusted: mesh.trusted,
  };
}

function bindCheckOf({ policy, mesh }: NodeConfig): BindCheck {
  const { bindCheck: mode, bindCheckAuthenticated: authenticated } = policy;
  return bindCheck({ mode, authenticated, servers: mesh.dns.servers });
}

function ratesOf({ limits }: NodeConfig): Rates {
  return new Rates({
    data: { perSecond: limits.dataPerSecond, burst: limits.dataBurst },
    relayData: { perSecond: limits.relayDataPerSecond, burst: limits.relayDataBurst },
    attach: { perSecond: limits.attachPerSecond, burst: limits.attachBurst },
  });
}

/** A link is kept over a reload as long as nothing of its route changed. */
function keyOf(route: RouteConfig): string {
  return JSON.stringify(route);
}

/** Whose relay is at the end of a route: a pattern names no domain, so its first relay's host stands for it. */
function relayDomainOf(route: RouteConfig): string {
  return route.domain.includes('*') ? (route.relays[0]?.host ?? route.domain) : route.domain;
}

async function tlsOptions(config: NodeConfig): Promise<TlsServiceOptions> {
  const { certificate, key, authority, revoked, domains } = config.tls;
  const ca = authority === undefined ? undefined : await readFile(authority);
  const material = async (certificatePath?: string, keyPath?: string): Promise<TlsMaterial> => ({
    ...(certificatePath === undefined ? {} : { certificate: await readFile(certificatePath) }),
    ...(keyPath === undefined ? {} : { key: await readFile(keyPath) }),
    ...(ca === undefined ? {} : { authority: ca }),
  });
  const single = new Map<string, TlsMaterial>();
  for (const [domain, pair] of Object.entries(domains)) {
    single.set(domain, await material(pair.certificate, pair.key));
  }
  return {
    common: await material(certificate, key),
    domains: single,
    revocations: revoked === undefined ? [] : RevocationList.read(await readFile(revoked)),
    timeoutMs: config.limits.tuningTimeoutMs,
    legacy: config.tls.legacy,
  };
}

/** The secret behind decoys for unknown users; kept, so that they look the same after a restart. */
async function decoySecret(store: Store): Promise<Buffer> {
  const fresh = randomBytes(32);
  if ((await store.put('secret/decoy', fresh.toString('base64'), ABSENT)) !== undefined) return fresh;
  const entry = await store.get('secret/decoy');
  return typeof entry?.value === 'string' ? Buffer.from(entry.value, 'base64') : fresh;
}

function written({ transport, host, port }: Listening): string {
  return `${transport}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
