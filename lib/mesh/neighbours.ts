/**
 * Neighbour relays of this node: those that routes name, and for all other domains those that the DNS names. Joins
 * links with delivery targets.
 */

import type { DialectName } from '../config/dialects.js';
import { readPasswordFile } from '../config/password-file.js';
import type { NodeConfig, RouteConfig } from '../config/schema.js';
import type { Reply } from '../errors.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { Payload } from '../mime/payload.js';
import type { LinkProof, LinkStatus } from '../ops/status.js';
import type { Relay } from '../relay/relay.js';
import type { DeliveryTarget, Dialer } from '../relay/target.js';
import type { ChannelHandler } from '../transport/channel.js';
import type { Connection } from '../transport/connection.js';
import { type DialTarget, dial } from '../transport/dialer.js';
import type { ProfileTable } from '../transport/profile.js';
import type { ReassemblyBudget } from '../transport/reassembly-budget.js';
import { RecentFailures } from '../transport/recent-failures.js';
import type { Credentials } from '../transport/sasl/client.js';
import type { TlsService } from '../transport/tls/service.js';
import type { RelayChannel } from './channel.js';
import { type HostPort, type LocatedRelay, leadsTo, locate, servicesOf } from './dns/locate.js';
import { Resolver } from './dns/resolver.js';
import { dialledRelay } from './identity.js';
import { Link } from './link.js';
import { LinkPool } from './link-pool.js';
import { LinkTarget } from './link-target.js';
import { preferredTo } from './preference.js';
import { RouteTable } from './route-table.js';
import { suspectOf } from './suspect.js';

export interface NeighboursOptions {
  /** Those spoken with neighbours, the preferred first. */
  readonly dialects: readonly Dialect[];
  readonly relay: Relay;
  readonly tls: TlsService;
  /** What this side serves on the sessions it opens. */
  readonly profiles: ProfileTable;
  readonly reassembly: ReassemblyBudget;
  /** Where this node listens itself. */
  readonly listening: () => readonly HostPort[];
}

/** What a link needs to know; a route says it, and for the other domains the section on the DNS. */
type LinkSettings = Pick<RouteConfig, 'tls' | 'credentials' | 'lanes' | 'dialect'>;

interface Neighbour {
  readonly link: Link;
  readonly target: LinkTarget;
}

interface Routed extends Neighbour {
  readonly route: RouteConfig;
}

/** A route without relays of its own: it takes the way to an intermediary (core-01 §4.5.2). */
interface Detour {
  readonly via: string;
}

const NO_RELAY: Reply = { code: 550, text: 'no relay for domain' };
const TOO_MANY: Reply = {
  code: 450,
  text: 'relay unavailable: this relay has as many links to other domains as it may; try again later',
};

export class Neighbours implements Dialer {
  readonly #options: NeighboursOptions;
  readonly #failures = new RecentFailures();
  #config: NodeConfig;
  #resolver: Resolver;
  #routes: RouteTable<Routed | Detour>;
  #siblings: readonly Routed[];
  /** See {@link Dialer}; the same array as long as the configuration is. */
  siblings: readonly DeliveryTarget[] = [];
  #found: LinkPool<Neighbour> | undefined;

  constructor(config: NodeConfig, options: NeighboursOptions) {
    this.#options = options;
    this.#config = config;
    this.#resolver = resolverOf(config);
    this.#routes = this.#makeRoutes(new Map());
    this.#siblings = this.#makeSiblings(new Map());
    this.#found = this.#makePool();
  }

  /** Asks the DNS, also for others. */
  get resolver(): Resolver {
    return this.#resolver;
  }

  toward(domain: string): DeliveryTarget | Reply {
    const way = this.#routes.find(domain);
    if (way === undefined) return this.#searched(domain);
    if ('target' in way) return way.target;
    const direct = this.#routes.find(way.via);
    return direct !== undefined && 'target' in direct ? direct.target : this.#searched(way.via);
  }

  /** The relay of a domain without a route. */
  #searched(domain: string): DeliveryTarget | Reply {
    if (this.#found === undefined) return NO_RELAY;
    return this.#found.toward(domain)?.target ?? TOO_MANY;
  }

  get #routed(): Routed[] {
    return [...this.#routes].filter((way): way is Routed => 'target' in way);
  }

