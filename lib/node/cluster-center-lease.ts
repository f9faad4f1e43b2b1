/**
 * Keeper of the lease of the center, at one node of a cluster: takes it when it is over, runs the center while this node has
 * it, declares nodes dead meanwhile, and ends the center when the lease is lost. What may be relied on follows from leases that
 * are counted by this node's own monotonic clock, from before they were asked for (docs/internals/cluster.md).
 */
import { randomUUID } from 'node:crypto';
import type { NodeTls } from '../cluster/node-tls.js';
import { type ObservedLeases, reliedMs, watchedMs } from '../cluster/observed.js';
import { CENTER } from '../cluster/worker-cluster.js';
import type { ClusterConfig, NodeConfig } from '../config/schema.js';
import { events } from '../ops/events.js';
import type { CenterLease, ClusterRows, Membership, NodeEntry } from '../store/postgres/membership.js';
import { ClusterCenter } from './cluster-center.js';
import type { NodeRole, RoleNode } from './role.js';

export interface CenterLeaseOptions {
  readonly cluster: ClusterConfig;
  readonly tls: NodeTls;
  readonly make: (config: NodeConfig, role: NodeRole) => Promise<RoleNode>;
  /** Where the node beside the center is reached from here. */
  readonly path: string;
  readonly observed: ObservedLeases;
  /** The node's configuration as it is now. */
  config(): NodeConfig;
  /** Until when this node has pledged not to take the place of the center. */
  pledgedUntil(): number;
  /** The rows should be looked at again. */
  changed(): void;
  failed(error: unknown): void;
}

export class CenterLeaseKeeper {
  readonly #options: CenterLeaseOptions;
  #candidate: string | undefined;
  #center: ClusterCenter | undefined;
  #until = 0;
  /** When the lease was renewed last, from before it was asked for. */
  #keptAt = 0;
  /** Nodes other than this that could take the place of this center at once. */
  #rivals: ReadonlySet<string> = new Set();
  #ending: Promise<void> | undefined;
  #evictFrom = 0;

  constructor(options: CenterLeaseOptions) {
    this.#options = options;
  }

  /** The center, while this node has the lease. */
  get center(): ClusterCenter | undefined {
    return this.#center;
  }

  isOver(lease: CenterLease | undefined): boolean {
    const { observed, cluster } = this.#options;
    return lease === undefined || lease.released || observed.idleMs(CENTER) >= watchedMs(cluster.leaseMs);
  }

