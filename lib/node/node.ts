/**
 * Composition root: makes a running node of a configuration. The only file that knows every folder; it only decides
 * which part is given what.
 */
import { availableParallelism } from 'node:os';
import type { Admin } from '../admin/admin.js';
import { readTokens, type Token } from '../admin/tokens.js';
import { readWebhooks } from '../admin/webhooks.js';
import { type Reload, reloadable } from '../config/reload.js';
import type { NodeConfig } from '../config/schema.js';
import type { Address } from '../imxp/address.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { Data } from '../imxp/operation.js';
import type { DnsBindCheck } from '../mesh/dns/bind-check.js';
import { Neighbours } from '../mesh/neighbours.js';
import { type MeshAcceptor, MeshProfile } from '../mesh/profile.js';
import { events } from '../ops/events.js';
import type { NodeFacts } from '../ops/status.js';
import type { Cluster } from '../relay/cluster.js';
import type { RelayOptions } from '../relay/context.js';
import type { Spool } from '../relay/offline/spool.js';
import { Policy } from '../relay/policy.js';
import type { Rates } from '../relay/rates.js';
import { Relay } from '../relay/relay.js';
import type { DeliverySink, Dialer } from '../relay/target.js';
import type { Submit } from '../services/outgoing.js';
import { PRESENCE, type PresenceService } from '../services/presence/service.js';
import type { AccessEntries } from '../store/access.js';
import { Accounts } from '../store/accounts.js';
import { lockStore } from '../store/lock.js';
import { openStore } from '../store/open.js';
import { openSpool } from '../store/spool.js';
import type { Store } from '../store/store.js';
import { whenAborted } from '../transport/abort.js';
import { systemClock } from '../transport/clock.js';
import type { Connection } from '../transport/connection.js';
import { within } from '../transport/deadline.js';
import { Listener } from '../transport/listener.js';
import type { NameServed } from '../transport/open-channels.js';
import { ProfileTable } from '../transport/profile.js';
import { ReassemblyBudget } from '../transport/reassembly-budget.js';
import { ServedNames } from '../transport/served-names.js';
import { Handshakes } from '../transport/tls/handshakes.js';
import { TlsService, type TlsServiceOptions } from '../transport/tls/service.js';
import { AccountWatch } from './account-watch.js';
import { CertificateRenewal } from './certificate-renewal.js';
import { CertificateWatch } from './certificate-watch.js';
import type { connectionSetup } from './connection-setup.js';
import { follows } from './follows.js';
import { listenerOptions } from './listeners.js';
import { LocalEndpoints } from './local-endpoints.js';
import { type MakeApi, Management } from './management.js';
import { verifierOf } from './new-account.js';
import type { NodeRole } from './role.js';
import { type Secrets, secretsIn } from './secrets.js';
import { makeServices, type NodeServices } from './services.js';
import { countSessions } from './session-counts.js';
import {
  bindCheckOf,
  dialectsOf,
  optionSettingsOf,
  policyOf,
  prepareAcme,
  ratesOf,
  relayLimitsOf,
  tlsOptions,
} from './settings.js';

/** An address that a node listens on. */
export interface Listening {
  readonly transport: string;
  readonly host: string;
  readonly port: number;
}

/**
 * Share of the time to stop that is left to outstanding Data operations: peers that answer nothing at all must not have
 * all of it.
 */
const DRAIN_SHARE = 0.75;

/** What a node is constructed from: opened, read and locked already. */
interface NodeParts {
  readonly config: NodeConfig;
  readonly store: Store;
  /** Releases the store for other relays. */
  readonly leave: () => Promise<void>;
  /** Undefined for a worker: the center holds messages. */
  readonly spool: Spool | undefined;
  readonly tls: TlsServiceOptions;
  readonly secrets: Secrets;
  readonly admin: Admin | undefined;
  readonly role: NodeRole | undefined;
  readonly tokens: readonly Token[];
  /** Makes the HTTP API; undefined where none is configured. */
  readonly makeApi: MakeApi | undefined;
  /** Undefined where all listeners are plain TCP. */
  readonly setup: typeof connectionSetup | undefined;
  readonly superseded: AbortSignal;
}

