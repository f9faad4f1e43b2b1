/**
 * Center of a cluster, on the node that has the lease: a relay of its own beside that of the node, with the services, the
 * offline queues and the directory. It has no listeners; the nodes, its own included, reach it by their sessions with it.
 */
import { CenterCluster } from '../cluster/center-cluster.js';
import { CenterNodes } from '../cluster/center-nodes.js';
import { ControlProfile, introduce } from '../cluster/control.js';
import type { Member } from '../cluster/messages.js';
import { NodeSessions, type NodeTransport } from '../cluster/node-socket.js';
import type { NodeTls } from '../cluster/node-tls.js';
import { CENTER } from '../cluster/worker-cluster.js';
import type { NodeConfig } from '../config/schema.js';
import { LocalError } from '../errors.js';
import type { NodeStatus } from '../ops/status.js';
import type { Application, Cluster, PlacementObserver } from '../relay/cluster.js';
import type { PeerIdentity } from '../sasl/identity.js';
import { isFenced, type Store } from '../store/store.js';
import { ProfileTable } from '../transport/profile.js';
import type { CenterRole, ClusterParts, RoleNode } from './role.js';

/** Others take over at once; what is under way gets that long. */
const DRAIN_MS = 2000;

/** Starts a relay. */
export type MakeNode = (config: NodeConfig, role: CenterRole) => Promise<RoleNode>;

export interface ClusterCenterOptions {
  readonly epoch: number;
  /** Fences what is written. */
  readonly token: string;
  readonly awaited: Iterable<string>;
  /** See {@link CenterNodes}. */
  readonly beside: Member;
  readonly listed: Iterable<string>;
  readonly unlisted: () => void;
  readonly pledgeMs: number;
  readonly tls: NodeTls;
  readonly gathered: () => void;
}

export class ClusterCenter implements CenterRole, PlacementObserver {
  readonly kind = 'center';
  readonly outward = false;
  readonly placements = this;
  readonly ports: readonly number[] = [];
  readonly nodes: CenterNodes;
  readonly #options: ClusterCenterOptions;
  #sessions: NodeSessions | undefined;
  #center: CenterCluster | undefined;
  #node: RoleNode | undefined;

  constructor(options: ClusterCenterOptions) {
    const { epoch, awaited, beside, listed, unlisted, pledgeMs, gathered } = options;
    this.#options = options;
    this.nodes = new CenterNodes({
      ...{ epoch, awaited, beside, listed, unlisted, pledgeMs, gathered },
      cut: (node, but) => this.#sessions?.cut((identity, session) => isOf(identity, node) && session !== but?.session),
    });
  }

  get epoch(): number {
    return this.#options.epoch;
  }

  get token(): string {
    return this.#options.token;
  }

  /** @throws LocalError as the start of a node */
  async start(config: NodeConfig, make: MakeNode): Promise<void> {
    const limits = { ...config.limits, node: { ...config.limits.node, drainTimeoutMs: DRAIN_MS } };
    this.#node = await make({ ...config, limits, admin: undefined, webhooks: [] }, this);
  }

  /** The state of its relay; undefined before it has one. */
  async facts() {
    return await this.#node?.facts();
  }

  async reload(config: NodeConfig): Promise<void> {
    await this.#node?.reload({ ...config, webhooks: [] });
  }

  /** Ends at once for the nodes, which turn to the next center; what is under way may finish. */
  async stop(): Promise<void> {
    this.#options.tls.serve('center', undefined);
    this.#sessions?.cut();
    await this.#node?.stop();
  }

  // ---- CenterRole

  join(parts: ClusterParts): Cluster {
    const { epoch, tls } = this.#options;
    const own = { from: CENTER, incarnation: '', epoch, path: '', claims: false };
    const transport: NodeTransport = {
      connect: (path, peer, timeoutMs) => tls.connect(path, 'node', peer, timeoutMs),
      introduce: async (connection) => void (await introduce(connection, own)),
    };
    const control = new ControlProfile(parts.domain, (hello, channel) => this.nodes.admit(hello, channel));
    this.#sessions = new NodeSessions({ ...parts, profiles: new ProfileTable([control, ...parts.meshes]) });
    this.#center = new CenterCluster({
      ...parts,
      transport,
      tell: (change) => this.nodes.tell(change),
      outlasts: (channel, end) => this.nodes.outlasts(channel, end),
      reclaims: (node) => this.nodes.reclaims(node),
    });
    this.nodes.center = this.#center;
    return this.#center;
  }

  lock(store: Store): void {
    if (!isFenced(store)) throw new LocalError('CONFIGURATION', 'cluster: needs a store of type "postgres"');
    store.fence(this.#options.token);
  }

  async started(): Promise<void> {
    const sessions = this.#sessions;
    this.#options.tls.serve('center', (stream) => sessions?.accept(stream));
  }

  async stopping(): Promise<void> {}

  async stopped(): Promise<void> {
    await this.#center?.close(0);
  }

  async combined(own: NodeStatus): Promise<NodeStatus> {
    return own;
  }

  /** It is in the process of the node, which is asked itself. */
  hearPerData(): void {}

  async reloaded(): Promise<void> {}

  placed(key: string, application: Application | undefined, transID: number): void {
    this.#center?.placed(key, application, transID);
  }
}

function isOf(identity: PeerIdentity | undefined, node: string): boolean {
  return identity?.account === node;
}