  /** Applies a changed configuration. Unchanged links stay up. */
  async reload(config: NodeConfig): Promise<void> {
    const before = this.#config.mesh.dns;
    this.#config = config;
    const old = new Map(this.#routed.map((neighbour) => [keyOf(neighbour.route), neighbour]));
    const siblings = new Map(this.#siblings.map((neighbour) => [keyOf(neighbour.route), neighbour]));
    this.#routes = this.#makeRoutes(old);
    this.#siblings = this.#makeSiblings(siblings);
    const closing = [...old.values(), ...siblings.values()].map(({ link }) => link.close());
    if (JSON.stringify(before) !== JSON.stringify(config.mesh.dns)) {
      if (this.#found !== undefined) closing.push(this.#found.close());
      this.#resolver = resolverOf(config);
      this.#found = this.#makePool();
    }
    await Promise.all(closing);
  }

  /** Closes all links, within `limitMs` where that is given. */
  async close(limitMs?: number): Promise<void> {
    const routed = [...this.#routed, ...this.#siblings].map(({ link }) => link.close(limitMs));
    await Promise.all([...routed, this.#found?.close(limitMs)]);
  }

  /** The links there are, with what is under way on them. */
  get links(): LinkStatus[] {
    return this.#all().map(({ link, target: { outstanding, waiting } }) => {
      const { name, state, failure } = link;
      const proof = link.remote === undefined ? undefined : proofOf(link.connection);
      return {
        name,
        state,
        outstanding,
        waiting,
        ...(proof === undefined ? {} : { proof }),
        ...(failure === undefined ? {} : { failure }),
      };
    });
  }

  /** The sessions this side opened. */
  get connections(): Connection[] {
    return this.#all().flatMap(({ link: { connection } }) => connection ?? []);
  }

  #all(): Neighbour[] {
    return [...this.#routed, ...this.#siblings, ...(this.#found ?? [])];
  }

  /** Makes the neighbours of a configuration; those of `old` with the same route are kept and taken out of it. */
  #makeRoutes(old: Map<string, Routed>): RouteTable<Routed | Detour> {
    const routes = new RouteTable<Routed | Detour>();
    for (const route of this.#config.mesh.routes) {
      const { domain, via, relays } = route;
      const kept = old.get(keyOf(route));
      old.delete(keyOf(route));
      if (relays === undefined && via !== undefined) routes.add(domain, { via });
      else routes.add(domain, kept ?? this.#makeRouted(route));
    }
    return routes;
  }

  /** The same for the other relays of the domains served here. */
  #makeSiblings(old: Map<string, Routed>): readonly Routed[] {
    const [domain = ''] = this.#config.domains;
    // An early ok would be all that is known of an endpoint that may be anywhere.
    const dialect = this.#options.dialects.find(({ repliesImmediately }) => !repliesImmediately)?.name;
    const made = this.#config.mesh.siblings.map((sibling) => {
      const route = { ...sibling, domain, dialect };
      const kept = old.get(keyOf(route));
      old.delete(keyOf(route));
      return kept ?? this.#makeRouted(route);
    });
    this.siblings = made.map(({ target }) => target);
    return made;
  }

  #makePool(): LinkPool<Neighbour> | undefined {
    const { mesh, limits } = this.#config;
    if (!mesh.dns.enabled) return undefined;
    return new LinkPool<Neighbour>({
      most: limits.link.maximum,
      idleMs: limits.link.idleTimeoutMs,
      busy: ({ target }) => target.busy,
      make: (domain, touched) => this.#located(domain, touched),
      current: (domain, { link }) => this.#isCurrent(domain, link),
    });
  }

