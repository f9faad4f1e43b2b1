/**
 * The center of the cluster: its relay keeps the directory, because each claim of a node is an attachment there. Tells
 * the nodes of every change, those of a moment together.
 */
import type { Identity } from '../imxp/identity.js';
import type { LinkStatus } from '../ops/status.js';
import type { MeshChannel } from '../relay/channel.js';
import type { Application, Cluster, PlacementObserver, Successor } from '../relay/cluster.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../relay/target.js';
import { systemClock } from '../transport/clock.js';
import type { DirectoryChange, Member, Placement } from './messages.js';
import { NodeLink, type NodeLinkOptions } from './node-link.js';

/**
 * Changes of that time are told together, because each node is told of each change. Until it is told, a node sends to the
 * center what is for an endpoint elsewhere, which is one hop more and nothing worse.
 */
const TOGETHER_MS = 10;

export interface CenterClusterOptions extends NodeLinkOptions {
  /** Tells all nodes. */
  readonly tell: (change: DirectoryChange) => void;
  /** See the cluster of the relay; absent where the claims of a node end with its channel. */
  readonly outlasts?: (channel: MeshChannel, end: () => void) => boolean;
  readonly reclaims?: (node: string) => boolean;
}

interface BoundAt extends DeliveryTarget {
  readonly node: string;
}

export class CenterCluster implements Cluster, PlacementObserver {
  readonly #options: CenterClusterOptions;
  readonly #nodes = new Map<string, { readonly path: string; readonly link: NodeLink }>();
  readonly #placed = new Map<string, Placement>();
  /** Nodes that a foreign domain is bound at; the last of them is used. */
  readonly #bound = new Map<string, readonly BoundAt[]>();
  #untold = new Map<string, Placement>();

  constructor(options: CenterClusterOptions) {
    this.#options = options;
  }

  get links(): readonly LinkStatus[] {
    return [...this.#nodes.values()].flatMap(({ link }) => link.status);
  }

  /** Data operations sent to the nodes since the start. */
  get forwarded(): number {
    let sum = 0;
    for (const { link } of this.#nodes.values()) sum += link.forwarded;
    return sum;
  }

  /** A node has come. @param own its socket for the center */
  join({ name, path }: Member, own: string): void {
    this.leave(name);
    this.#nodes.set(name, { path, link: new NodeLink(name, own, this.#options) });
    this.#options.tell({ members: this.members });
  }

  /** A node has gone. */
  leave(name: string): void {
    const node = this.#nodes.get(name);
    if (node === undefined) return;
    this.#nodes.delete(name);
    void node.link.close(0);
    this.boundExactly(name, []);
    this.#options.tell({ members: this.members });
  }

  get members(): readonly Member[] {
    return [...this.#nodes].map(([name, { path }]) => ({ name, path }));
  }

  /** Everything, for a node that has just come. */
  get everything(): DirectoryChange {
    return {
      members: this.members,
      placed: [...this.#placed.values()],
      bound: [...this.#bound].map(([domain, at]) => [domain, at.at(-1)?.node ?? null] as const),
    };
  }

  /** A foreign domain is bound at a node from now on, or no longer. */
  boundAt(node: string, domain: string, here: boolean): void {
    const link = this.#nodes.get(node)?.link;
    const others = (this.#bound.get(domain) ?? []).filter((at) => at.node !== node);
    if (here && link !== undefined) {
      const deliver = (delivery: OutboundDelivery, sink: DeliverySink): void => link.deliver(delivery, sink);
      others.push({ node, relay: domain, deliver });
    }
    if (others.length === 0) this.#bound.delete(domain);
    else this.#bound.set(domain, others);
    this.#options.tell({ bound: [[domain, others.at(-1)?.node ?? null]] });
  }

  /** These domains are bound at a node, and no others: it may have been out of reach when some of them ended. */
  boundExactly(node: string, domains: readonly string[]): void {
    const at = (domain: string): boolean => this.#bound.get(domain)?.some((one) => one.node === node) === true;
    const ended = [...this.#bound.keys()].filter((domain) => at(domain) && !domains.includes(domain));
    const begun = domains.filter((domain) => !at(domain));
    for (const domain of ended) this.boundAt(node, domain, false);
    for (const domain of begun) this.boundAt(node, domain, true);
  }

  async close(limitMs: number): Promise<void> {
    await Promise.all([...this.#nodes.values()].map(({ link }) => link.close(limitMs)));
  }

  // ---- PlacementObserver

  placed(key: string, application: Application | undefined, transID: number): void {
    const node = application instanceof NodeLink ? application.name : null;
    const placement: Placement = [key, node, transID];
    if (node === null) this.#placed.delete(key);
    else this.#placed.set(key, placement);
    if (this.#untold.size === 0) systemClock.after(TOGETHER_MS, () => this.#tell());
    this.#untold.set(key, placement);
  }

  #tell(): void {
    const untold = this.#untold;
    this.#untold = new Map();
    this.#options.tell({ placed: [...untold.values()] });
  }

  // ---- Cluster

  receiving(): DeliveryTarget | undefined {
    return undefined;
  }

  center(): DeliveryTarget | undefined {
    return undefined;
  }

  successor(): Successor | undefined {
    return undefined;
  }

  toward(domain: string): DeliveryTarget | undefined {
    return this.#bound.get(domain)?.at(-1);
  }

  /** Sessions that the center opened itself carry what their peers bind; nodes need not know, they open their own. */
  bound(): void {}

  applicationsOf(peer: Identity): Application | undefined {
    if (peer.kind !== 'relay' || peer.proof.account === undefined) return undefined;
    return this.#nodes.get(peer.proof.account)?.link;
  }

  isCenter(): boolean {
    return false;
  }

  outlasts(channel: MeshChannel, end: () => void): boolean {
    return this.#options.outlasts?.(channel, end) === true;
  }

  reclaims(peer: Identity): boolean {
    if (peer.kind !== 'relay' || peer.proof.account === undefined) return false;
    return this.#options.reclaims?.(peer.proof.account) === true;
  }
}
