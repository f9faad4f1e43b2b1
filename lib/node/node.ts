/**
 * Composition root: makes a running node of a configuration. The only file that knows every folder; it only decides
 * which part is given what.
 */
import { Admin } from '../admin/admin.js';
import { type Reload, reloadable } from '../config/reload.js';
import type { ListenConfig, NodeConfig } from '../config/schema.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import { dialectNamed } from '../imxp/dialect/named.js';
import type { DnsBindCheck } from '../mesh/dns/bind-check.js';
import { Neighbours } from '../mesh/neighbours.js';
import { MeshProfile } from '../mesh/profile.js';
import { events } from '../ops/events.js';
import type { Spool } from '../relay/offline/spool.js';
import { Policy } from '../relay/policy.js';
import { Relay } from '../relay/relay.js';
import type { Dialer } from '../relay/target.js';
import type { Submit } from '../services/outgoing.js';
import type { PresenceService } from '../services/presence/service.js';
import type { AccessEntries } from '../store/access.js';
import { Accounts } from '../store/accounts.js';
import { lockStore } from '../store/lock.js';
import { openStore } from '../store/open.js';
import { openSpool } from '../store/spool.js';
import type { Store } from '../store/store.js';
import { systemClock } from '../transport/clock.js';
import { ConnectionSetup } from '../transport/connection-setup.js';
import { within } from '../transport/deadline.js';
import { Listener } from '../transport/listener.js';
import { canonicalAddress } from '../transport/network.js';
import type { NameServed } from '../transport/open-channels.js';
import { ProfileTable } from '../transport/profile.js';
import { ReassemblyBudget } from '../transport/reassembly-budget.js';
import { Handshakes } from '../transport/tls/handshakes.js';
import { TlsService, type TlsServiceOptions } from '../transport/tls/service.js';
import { AccountWatch } from './account-watch.js';
import { follows } from './follows.js';
import { listenerOptions } from './listeners.js';
import { verifierOf } from './new-account.js';
import { type Secrets, secretsIn } from './secrets.js';
import { makeServices } from './services.js';
import { countSessions } from './session-counts.js';
import { bindCheckOf, optionSettingsOf, policyOf, ratesOf, relayLimitsOf, tlsOptions } from './settings.js';

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

/** A running node. */
export class Node {
  readonly accounts: Accounts;
  readonly #store: Store;
  /** Releases the store for other relays. */
  readonly #leave: () => Promise<void>;
  readonly #watch: AccountWatch;
  readonly #spool: Spool;
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