  tick(now: number): void {
    const center = this.#center;
    if (center !== undefined && now > Math.max(this.#until, this.#pledged(center))) {
      this.#stepDown('its lease has run out');
    }
  }

  /** Tells the nodes for how long the center goes on. */
  beat(): void {
    this.#center?.nodes.beat(this.#pledged(this.#center));
  }

  /** Renews the lease, and declares nodes dead. Nothing without a center. */
  async keep(membership: Membership, { lease, nodes }: ClusterRows): Promise<void> {
    const center = this.#center;
    if (center === undefined) return;
    if (lease?.token !== center.token) {
      this.#stepDown('another node has taken over');
      return;
    }
    await this.#renew(membership, center);
    await this.#bury(membership, center, nodes);
  }

  /** Takes the lease, and starts the center, unless a node has to wait for longer, or an earlier center is still ending. */
  async take(membership: Membership, { lease, nodes }: ClusterRows): Promise<void> {
    if (this.#ending !== undefined) return;
    const { observed, tls, path, make } = this.#options;
    const { node, leaseMs, outageMs } = this.#options.cluster;
    const { members = [] } = lease ?? {};
    const idle = observed.idleMs(CENTER);
    // Those that are not among them have pledged nothing, so they wait for as long as a center may go on without the database.
    if (members.length > 0 && !members.includes(node) && idle < outageMs + leaseMs) return;
    const began = performance.now();
    if (lease?.released !== true && began < this.#options.pledgedUntil()) return;
    this.#candidate ??= randomUUID();
    const token = this.#candidate;
    const epoch = await membership.take(node, token, lease);
    if (epoch === undefined) return;
    this.#candidate = undefined;
    this.#until = began + reliedMs(leaseMs);
    this.#keptAt = began;
    // What an earlier center has promised to nodes that do not reach the database is over then.
    this.#evictFrom = this.#options.pledgedUntil();
    this.#rivals = new Set(members.filter((name) => name !== node));
    const awaited = nodes.flatMap(({ name, incarnation }) => (incarnation === null ? [] : [name]));
    const center = new ClusterCenter({
      ...{ epoch, token, pledgeMs: reliedMs(leaseMs), tls },
      awaited: new Set([...awaited, node]),
      beside: { name: node, path },
      listed: [...members, node],
      unlisted: () => this.#options.changed(),
      gathered: () => events.node.publish({ state: 'center of the cluster', node, epoch }),
    });
    this.#center = center;
    center.start(this.#options.config(), make).then(
      () => this.#options.changed(),
      (error: unknown) => {
        this.#options.failed(error);
        if (this.#center === center) this.#stepDown('it could not start');
      },
    );
    this.#options.changed();
  }

  /** Ends the center, and releases the lease, so that another node takes it at once. */
  async end(membership: Membership | undefined): Promise<void> {
    const center = this.#center;
    this.#center = undefined;
    await center?.stop();
    await this.#ending;
    if (center !== undefined) await membership?.release(center.token, [...this.#rivals]);
  }

  /** Until when no node takes the place of this center, whatever the database says. */
  #pledged(center: ClusterCenter): number {
    const outage = this.#keptAt + reliedMs(this.#options.cluster.outageMs);
    return Math.min(center.nodes.pledgedUntil(this.#rivals), outage);
  }

  async #renew(membership: Membership, center: ClusterCenter): Promise<void> {
    const { node } = this.#options.cluster;
    const present = center.nodes.present.map(({ name }) => name);
    const members = new Set([node, ...present, ...center.nodes.awaited]);
    const rivals = new Set([...members].filter((name) => name !== node));
    // Whichever of the two lists the database has.
    this.#rivals = new Set([...this.#rivals, ...rivals]);
    const began = performance.now();
    if (!(await membership.keep(center.token, [...members].sort()))) {
      if (this.#center === center) this.#stepDown('another node has taken over');
      return;
    }
    if (this.#center !== center) return;
    this.#rivals = rivals;
    center.nodes.list(members);
    this.#keptAt = began;
    this.#until = began + reliedMs(this.#options.cluster.leaseMs);
  }

  /** Nodes that are out of reach and have not renewed their lease have no endpoints any longer, and neither have those that left. */
  async #bury(membership: Membership, center: ClusterCenter, rows: readonly NodeEntry[]): Promise<void> {
    const { observed, cluster } = this.#options;
    const { nodes } = center;
    const now = performance.now();
    if (now < this.#evictFrom) return;
    const known = new Map(nodes.present.map((one) => [one.name, one]));
    for (const name of new Set([...known.keys(), ...nodes.awaited])) {
      const row = rows.find((one) => one.name === name);
      const one = known.get(name);
      if (one?.reached === true || now < nodes.reliesUntil(name)) continue;
      const left = row === undefined || row.incarnation === null;
      const other = one !== undefined && row?.incarnation !== one.incarnation;
      const idle = observed.idleMs(`node ${name}`) >= watchedMs(cluster.leaseMs);
      if (left || other || (idle && (await membership.evict(row)))) {
        if (this.#center !== center) return;
        events.node.publish({ state: 'node of the cluster gone', node: name });
        nodes.dead(name);
      }
    }
  }

  #stepDown(why: string): void {
    const center = this.#center;
    if (center === undefined) return;
    const { node } = this.#options.cluster;
    events.node.publish({ state: 'no longer the center of the cluster', node, epoch: center.epoch, why });
    this.#center = undefined;
    const ending = center
      .stop()
      .catch((error: unknown) => this.#options.failed(error))
      .finally(() => {
        if (this.#ending === ending) this.#ending = undefined;
        this.#options.changed();
      });
    this.#ending = ending;
  }
}
