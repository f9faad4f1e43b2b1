/**
 * Role of a process in a node that several processes make up: the center keeps the store, the services and the directory
 * of attachments, and workers have the sessions of peers. A process without a role is a node by itself.
 */
import type { Limits } from '../config/limits.js';
import type { NodeConfig } from '../config/schema.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { NodeFacts, NodeStatus } from '../ops/status.js';
import type { Traffic } from '../ops/traffic.js';
import type { Cluster, PlacementObserver } from '../relay/cluster.js';
import type { Relay } from '../relay/relay.js';
import type { DeliveryTarget } from '../relay/target.js';
import type { Store } from '../store/store.js';
import type { LoginThrottle } from '../transport/login-throttle.js';
import type { ProfileTable, ServedProfile } from '../transport/profile.js';

/** What the cluster needs of the node. */
export interface ClusterParts {
  readonly domain: string;
  readonly dialects: readonly Dialect[];
  readonly limits: Limits;
  /** The relay, which is made later. */
  readonly relay: () => Relay;
  /** The profiles of the dialects, for the other processes. */
  readonly meshes: readonly ServedProfile[];
  /** The same as a table. */
  readonly profiles: ProfileTable;
}

interface Role {
  /** Whether operators see the process by this node: it has the admin port and webhooks, and logs its states. */
  readonly outward: boolean;
  /** Called once, while the node is constructed. */
  join(parts: ClusterParts): Cluster;
  /** The node is ready, but for its listeners. */
  started(): Promise<void>;
  /** The node takes nothing new any longer. @param limitMs how long the others have to finish */
  stopping(limitMs: number): Promise<void>;
  /** The relay is at rest: the sessions with the other processes end. */
  stopped(): Promise<void>;
}

export interface CenterRole extends Role {
  readonly kind: 'center';
  readonly placements: PlacementObserver;
  /** Takes the store, where that has been decided already; absent where the node takes its lock. */
  lock?(store: Store): void;
  /** Where the workers listen. */
  readonly ports: readonly number[];
  /** Adds what the workers say about themselves. */
  combined(own: NodeStatus): Promise<NodeStatus>;
  /** Whether the workers report each Data operation, as they do at log level `debug`. */
  hearPerData(wanted: boolean): void;
  /** @throws LocalError if a worker could not apply it */
  reloaded(config: NodeConfig): Promise<void>;
}

export interface WorkerRole extends Role {
  readonly kind: 'worker';
  /** What leads to the services. */
  readonly center: DeliveryTarget;
  readonly traffic: Traffic | undefined;
  /** Counts the logins at all workers. */
  readonly throttle: LoginThrottle;
  /** Adds what others have to the state of this process; only where it is seen by operators. */
  combined?(own: NodeStatus): Promise<NodeStatus>;
  /** A changed configuration has been applied here. */
  reloaded?(config: NodeConfig): Promise<void>;
}

/** A running node, as those see it that start it in a role. */
export interface RoleNode {
  facts(): Promise<Omit<NodeFacts, 'state'>>;
  reload(config: NodeConfig): Promise<unknown>;
  stop(): Promise<void>;
}

export type NodeRole = CenterRole | WorkerRole;