/** What listeners have in common, and the handshakes that they count together. */
type SharedRules = ReturnType<typeof listenerOptions> & {
  readonly reassembly: ReassemblyBudget;
  readonly handshakes: Handshakes;
};

/** A running node. */
export class Node {
  readonly accounts: Accounts;
  /** Aborted when another relay has the store: this one can write nothing any longer, and stops by itself. */
  readonly superseded: AbortSignal;
  readonly #store: Store;
  /** Releases the store for other relays. */
  readonly #leave: () => Promise<void>;
  readonly #watch: AccountWatch;
  readonly #certificates: CertificateWatch;
  /** Undefined for a worker: the center obtains certificates. */
  readonly #renewal: CertificateRenewal | undefined;
  readonly #management: Management;
  readonly #spool: Spool | undefined;
  readonly #role: NodeRole | undefined;
  readonly #entries: AccessEntries;
  readonly #tls: TlsService;
  readonly #dialects: readonly Dialect[];
  readonly #relay: Relay;
  readonly #presence: PresenceService;
  readonly #neighbours: Neighbours;
  #config: NodeConfig;
  #policy: Policy;
  #bindCheck: DnsBindCheck;
  readonly #admin: Admin | undefined;
  #listeners: Listener[] = [];
  readonly #local: LocalEndpoints;

