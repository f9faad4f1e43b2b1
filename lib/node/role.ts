/**
 * Role of a process in a node that several processes make up: the center keeps the store, the services and the directory
 * of attachments, and workers have the sessions of peers. A process without a role is a node by itself.
 */
import type { Limits } from '../config/limits.js';
import type { NodeConfig } from '../config/schema.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { NodeStatus } from '../ops/status.js';
import type { Traffic } from '../ops/traffic.js';
import type { Cluster, PlacementObserver } from '../relay/cluster.js';
import type { Relay } from '../relay/relay.js';
import type { DeliveryTarget } from '../relay/target.js';
import type { LoginThrottle } from '../transport/login-throttle.js';
import type { ProfileTable } from '../transport/profile.js';

/** What the cluster needs of the node. */
export interface ClusterParts {
  readonly domain: string;
  readonly dialects: readonly Dialect[];
  readonly limits: Limits;
  /** The relay, which is made later. */
  readonly relay: () => Relay;
  /** What is served to the other processes. */
  readonly profiles: ProfileTable;
}

interface Role {
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
}

export type NodeRole = CenterRole | WorkerRole;
