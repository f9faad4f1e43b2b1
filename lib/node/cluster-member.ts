/**
 * Node of a cluster: has sessions of peers as a worker has, takes part in the membership, and is the center as long as it has
 * the lease. What it may do follows from leases that it counts by its own monotonic clock, from before it asked for them:
 *
 * - It keeps its endpoints until its own lease is over, or as long as the center says that it may.
 * - The center is the center until its lease is over, or as long as all that could take its place have pledged not to.
 *
 * Whoever takes a lease over has watched it for longer than its holder relies on it (docs/internals/cluster.md).
 */
import { randomUUID } from 'node:crypto';
import { type ControlChannel, type ControlMessage, ControlProfile, introduce, type Pulse } from '../cluster/control.js';
import { NodeSessions, type NodeTransport } from '../cluster/node-socket.js';
import { NodeTls, readNodeCertificate } from '../cluster/node-tls.js';
import { ObservedLeases, reliedMs, watchedMs } from '../cluster/observed.js';
import { SharedLoginThrottle } from '../cluster/shared-login-throttle.js';
import { CENTER, type CenterTransports, WorkerCluster } from '../cluster/worker-cluster.js';
import type { ClusterConfig, NodeConfig, PostgresConfig } from '../config/schema.js';
import { LocalError, type Reply } from '../errors.js';
import { events } from '../ops/events.js';
import type { NodeStatus } from '../ops/status.js';
import type { Cluster } from '../relay/cluster.js';
import type { DeliveryTarget } from '../relay/target.js';
import { type CenterLease, type ClusterRows, Membership } from '../store/postgres/membership.js';
import { systemClock } from '../transport/clock.js';
import { within } from '../transport/deadline.js';
import { ProfileTable } from '../transport/profile.js';
import { CenterLeaseKeeper } from './cluster-center-lease.js';
import type { ClusterParts, NodeRole, RoleNode, WorkerRole } from './role.js';

/** How often leases are renewed, and the center sends its beat. */
const STEP_MS = 1000;
/** Between the loss of a session with the center and the next attempt. */
const AGAIN_MS = 200;
/** How long the start of a node may take until there is a center. */
const START_MS = 60_000;
const CLOSE_MS = 200;

const CUT_OFF: Reply = { code: 450, text: 'this node of the domain is cut off: connect to another one, or try again' };
const NOT_THE_CENTER: Reply = { code: 450, text: 'this node does not follow that center' };

/** A center that this node turns to. */
interface Joined {
  readonly epoch: number;
  readonly since: number;
  /** When it was reached, or its last beat came. */
  heardAt: number;
  control: ControlChannel | undefined;
  /** It has been told what is attached and bound here. */
  claimed: boolean;
  welcomed: boolean;
  /** When the last beat was answered. */
  answeredAt: number | undefined;
}

type Make<Node extends RoleNode> = (config: NodeConfig, role: NodeRole) => Promise<Node>;

/** Where a process reaches itself that listens on all addresses. */
const EVERYWHERE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

function pathOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export class ClusterMember implements WorkerRole {
  readonly kind = 'worker';
  readonly outward = true;
  readonly traffic = undefined;
  readonly throttle: SharedLoginThrottle;
  readonly #cluster: ClusterConfig;
  readonly #store: PostgresConfig;
  readonly #tls: NodeTls;
  /** Where other nodes reach this one. */
  readonly #path: string;
  /** Where it reaches itself: not by the network, which may be down. */
  readonly #local: string;
  readonly #observed = new ObservedLeases();
  #config: NodeConfig;
  #parts: ClusterParts | undefined;
  #own: WorkerCluster | undefined;
  #sessions: NodeSessions | undefined;
  #membership: Membership | undefined;
  #rows: ClusterRows | undefined;
  /** Names this run of the node, until it loses its lease. */
  #incarnation: string = randomUUID();
  /** Earlier ones, which have no endpoints any longer. */
  readonly #past = new Set<string>();
  #fenced = true;
  #leaseUntil = 0;
  #goOnUntil = 0;
  #joined: Joined | undefined;
  /** Epoch of the center that it turned to last. */
  #followed = 0;
  /** Until when this node has pledged not to take the place of the center. */
  #pledgedUntil = 0;
  /** When it last had a session with the center that it follows. */
  #contactAt = performance.now();
  readonly #centerLease: CenterLeaseKeeper;
  #failing: string | undefined;
  #stepping: Promise<void> | undefined;
  #again = false;
  #beatAt = 0;
  #stopping = false;
  #silence: (() => void) | undefined;
  #cancel: (() => void) | undefined;
  #begun: (() => void) | undefined;

  private constructor(
    config: NodeConfig,
    cluster: ClusterConfig,
    store: PostgresConfig,
    tls: NodeTls,
    make: Make<RoleNode>,
  ) {
    this.#config = config;
    this.#cluster = cluster;
    this.#store = store;
    this.#tls = tls;
    const { host, port, address = host } = cluster;
    this.#path = pathOf(address, port);
    this.#local = pathOf(EVERYWHERE[host] ?? host, port);
    this.#centerLease = new CenterLeaseKeeper({
      ...{ cluster, tls, make, path: this.#local, observed: this.#observed },
      config: () => this.#config,
      pledgedUntil: () => this.#pledgedUntil,
      changed: () => this.#soon(0),
      failed: (error) => this.#failed(error),
    });
    this.throttle = new SharedLoginThrottle(config.limits.authentication, (note) =>
      this.#joined?.control?.tell({ type: 'login', note }),
    );
  }

  /**
   * Starts a node of a cluster. Resolves when its endpoints can attach.
   *
   * @throws LocalError as the start of a node; STORE_FAILED if there is no center within a minute
   */
  static async start<Node extends RoleNode>(
    config: NodeConfig,
    cluster: ClusterConfig,
    make: Make<Node>,
  ): Promise<Node> {
    const { store, domains, tls } = config;
    if (store.type !== 'postgres') throw new LocalError('CONFIGURATION', 'cluster: needs a store of type "postgres"');
    const certificate = await readNodeCertificate(cluster, tls);
    const member = new ClusterMember(config, cluster, store, new NodeTls(domains[0] ?? '', certificate), make);
    try {
      return await make(config, member);
    } catch (error) {
      await member.#end();
      throw error;
    }
  }

  get center(): DeliveryTarget {
    const center = (): DeliveryTarget => this.#joinedCluster.center();
    return { deliver: (delivery, sink) => center().deliver(delivery, sink) };
  }

  // ---- WorkerRole

  join(parts: ClusterParts): Cluster {
    const { node } = this.#cluster;
    const transport: NodeTransport = {
      connect: (path, peer, timeoutMs) => this.#tls.connect(path, 'node', peer, timeoutMs),
      introduce: async (connection) => void (await introduce(connection, this.#hello(0, false))),
    };
    const control = new ControlProfile(parts.domain, ({ from, epoch }) =>
      from === CENTER && epoch !== this.#joined?.epoch ? NOT_THE_CENTER : undefined,
    );
    this.#parts = parts;
    this.#sessions = new NodeSessions({ ...parts, profiles: new ProfileTable([control, ...parts.meshes]) });
    this.#own = new WorkerCluster({
      ...parts,
      transport,
      name: node,
      bound: (domain, here) => {
        if (this.#joined?.claimed === true) this.#joined.control?.tell({ type: 'bound', domain, here });
      },
      lost: () => this.#lost(),
    });
    return this.#own;
  }

  async started(): Promise<void> {
    const { host, port, leaseMs } = this.#cluster;
    const sessions = this.#sessions;
    this.#tls.serve('node', (stream) => sessions?.accept(stream));
    await this.#tls.listen(host, port);
    this.#membership = await Membership.open(this.#store, leaseMs, () => this.#soon(0));
    const begun = new Promise<void>((resolve) => {
      this.#begun = resolve;
    });
    this.#silence = systemClock.ticking(() => this.#tick());
    this.#soon(0);
    if (await within(START_MS, begun)) return;
    const why = this.#failing ?? `waiting for ${this.#centerLease.center?.nodes.awaited.join(', ') || 'the center'}`;
    throw new LocalError('STORE_FAILED', `cluster: there is no center after ${START_MS / 1000} s: ${why}`);
  }

  async stopping(): Promise<void> {}

  async stopped(): Promise<void> {
    await this.#end();
  }

  async reloaded(config: NodeConfig): Promise<void> {
    this.#tls.replace(await readNodeCertificate(this.#cluster, config.tls));
    this.#config = config;
    await this.#centerLease.center?.reload(config);
  }

  /** Messages are held, and services provided, by the center. */
  async combined(own: NodeStatus): Promise<NodeStatus> {
    const facts = await this.#centerLease.center?.facts();
    return facts === undefined ? own : { ...own, held: facts.held, presence: facts.presence };
  }

  // ---- leases

  get #joinedCluster(): WorkerCluster {
    if (this.#own === undefined) throw new Error('the node has not joined the cluster');
    return this.#own;
  }

  get #watchedMs(): number {
    return watchedMs(this.#cluster.leaseMs);
  }

  get #reliedMs(): number {
    return reliedMs(this.#cluster.leaseMs);
  }

  #tick(): void {
    const now = performance.now();
    if (!this.#fenced && now > Math.max(this.#leaseUntil, this.#goOnUntil)) this.#fence('its lease has run out');
    this.#centerLease.tick(now);
    const joined = this.#joined;
    if (joined?.control !== undefined && now - joined.heardAt > this.#cluster.leaseMs) this.#lost();
    if (now - this.#beatAt < STEP_MS) return;
    this.#beatAt = now;
    this.#centerLease.beat();
    this.#soon(0);
  }

  #soon(ms: number): void {
    this.#cancel?.();
    if (this.#stopping) return;
    this.#cancel = systemClock.after(ms, () => {
      if (this.#stepping !== undefined) {
        this.#again = true;
        return;
      }
      this.#stepping = this.#step().finally(() => {
        this.#stepping = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.#soon(0);
      });
    });
  }

  async #step(): Promise<void> {
    const membership = this.#membership;
    if (membership === undefined || this.#stopping) return;
    try {
      const incarnation = this.#incarnation;
      const began = performance.now();
      const { renewed, ...rows } = await membership.renew(this.#cluster.node, incarnation);
      this.#rows = rows;
      this.#observe(rows);
      if (incarnation !== this.#incarnation || this.#stopping) return;
      if (renewed) this.#leaseUntil = began + this.#reliedMs;
      else {
        if (!this.#fenced) this.#fence('the others have declared it dead');
        await this.#enter(membership, rows);
      }
      await this.#govern(membership, rows);
      this.#recovered();
    } catch (error) {
      this.#failed(error);
    }
  }

  #observe({ lease, nodes }: ClusterRows): void {
    const leases = nodes.map(
      ({ name, incarnation, expires }) => [`node ${name}`, `${incarnation} ${expires}`] as const,
    );
    const center = lease === undefined ? [] : [[CENTER, `${lease.token} ${lease.expires}`] as const];
    this.#observed.look([...leases, ...center]);
  }

  #failed(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text !== this.#failing) events.fault.publish({ session: 'cluster', error });
    this.#failing = text;
  }

  #recovered(): void {
    this.#failing = undefined;
  }

  /** Enters the row of this node, when no other has its name. */
  async #enter(membership: Membership, { nodes }: ClusterRows): Promise<void> {
    const { node } = this.#cluster;
    const row = nodes.find(({ name }) => name === node);
    const over = row === undefined || row.incarnation === null || this.#past.has(row.incarnation);
    if (!over && this.#observed.idleMs(`node ${node}`) < this.#watchedMs) {
      throw new LocalError('STORE_FAILED', `cluster.node: another node is "${node}", or was until a moment ago`);
    }
    const began = performance.now();
    if (!(await membership.join(node, this.#incarnation, this.#path, row))) return;
    this.#leaseUntil = began + this.#reliedMs;
    this.#fenced = false;
    this.#contactAt = performance.now();
  }

  /** This node may have no endpoints any longer: others may be given them from now on. */
  #fence(why: string): void {
    events.fault.publish({ session: 'cluster', error: new Error(`this node ends its attachments: ${why}`) });
    this.#past.add(this.#incarnation);
    this.#incarnation = randomUUID();
    this.#fenced = true;
    this.#leaseUntil = 0;
    this.#goOnUntil = 0;
    this.#parts?.relay().dismiss(CUT_OFF);
    this.#leaveCenter(CLOSE_MS);
    this.#soon(0);
  }

  // ---- the center that this node follows

  async #govern(membership: Membership, rows: ClusterRows): Promise<void> {
    const { lease } = rows;
    if (this.#centerLease.center !== undefined) await this.#centerLease.keep(membership, rows);
    else if (this.#centerLease.isOver(lease)) {
      if (!this.#fenced) await this.#centerLease.take(membership, rows);
      return;
    }
    if (lease === undefined || lease.released || this.#fenced) return;
    const own = lease.node === this.#cluster.node;
    const path = own ? this.#local : rows.nodes.find(({ name }) => name === lease.node)?.address;
    if (path !== undefined) this.#follow(lease, path);
    const now = performance.now();
    if (this.#joined?.welcomed === true) this.#contactAt = now;
    else if (now - this.#contactAt > 2 * this.#watchedMs && this.#joinedCluster.claimed > 0) {
      this.#fence('it has not reached the center for too long');
    }
  }

  #follow({ epoch }: CenterLease, path: string): void {
    const joined = this.#joined;
    const waiting = joined !== undefined && !joined.welcomed && joined.control === undefined;
    const late = waiting && performance.now() - joined.since > this.#cluster.leaseMs;
    if (joined?.epoch === epoch && !late) return;
    if (epoch !== this.#followed) this.#contactAt = performance.now();
    this.#followed = epoch;
    this.#leaveCenter();
    const next: Joined = {
      epoch,
      since: performance.now(),
      heardAt: 0,
      control: undefined,
      claimed: false,
      welcomed: false,
      answeredAt: undefined,
    };
    this.#joined = next;
    this.#joinedCluster.reclaim(path, this.#transports(next)).then(
      (done) => {
        if (this.#joined !== next) return;
        if (done) {
          next.claimed = true;
          next.control?.tell({ type: 'claimed', bound: this.#joinedCluster.boundHere });
        } else this.#lost();
      },
      (error: unknown) => this.#failed(error),
    );
  }

  #transports(joined: Joined): CenterTransports {
    const connect: NodeTransport['connect'] = (path, peer, timeoutMs) =>
      this.#tls.connect(path, 'center', peer, timeoutMs);
    return {
      claims: {
        connect,
        introduce: async (connection) => {
          const control = await introduce(connection, this.#hello(joined.epoch, true));
          joined.control = control;
          joined.heardAt = performance.now();
          control.user = { received: (message) => this.#told(joined, message), closed: () => {} };
        },
      },
      data: {
        connect,
        introduce: async (connection) => void (await introduce(connection, this.#hello(joined.epoch, false))),
      },
    };
  }

  #hello(epoch: number, claims: boolean) {
    return { from: this.#cluster.node, incarnation: this.#incarnation, epoch, path: this.#path, claims };
  }

  #told(joined: Joined, message: ControlMessage): Pulse | undefined {
    if (this.#joined !== joined) return message.type === 'beat' ? { pledge: false } : undefined;
    switch (message.type) {
      case 'welcome':
        joined.welcomed = true;
        this.#joinedCluster.welcomed(message.directory);
        this.#begun?.();
        return undefined;
      case 'changed':
        if (joined.welcomed) this.#joinedCluster.changed(message.change);
        return undefined;
      case 'login':
        this.throttle.note({ ...message.note, account: message.note.account });
        return undefined;
      case 'beat':
        return this.#beat(joined, message.goOnMs);
      default:
        return undefined;
    }
  }

  #beat(joined: Joined, goOnMs: number): Pulse {
    const now = performance.now();
    // The center counted from no earlier than that.
    if (joined.answeredAt !== undefined) this.#goOnUntil = Math.max(this.#goOnUntil, joined.answeredAt + goOnMs);
    joined.answeredAt = now;
    joined.heardAt = now;
    const { lease } = this.#rows ?? {};
    const pledge = lease?.epoch === joined.epoch && !this.#centerLease.isOver(lease);
    if (pledge) this.#pledgedUntil = now + this.#cluster.leaseMs;
    return { pledge };
  }

  /** The session for claims has ended. */
  #lost(): void {
    this.#leaveCenter();
    this.#soon(AGAIN_MS);
  }

  #leaveCenter(limitMs = 0): void {
    this.#joined = undefined;
    this.#joinedCluster.leaveCenter(limitMs);
    this.#sessions?.cut((identity) => identity?.account === CENTER);
  }

  async #end(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#silence?.();
    this.#cancel?.();
    await this.#stepping;
    const membership = this.#membership;
    try {
      await this.#centerLease.end(membership);
      await membership?.leave(this.#cluster.node, this.#incarnation);
    } catch (error) {
      // The leases run out by themselves.
      this.#failed(error);
    }
    await this.#own?.close(CLOSE_MS);
    this.#sessions?.cut();
    this.#tls.close();
    await membership?.close();
  }
}