  private constructor(parts: NodeParts) {
    const { config, store, leave, spool, tls, secrets, admin, role, tokens, makeApi, setup } = parts;
    this.superseded = parts.superseded;
    this.#config = config;
    this.#store = store;
    this.#leave = leave;
    this.#spool = spool;
    this.#role = role;
    this.#admin = admin;
    this.#policy = new Policy(policyOf(config));
    this.accounts = new Accounts(store, { domains: config.domains });
    this.#tls = new TlsService(tls);
    this.#tls.verify();
    this.#dialects = dialectsOf(config);
    const services = this.#makeServices();
    this.#entries = services.entries;
    this.#presence = services.presence;
    const rates = ratesOf(config, (account) => this.#watch.rates(account));
    this.#watch = this.#makeAccountWatch(rates);
    this.#relay = this.#makeRelay(services, rates, secrets);
    // The center sees the attachments at all workers.
    if (role?.kind !== 'worker') this.#relay.watchAttachments(this.#presence);
    if (role?.kind === 'center') this.#relay.watchPlacements(role.placements);
    const needs = config.tls.require === 'always' ? (['private'] as const) : [];
    const meshes = this.#dialects.map((dialect) => new MeshProfile(dialect, this.#relay, needs));
    const reassembly = new ReassemblyBudget(config.limits.node.unfinishedOctets);
    this.#neighbours = this.#makeNeighbours(meshes, reassembly);
    this.#bindCheck = bindCheckOf(config, this.#neighbours.resolver);
    const shared = this.#shared(meshes, reassembly, secrets);
    // The workers have the sessions of peers.
    if (role?.kind !== 'center') this.#listeners = this.#makeListeners(shared, setup);
    this.#local = new LocalEndpoints(shared);
    if (role?.kind !== 'worker') {
      this.#renewal = new CertificateRenewal(config, { clock: systemClock, issued: () => this.#renewed() });
    }
    this.#certificates = new CertificateWatch(
      {
        clock: systemClock,
        domains: config.domains,
        connections: () => this.#connections,
        failureOf: (domain) => this.#renewal?.failureOf(domain),
      },
      tls,
    );
    admin?.watch(() => this.#renewal?.obstacle() ?? this.#certificates.obstacle());
    this.#management = this.#makeManagement(makeApi, tokens);
  }

  /**
   * Starts a node: opens its store, reads its certificates, listens.
   *
   * @param role if it is one of several processes
   * @throws LocalError CONFIGURATION | LISTEN_FAILED | STORE_FAILED if it cannot
   */
  static async start(config: NodeConfig, role?: NodeRole): Promise<Node> {
    if (role?.kind !== 'worker') await prepareAcme(config);
    const tls = await tlsOptions(config);
    const tokens = await tokensOf(config);
    const webhooks = await readWebhooks(config.webhooks);
    // Most nodes need neither, and each takes a while to load.
    const makeApi = tokens.length === 0 ? undefined : (await import('./http-api.js')).httpApi;
    const plain = config.listen.every(({ transport }) => transport === 'tcp');
    const setup = plain ? undefined : (await import('./connection-setup.js')).connectionSetup;
    const store = await openStore(config.store);
    let admin: Admin | undefined;
    let spool: Spool | undefined;
    let leave: (() => Promise<void>) | undefined;
    const lost = new AbortController();
    try {
      const worker = role?.kind === 'worker';
      const outward = role?.outward ?? true;
      leave = await locked(store, config, role, () => lost.abort());
      if (!worker) spool = await openSpool(config.store, store);
      const held = spool;
      if (config.admin !== undefined) {
        const { startAdmin } = await import('./admin.js');
        admin = await startAdmin(config.admin, config.limits.api);
      }
      const counted = admin?.counted(store, () => held?.failing) ?? store;
      const secrets = await secretsIn(counted);
      const node = new Node({
        config,
        store: counted,
        leave,
        spool,
        tls,
        secrets,
        admin,
        role,
        tokens,
        makeApi,
        setup,
        superseded: lost.signal,
      });
      admin?.show('starting', () => node.#facts());
      whenAborted(lost.signal, () => {
        node.stop().catch((error: unknown) => events.fault.publish({ session: 'store', error }));
      });
      await node.#watch.load();
      if (worker) await role.started();
      else await node.#presence.load();
      for (const listener of node.#listeners) await listener.listen();
      if (!worker) node.#presence.start();
      node.#watch.start();
      node.#certificates.start();
      await node.#renewal?.start();
      if (outward || worker) await node.#management.openControl(config.store, !outward);
      if (!worker) await role?.started();
      if (!outward) return node;
      admin?.combine(async (own) => (await role?.combined?.(own)) ?? own);
      await node.#management.replaceWebhooks(webhooks);
      admin?.show('ready');
      events.node.publish({
        state: 'ready',
        listening: node.listening.map(written),
        domains: config.domains,
        ...(admin === undefined ? {} : { admin: admin.url }),
      });
      return node;
    } catch (error) {
      await admin?.close();
      await spool?.close();
      await leave?.();
      await store.close();
      throw error;
    }
  }

  /** Addresses that it listens on, with the ports that the system chose. */
  get listening(): readonly Listening[] {
    return this.#config.listen.map(({ transport, host }, index) => ({
      transport,
      host,
      port: this.#listeners[index]?.port ?? (this.#role?.kind === 'center' ? this.#role.ports[index] : undefined) ?? 0,
    }));
  }

  /** URL of the admin port; undefined if none is configured. */
  get admin(): string | undefined {
    return this.#admin?.url;
  }