  #makeRouted(route: RouteConfig): Routed {
    const { relay } = this.#options;
    const { relays: configured = [] } = route;
    const accept = (channel: RelayChannel): ChannelHandler => relay.accept(channel);
    const relays = async (): Promise<readonly DialTarget[]> => configured;
    const neighbour = this.#neighbour(relayDomainOf(route), route, 'route', relays, accept);
    return { ...neighbour, route };
  }

  #located(domain: string, touched: () => void): Neighbour {
    const { relay } = this.#options;
    const accept = (channel: RelayChannel): ChannelHandler => new Noticed(relay.accept(channel), touched);
    return this.#neighbour(domain, this.#config.mesh.dns, 'dns', () => this.#locate(domain), accept);
  }

  #locate(domain: string): Promise<LocatedRelay[]> {
    const { limits, mesh } = this.#config;
    return locate(domain, {
      resolver: this.#resolver,
      services: servicesOf('mesh', this.#options.dialects),
      defaultPort: mesh.dns.defaultPort,
      dane: mesh.dns.tls === 'off' ? 'off' : mesh.dns.dane,
      most: limits.link.candidates,
      listening: this.#options.listening(),
    });
  }

  /** Whether a link still leads to a relay that the domain's records name; what cannot be found out has not changed. */
  async #isCurrent(domain: string, { remote }: Link): Promise<boolean> {
    try {
      return remote === undefined || leadsTo(await this.#locate(domain), remote);
    } catch {
      return true;
    }
  }

  /** @param source how the relay was found, as the proof of its identity */
  #neighbour(
    domain: string,
    settings: LinkSettings,
    source: 'route' | 'dns',
    relays: () => Promise<readonly DialTarget[]>,
    accept: (channel: RelayChannel) => ChannelHandler,
  ): Neighbour {
    const { dialects, relay } = this.#options;
    const { limits } = this.#config;
    let alternatives = 0;
    let chosen: DialTarget | undefined;
    const link: Link = new Link({
      name: domain,
      // A route may say it, or the record by which the relay was found.
      dialects: () => spoken(dialects, settings.dialect ?? chosen?.dialect),
      domains: this.#bindingOrder(settings),
      lanes: settings.lanes ?? limits.link.lanes,
      maximumLanes: limits.link.maximumLanes,
      dataWaitMs: limits.data.deliveryTimeoutMs,
      connect: async () => {
        const found = await relays();
        alternatives = found.length - 1;
        return this.#dial(domain, settings, source, link, found, (one) => {
          chosen = one;
        });
      },
      returnMs: limits.link.returnMs,
      busy: () => target.busy,
      suspect: (error) => suspectOf(error, this.#options.tls.ownValidity, Date.now()),
      connectPreferred: async () => {
        const preferred = chosen === undefined ? [] : preferredTo(chosen.url, await relays());
        if (preferred.length === 0) return undefined;
        let next = chosen;
        const connection = await this.#dial(domain, settings, source, link, preferred, (one) => {
          next = one;
        });
        return {
          connection,
          taken: () => {
            chosen = next;
          },
        };
      },
      lost: () => {
        if (chosen !== undefined) this.#failures.failed(chosen.url);
        return alternatives > 0;
      },
      // Any peer can name a domain; a link that never was up is not kept longer than the Data that need it.
      insist: source === 'route',
      accept,
      bound: (channel, transID) => {
        relay.initiated(channel, transID, () => channel.endSession('the binding was terminated'));
      },
      up: (lanes) => target.up(lanes),
      opened: (lane) => target.opened(lane),
      down: (obstacle) => target.down(obstacle),
    });
    const target = new LinkTarget(link, dialects, { ...limits.data, maximumLanes: limits.link.maximumLanes }, domain);
    return { link, target };
  }

  async #dial(
    domain: string,
    settings: LinkSettings,
    source: 'route' | 'dns',
    owner: Link,
    relays: readonly DialTarget[],
    chosen: (relay: DialTarget) => void,
  ) {
    const connection = await dial({
      relays,
      failures: this.#failures,
      chosen,
      domain,
      tls: settings.tls,
      service: this.#options.tls,
      profiles: this.#options.profiles,
      limits: this.#config.limits,
      reassembly: this.#options.reassembly,
      owner,
      ...this.#credentials(settings),
    });
    // The route or the DNS names the relay; TLS proved it by certificate, DIGEST-MD5 by the password it shares with us.
    connection.identity = dialledRelay(domain, source, connection.privacy);
    return connection;
  }

  /** The local domains, the one the credentials stand for first. */
  #bindingOrder({ credentials }: LinkSettings): string[] {
    const { domains } = this.#config;
    const own = credentials?.username?.split('@').at(-1)?.toLowerCase() ?? '';
    return domains.includes(own) ? [own, ...domains.filter((domain) => domain !== own)] : [...domains];
  }

  /**
   * How this node proves who it is to a neighbour: by its certificate where the neighbour takes it, else by password. What
   * the configuration demands is never less, even if a man in the middle removes offers from the neighbour's greeting.
   */
  #credentials({ credentials, tls }: LinkSettings): { readonly credentials?: Credentials } {
    const useCertificate = tls !== 'off' && this.#options.tls.hasCertificate;
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
}

/** Notices that a neighbour uses the link for what it sends. */
class Noticed implements ChannelHandler {
  readonly #handler: ChannelHandler;
  readonly #touched: () => void;

  constructor(handler: ChannelHandler, touched: () => void) {
    this.#handler = handler;
    this.#touched = touched;
  }

  message(msgno: number, payload: Payload): void {
    this.#touched();
    this.#handler.message(msgno, payload);
  }

  closed(): void {
    this.#handler.closed();
  }
}

/** By what the neighbour was proven. */
function proofOf(connection: Connection | undefined): LinkProof | undefined {
  if (connection === undefined) return undefined;
  const { security } = connection;
  if (security?.provenBy !== undefined) return { by: 'dane', record: security.provenBy };
  return { by: security?.authorized === true ? 'authority' : 'nothing' };
}

function spoken(dialects: readonly Dialect[], name: DialectName | undefined): readonly Dialect[] {
  return name === undefined ? dialects : dialects.filter((dialect) => dialect.name === name);
}

function resolverOf({ mesh, limits }: NodeConfig): Resolver {
  return new Resolver({ servers: mesh.dns.servers, validating: mesh.dns.validating, ...limits.dns });
}

/** A link is kept over a reload as long as nothing of its route changed. */
function keyOf(route: RouteConfig): string {
  return JSON.stringify(route);
}

/**
 * Whose relay is at the end of a route: that of the domain itself or of an intermediary. A pattern names no domain, so
 * the host of its first relay stands for it.
 */
function relayDomainOf({ domain, via, relays }: RouteConfig): string {
  return via ?? (domain.includes('*') ? (relays?.[0]?.host ?? domain) : domain);
}