  private constructor(
    config: NodeConfig,
    store: Store,
    leave: () => Promise<void>,
    spool: Spool,
    tls: TlsServiceOptions,
    secrets: Secrets,
    admin: Admin | undefined,
  ) {
    this.#admin = admin;
    this.#config = config;
    this.#policy = new Policy(policyOf(config));
    this.#store = store;
    this.#leave = leave;
    this.#spool = spool;
    this.accounts = new Accounts(store, { domains: config.domains });
    this.#tls = new TlsService(tls);
    this.#tls.verify();
    this.#dialects = config.compatibility.dialects.map((name) =>
      dialectNamed(name, { ...config.limits.xml, recipients: config.limits.data.recipients }),
    );
    const submit: Submit = (data, sink) => this.#relay.submit(data, sink);
    const made = makeServices(config, {
      store,
      accounts: this.accounts,
      submit,
      follows: (address) => this.#config.presence.follow.some((pattern) => follows(address, pattern)),
    });
    const { access, report, services } = made;
    this.#entries = made.entries;
    this.#presence = made.presence;
    const rates = ratesOf(config, (account) => this.#watch.rates(account));
    this.#watch = new AccountWatch({
      access: this.#entries,
      permissionsChanged: () => this.#presence.permissionsChanged(),
      store,
      accounts: this.accounts,
      clock: systemClock,
      connections: () => this.#listeners.map((listener) => listener.connections),
      expel: (accounts) => this.#relay.expel(accounts),
      ratesChanged: () => {
        rates.version += 1;
      },
      forget: [
        (account) => this.#entries.forget(account),
        (account, before) => this.#presence.forget(account, before),
        async (account, before) => this.#relay.forgetHeld(account, before),
      ],
      attachmentsPerAccount: config.limits.attachment.perAccount,
    });
    this.#relay = new Relay({
      domains: config.domains,
      dialects: this.#dialects,
      dialer: this.#dialer(),
      directory: this.accounts,
      access,
      services,
      ...optionSettingsOf(config),
      time: systemClock,
      offline: { spool, limits: config.limits.offline, secret: secrets.held },
      reporter: report,
      policy: policyOf(config),
      limits: relayLimitsOf(config),
      accounts: this.#watch,
      rates,
      traffic: admin?.traffic,
      bindCheck: (domain, channel) => this.#bindCheck(domain, channel),
    });
    this.#relay.watchAttachments(this.#presence);
    const needs = config.tls.require === 'always' ? (['private'] as const) : [];
    const meshes = this.#dialects.map((dialect) => new MeshProfile(dialect, this.#relay, needs));
    const reassembly = new ReassemblyBudget(config.limits.node.unfinishedOctets);
    this.#neighbours = new Neighbours(config, {
      dialects: this.#dialects,
      relay: this.#relay,
      tls: this.#tls,
      profiles: new ProfileTable(meshes),
      reassembly,
      listening: () => this.listening,
    });
    this.#bindCheck = bindCheckOf(config, this.#neighbours.resolver);
    const handshakes = new Handshakes(config.limits.node.handshakes);
    const tuning = { tls: this.#tls, accounts: this.accounts, policy: () => this.#policy, handshakes };
    const shared = { ...listenerOptions(config, tuning, meshes, secrets.decoy), reassembly };
    this.#listeners = config.listen.map((listen) => {
      const { host, port } = listen;
      const setup = this.#setup(listen, handshakes);
      const serves: NameServed = (name, local) => this.#nameServed(name, [host, local.address]);
      return new Listener({ ...shared, host, port, serves, ...setup });
    });
  }

  /**
   * Starts a node: opens its store, reads its certificates, listens.
   *
   * @throws LocalError CONFIGURATION | STORE_FAILED if it cannot
   */
  static async start(config: NodeConfig): Promise<Node> {
    const tls = await tlsOptions(config);
    const store = await openStore(config.store);
    let admin: Admin | undefined;
    let spool: Spool | undefined;
    let leave: (() => Promise<void>) | undefined;
    try {
      leave = await lockStore(store, config.store);
      spool = await openSpool(config.store);
      if (config.admin !== undefined) admin = await Admin.start(config.admin);
      const counted = admin?.counted(store) ?? store;
      const node = new Node(config, counted, leave, spool, tls, await secretsIn(counted), admin);
      admin?.show('starting', () => node.#facts());
      await node.#watch.load();
      await node.#presence.load();
      for (const listener of node.#listeners) await listener.listen();
      node.#presence.start();
      node.#watch.start();
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
      port: this.#listeners[index]?.port ?? 0,
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

  /** Number of open sessions that peers opened. */
  get sessions(): number {
    return this.#listeners.reduce((sum, listener) => sum + listener.connections.size, 0);
  }

  /**
   * Applies a changed configuration as far as that is possible while running: routes, policy, certificates, access.
   * Existing sessions go on.
   *
   * @returns what was applied and what needs a restart
   * @throws LocalError CONFIGURATION if files that it names cannot be used; the node goes on as it was
   */
  async reload(config: NodeConfig): Promise<Reload> {
    const tls = await tlsOptions(config);
    new TlsService(tls).verify();
    const reload = reloadable(this.#config, config);
    this.#tls.replace(tls);
    this.#policy = new Policy(policyOf(config));
    this.#relay.reload({ policy: policyOf(config), ...optionSettingsOf(config) });
    if (reload.applied.includes('access')) {
      this.#entries.initial = config.access.initial;
      this.#presence.permissionsChanged();
    }
    const { domains, listen, sasl, store, compatibility, admin, limits } = this.#config;
    this.#config = { ...config, domains, listen, sasl, store, compatibility, admin, limits };
    await this.#neighbours.reload(this.#config);
    this.#bindCheck = bindCheckOf(config, this.#neighbours.resolver);
    events.node.publish({ state: 'reloaded', applied: reload.applied, restart: reload.restart });
    return reload;
  }

  /**
   * Stops in order: no new sessions and operations, outstanding Data operations finish, attachments are terminated,
   * sessions released. All of it takes `limits.node.drainTimeoutMs` at most.
   */
  async stop(): Promise<void> {
    const { drainTimeoutMs } = this.#config.limits.node;
    const end = performance.now() + drainTimeoutMs;
    const drainMs = drainTimeoutMs * DRAIN_SHARE;
    this.#admin?.show('draining');
    events.node.publish({ state: 'draining', sessions: this.sessions });
    for (const listener of this.#listeners) listener.stop();
    // First of all, because the attachments that end now are nobody's absence.
    const quiet = this.#presence.stop();
    const drained = this.#relay.drain();
    const finished = await within(
      drainMs,
      quiet.then(() => drained),
    );
    if (!finished) events.node.publish({ state: 'drain timed out', ms: drainMs });
    const leftMs = Math.max(0, end - performance.now());
    const released = this.#listeners.map((listener) => listener.release('the relay is shutting down', leftMs));
    await Promise.all([this.#neighbours.close(leftMs), ...released]);
    await this.#admin?.close();
    await this.#watch.stop();
    await this.#spool.close();
    await this.#leave();
    await this.#store.close();
    events.node.publish({ state: 'stopped' });
  }

  async #facts() {
    const { links, connections } = this.#neighbours;
    const { attachments, bindings, outstanding, held } = this.#relay;
    return {
      domains: this.#config.domains,
      listening: this.listening.map(written),
      sessions: await countSessions([...this.#listeners.map((listener) => listener.connections), connections]),
      attachments,
      bindings,
      accounts: await this.#watch.counts(),
      outstanding,
      links,
      held,
      presence: { ...this.#presence.status },
    };
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

  /** Returns what is in front of BEEP on a listener. */
  #setup({ transport, path, origins, host }: ListenConfig, handshakes: Handshakes): { setup?: ConnectionSetup } {
    if (transport === 'tcp') return {};
    const knows = (name: string): boolean => name === host || this.#servesName(name) || this.#isBelow(name);
    const rules = { path: path ?? '/', origins: origins ?? [], knows };
    return {
      setup: new ConnectionSetup({ transport, rules, tls: this.#tls, handshakes, limits: this.#config.limits }),
    };
  }

  /** Whether a host name is in a domain of this node. */
  #isBelow(name: string): boolean {
    return this.#config.domains.some((domain) => name.toLowerCase().endsWith(`.${domain}`));
  }

  /**
   * What a server name is to this node (RFC 3080 §2.3.1.2).
   *
   * @param places the host it listens on, and the address that the peer connected to
   */
  #nameServed(name: string, places: readonly string[]): ReturnType<NameServed> {
    const lower = name.toLowerCase();
    if (this.#config.domains.includes(lower)) return 'domain';
    if (this.#servesName(lower) || this.#isBelow(lower)) return 'host';
    const address = canonicalAddress(lower.replace(/^\[(.*)\]$/, '$1'));
    const loopback = lower === 'localhost' && places.some((place) => /^(127\.|::1$)/.test(canonicalAddress(place)));
    return loopback || places.some((place) => canonicalAddress(place.toLowerCase()) === address) ? 'host' : 'nothing';
  }

  /** Whether a name is one of this node: of a domain, or of a host that the operator named. */
  #servesName(name: string): boolean {
    const { domains, sasl } = this.#config;
    return domains.includes(name.toLowerCase()) || sasl.serverNames.includes(name.toLowerCase());
  }
}

/**
 * Starts a node.
 *
 * @throws LocalError CONFIGURATION | STORE_FAILED if it cannot
 */
export function startNode(config: NodeConfig): Promise<Node> {
  return Node.start(config);
}

function written({ transport, host, port }: Listening): string {
  return `${transport}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