  /**
   * Adds an account, which can log in from now on: an endpoint of a domain of this node, or a neighbour relay as
   * `imxp=mesh@DOMAIN`. {@link accounts} disables, limits, lists and removes accounts.
   *
   * @returns false if it exists already; its password stays as it was
   * @throws LocalError ARGUMENT if no account can have that name or password, or STORE_FAILED; RemoteProtocolError
   *   ADDRESS_INVALID
   * @example await node.addAccount('fred@example.com', password);
   */
  async addAccount(name: string, password: string): Promise<boolean> {
    return await this.accounts.add(await verifierOf(name, password, this.#config));
  }

  /**
   * Changes the password of an account. Open sessions stay open.
   *
   * @returns false if there is no such account
   * @throws as {@link addAccount}
   */
  async setPassword(name: string, password: string): Promise<boolean> {
    return await this.accounts.change(await verifierOf(name, password, this.#config));
  }

  /** Number of Data operations without an answer. */
  get outstanding(): number {
    return this.#relay.outstanding;
  }

  /** Number of open sessions that peers opened. */
  get sessions(): number {
    return this.#listeners.reduce((sum, listener) => sum + listener.connections.size, 0);
  }

  /**
   * Applies a changed configuration as far as that is possible while running: routes, policy, certificates, access.
   * Existing sessions continue.
   *
   * @returns what was applied and what needs a restart
   * @throws LocalError CONFIGURATION if files that it names cannot be used; the node continues unchanged
   */
  async reload(config: NodeConfig): Promise<Reload> {
    // The file that was configured at the start: another one needs a restart.
    const tokens = await tokensOf(this.#config);
    const webhooks = await readWebhooks(config.webhooks);
    if (this.#role?.kind !== 'worker') await prepareAcme(config);
    await this.#readCertificates(config);
    const reload = reloadable(this.#config, config);
    this.#management.replaceTokens(tokens);
    this.#policy = new Policy(policyOf(config));
    this.#relay.reload({ policy: policyOf(config), ...optionSettingsOf(config) });
    if (reload.applied.includes('access')) {
      this.#entries.initial = config.access.initial;
      this.#presence.permissionsChanged();
    }
    const { domains, listen, sasl, store, compatibility, admin, limits, workers, cluster } = this.#config;
    this.#config = { ...config, domains, listen, sasl, store, compatibility, admin, limits, workers, cluster };
    await this.#neighbours.reload(this.#config);
    this.#bindCheck = bindCheckOf(config, this.#neighbours.resolver);
    await this.#management.replaceWebhooks(webhooks);
    await this.#role?.reloaded?.(this.#config);
    this.#renewal?.replace(this.#config);
    if (this.#outward) {
      events.node.publish({ state: 'reloaded', applied: reload.applied, restart: reload.restart });
    }
    return reload;
  }

  /**
   * Stops in order: no new sessions and operations, outstanding Data operations finish, attachments are terminated,
   * sessions released. All of it takes `limits.node.drainTimeoutMs` at most.
   */
  async stop(): Promise<void> {
    const { drainTimeoutMs } = this.#config.limits.node;
    const unordered = this.#renewal?.stop();
    const begin = performance.now();
    const end = begin + drainTimeoutMs;
    const drainMs = drainTimeoutMs * DRAIN_SHARE;
    this.#admin?.show('draining');
    if (this.#outward) events.node.publish({ state: 'draining', sessions: this.sessions });
    for (const listener of this.#listeners) listener.stop();
    // First, because an attachment that ends from now on does not mean that its user is absent.
    const quiet = this.#presence.stop();
    await this.#role?.stopping(drainMs);
    const drained = this.#relay.drain();
    const finished = await within(
      Math.max(0, drainMs - (performance.now() - begin)),
      quiet.then(() => drained),
    );
    if (!finished) events.node.publish({ state: 'drain timed out', ms: drainMs });
    await this.#management.stopWebhooks();
    const leftMs = Math.max(0, end - performance.now());
    const released = this.#listeners.map((listener) => listener.release('the relay is shutting down', leftMs));
    await Promise.all([this.#neighbours.close(leftMs), this.#local.close(leftMs), ...released]);
    await this.#role?.stopped();
    await this.#management.close();
    this.#certificates.stop();
    await unordered;
    await this.#watch.stop();
    await this.#spool?.close();
    await this.#leave();
    await this.#store.close();
    if (this.#outward) events.node.publish({ state: 'stopped' });
  }

  /** Reads the certificates again. @throws LocalError CONFIGURATION if they cannot be used; all stays as it was */
  async #readCertificates(config: NodeConfig): Promise<void> {
    const tls = await tlsOptions(config);
    new TlsService(tls).verify();
    this.#tls.replace(tls);
    this.#certificates.replace(tls);
    this.#management.endRevoked(tls);
  }

  /** A certificate was renewed: new handshakes use it, in all processes; sessions that exist continue. */
  async #renewed(): Promise<void> {
    await this.#readCertificates(this.#config);
    if (this.#role?.kind === 'center') await this.#role.reloaded(this.#config);
  }

  /** Whether operators see the process by this node. */
  get #outward(): boolean {
    return this.#role?.outward ?? true;
  }

  /** What it says about itself to the center. */
  facts(): Promise<Omit<NodeFacts, 'state'>> {
    return this.#facts();
  }

  /** All sessions that exist, in groups. */
  get #connections(): Iterable<Connection>[] {
    const served = this.#listeners.map((listener) => listener.connections);
    return [...served, this.#local.connections, this.#neighbours.connections];
  }

  async #facts() {
    const { links } = this.#neighbours;
    const { attachments, bindings, outstanding, held } = this.#relay;
    return {
      domains: this.#config.domains,
      listening: this.listening.map(written),
      sessions: await countSessions(this.#connections),
      attachments,
      bindings,
      accounts: await this.#watch.counts(),
      outstanding,
      links,
      certificates: this.#certificates.status(),
      held,
      presence: { ...this.#presence.status },
    };
  }

  // ---- the parts of a node, in the order in which they are constructed; each is given those before it ------------------

  #makeServices(): NodeServices {
    const submit: Submit = (data, sink) => this.#relay.submit(data, sink);
    const center = this.#role?.kind === 'worker' ? this.#role.center : undefined;
    return makeServices(this.#config, {
      center,
      store: this.#store,
      accounts: this.accounts,
      submit,
      follows: (address) => this.#config.presence.follow.some((pattern) => follows(address, pattern)),
    });
  }

  #makeAccountWatch(rates: Rates): AccountWatch {
    return new AccountWatch({
      access: this.#entries,
      permissionsChanged: () => this.#presence.permissionsChanged(),
      store: this.#store,
      spool: this.#spool,
      accounts: this.accounts,
      clock: systemClock,
      connections: () => [...this.#listeners.map((listener) => listener.connections), this.#local.connections],
      expel: (accounts) => this.#relay.expel(accounts),
      ratesChanged: () => {
        rates.version += 1;
      },
      forget: [
        (account) => this.#entries.forget(account),
        (account, { version }) => this.#presence.forget(account, version),
        async (account, { at }) => this.#relay.forgetHeld(account, at),
      ],
      attachmentsPerAccount: this.#config.limits.attachment.perAccount,
      forgets: this.#role?.kind !== 'worker',
    });
  }

  #makeRelay({ access, report, services }: NodeServices, rates: Rates, secrets: Secrets): Relay {
    const config = this.#config;
    return new Relay({
      domains: config.domains,
      dialects: this.#dialects,
      dialer: this.#dialer(),
      directory: this.accounts,
      access,
      services,
      // D-CORE-47.
      anonymousServices: [PRESENCE],
      ...optionSettingsOf(config),
      time: systemClock,
      ...this.#offline(secrets),
      cluster: this.#joined(),
      reporter: report,
      policy: policyOf(config),
      limits: relayLimitsOf(config),
      accounts: this.#watch,
      rates,
      traffic: (this.#role?.kind === 'worker' ? this.#role.traffic : undefined) ?? this.#admin?.traffic,
      bindCheck: (domain, channel) => this.#bindCheck(domain, channel),
    });
  }

  #offline({ held }: Secrets): Pick<RelayOptions, 'offline'> {
    const limits = this.#config.limits.offline;
    return this.#spool === undefined ? {} : { offline: { spool: this.#spool, limits, secret: held } };
  }

  /** The other processes of the node, which the relay knows from the beginning. */
  #joined(): Cluster | undefined {
    if (this.#role === undefined) return undefined;
    const { domains, limits } = this.#config;
    const [domain = ''] = domains;
    const relay = (): Relay => this.#relay;
    const acceptor: MeshAcceptor = {
      accept: (channel) => relay().accept(channel),
      initial: (channel, content) => relay().initial(channel, content),
    };
    // Their sockets are private, whatever the configuration demands of peers.
    const meshes = this.#dialects.map((dialect) => new MeshProfile(dialect, acceptor, ['authenticated']));
    const profiles = new ProfileTable(meshes);
    return this.#role.join({ domain, dialects: this.#dialects, limits, relay, meshes, profiles });
  }

  #makeNeighbours(meshes: readonly MeshProfile[], reassembly: ReassemblyBudget): Neighbours {
    return new Neighbours(this.#config, {
      dialects: this.#dialects,
      relay: this.#relay,
      tls: this.#tls,
      profiles: new ProfileTable(meshes),
      reassembly,
      listening: () => this.listening,
    });
  }

  /** What all listeners, and the endpoints of this process, have in common. */
  #shared(meshes: readonly MeshProfile[], reassembly: ReassemblyBudget, secrets: Secrets): SharedRules {
    const handshakes = new Handshakes(this.#config.limits.node.handshakes);
    const tuning = {
      tls: this.#tls,
      accounts: this.accounts,
      policy: () => this.#policy,
      handshakes,
      throttle: this.#role?.kind === 'worker' ? this.#role.throttle : undefined,
    };
    return { ...listenerOptions(this.#config, tuning, meshes, secrets.decoy), reassembly, handshakes };
  }

  #makeManagement(makeApi: MakeApi | undefined, tokens: readonly Token[]): Management {
    const context = {
      accounts: this.accounts,
      limits: this.#config.limits,
      connections: () => this.#connections,
      attached: () => this.#relay.attachedBySession,
      attach: this.#local.attach.bind(this.#local),
      hearPerData: (wanted: boolean) => {
        if (this.#role?.kind === 'center') this.#role.hearPerData(wanted);
      },
      access: this.#entries,
      addAccount: (address: string, password: string) => this.addAccount(address, password),
      submit: (data: Data, sink: DeliverySink) => this.#relay.submit(data, sink),
      held: () => this.#relay.held,
      heldFor: (endpoint: Address) => this.#relay.heldFor(endpoint),
    };
    return new Management(context, this.#admin, makeApi, tokens);
  }

  #makeListeners({ handshakes, ...shared }: SharedRules, setup: NodeParts['setup']): Listener[] {
    const config = this.#config;
    const names = new ServedNames(config.domains, config.sasl.serverNames);
    const context = { config, names, tls: this.#tls, handshakes };
    return config.listen.map((listen) => {
      const { host, port } = listen;
      const serves: NameServed = (name, local) => names.natureOf(name, [host, local.address]);
      const made = setup?.(listen, context);
      return new Listener({ ...shared, host, port, serves, ...(made === undefined ? {} : { setup: made }) });
    });
  }

  /** The neighbours, which are constructed after the relay. */
  #dialer(): Dialer {
    const neighbours = (): Neighbours => this.#neighbours;
    return {
      toward: (domain) => neighbours().toward(domain),
      get siblings() {
        return neighbours().siblings;
      },
    };
  }
}

/**
 * Starts a node; with `workers` in its configuration, as several processes.
 *
 * @throws LocalError CONFIGURATION | LISTEN_FAILED | STORE_FAILED if it cannot
 */
export async function startNode(config: NodeConfig): Promise<Node> {
  if (config.cluster !== undefined) {
    const { ClusterMember } = await import('./cluster-member.js');
    return await ClusterMember.start(config, config.cluster, (own, role) => Node.start(own, role));
  }
  const workers = workersOf(config.workers);
  if (workers === 1) return Node.start(config);
  const { Supervisor } = await import('./supervisor.js');
  return new Supervisor(config, workers).start((own, role) => Node.start(own, role));
}

/** Takes the store for this process, unless others of the node or the cluster have it. @returns what gives it back */
async function locked(
  store: Store,
  config: NodeConfig,
  role: NodeRole | undefined,
  lost: () => void,
): Promise<() => Promise<void>> {
  if (role?.kind === 'worker') return async () => {};
  if (role?.lock === undefined) return await lockStore(store, config.store, lost);
  role.lock(store);
  return async () => {};
}

/** @throws LocalError CONFIGURATION */
async function tokensOf({ admin }: NodeConfig): Promise<readonly Token[]> {
  return admin?.api === undefined ? [] : await readTokens(admin.api.tokens);
}

/** Number of processes that have the sessions of peers. */
function workersOf(workers: NodeConfig['workers']): number {
  return workers === 'auto' ? availableParallelism() : workers;
}

function written({ transport, host, port }: Listening): string {
  return `${transport}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
