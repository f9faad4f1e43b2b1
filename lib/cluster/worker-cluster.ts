/**
 * The cluster as one of its nodes sees it that is not the center: what it has learned of the directory, its own claims, and
 * the links to the other nodes.
 *
 * A Data operation for an endpoint of another node goes straight there once the directory says so. Everything else goes to the
 * center, which knows. What it learns late costs an attempt, never a message: a node that no longer has an endpoint asks
 * the center, and the center asks nobody.
 */
import type { Reply } from '../errors.js';
import type { Address } from '../imxp/address.js';
import type { Identity } from '../imxp/identity.js';
import type { LinkStatus } from '../ops/status.js';
import type { Application, Claim, ClaimWish, Cluster, Successor } from '../relay/cluster.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../relay/target.js';
import { systemClock } from '../transport/clock.js';
import { CenterTarget } from './center-target.js';
import { Claims } from './claims.js';
import type { DirectoryChange, Member, Placement } from './messages.js';
import { NodeLink, type NodeLinkOptions } from './node-link.js';

/** Name of the node that keeps the directory. */
export const CENTER = 'center';

/** Between the end of a session at one node and the center's knowledge of it a moment passes. */
const RETRY_MS = 50;
const RETRIES = 4;
const ATTACHED_ALREADY = 554;

export interface WorkerClusterOptions extends NodeLinkOptions {
  /** Name of this node. */
  readonly name: string;
  /** The socket of the center. */
  readonly centerPath: string;
  /** Nobody may stay attached here: the center has taken back all claims. */
  readonly lost: (why: string) => void;
  /** Tells the center of a foreign domain that is bound here, or no longer. */
  readonly bound: (domain: string, here: boolean) => void;
}

class OwnClaim implements Claim {
  readonly key: string;
  readonly number: number;
  readonly #cluster: WorkerCluster;
  live = true;
  #change: ((way: DeliveryTarget | undefined) => void) | undefined;
  #way: DeliveryTarget | undefined;

  constructor(cluster: WorkerCluster, key: string, number: number) {
    this.#cluster = cluster;
    this.key = key;
    this.number = number;
    this.#way = cluster.center();
  }

  routed(change: (way: DeliveryTarget | undefined) => void): void {
    this.#change = change;
    change(this.#way);
  }

  route(way: DeliveryTarget | undefined): void {
    this.#way = way;
    this.#change?.(way);
  }

  release(): void {
    if (!this.live) return;
    this.live = false;
    this.#cluster.released(this);
  }
}

/** A node that a foreign domain is bound at. */
class Toward implements DeliveryTarget {
  readonly relay: string;
  readonly #node: NodeLink;

  constructor(domain: string, node: NodeLink) {
    this.relay = domain;
    this.#node = node;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.#node.deliver(delivery, sink);
  }
}

export class WorkerCluster implements Cluster {
  readonly #options: WorkerClusterOptions;
  readonly #claims: Claims;
  readonly #centerLink: NodeLink;
  readonly #center: CenterTarget;
  readonly #nodes = new Map<string, { readonly path: string; readonly link: NodeLink }>();
  /** Endpoints that are attached elsewhere, with the node that they are sent to straight. */
  readonly #direct = new Map<string, NodeLink>();
  readonly #own = new Map<string, OwnClaim>();
  readonly #bound = new Map<string, Toward>();

  constructor(options: WorkerClusterOptions) {
    const { centerPath, lost } = options;
    this.#options = options;
    this.#claims = new Claims({ ...options, center: CENTER, path: centerPath, lost });
    this.#centerLink = new NodeLink(CENTER, centerPath, options);
    this.#center = new CenterTarget(this.#centerLink);
  }

  /** Resolves when endpoints can be claimed. */
  open(): Promise<void> {
    return this.#claims.open();
  }

  async close(limitMs: number): Promise<void> {
    const links = [this.#centerLink, ...[...this.#nodes.values()].map(({ link }) => link)];
    await Promise.all([this.#claims.close(limitMs), ...links.map((link) => link.close(limitMs))]);
  }

  /** Data operations sent to other nodes since the start. */
  get forwarded(): number {
    let sum = this.#centerLink.forwarded;
    for (const { link } of this.#nodes.values()) sum += link.forwarded;
    return sum;
  }

  get links(): readonly LinkStatus[] {
    return [this.#centerLink, ...[...this.#nodes.values()].map(({ link }) => link)].flatMap(({ status }) => status);
  }

  /** The directory has changed. */
  changed({ members, placed = [], bound = [] }: DirectoryChange): void {
    if (members !== undefined) this.#meet(members);
    for (const placement of placed) this.#place(placement);
    for (const [domain, node] of bound) this.#bind(domain, node);
  }

  // ---- Cluster

  async claim(key: string, wish: ClaimWish, lost: () => void): Promise<Claim | Reply> {
    for (let tries = 0; ; tries += 1) {
      const claim = await this.#claims.claim(key, wish, (number) => {
        const own = this.#own.get(key);
        if (own?.number !== number) return;
        this.#forget(own);
        own.live = false;
        lost();
      });
      if (typeof claim === 'number') return this.#granted(key, claim);
      if (claim.code !== ATTACHED_ALREADY || tries >= RETRIES) return claim;
      await new Promise<void>((resolve) => systemClock.after(RETRY_MS, resolve));
    }
  }

  receiving({ key, service }: Address): DeliveryTarget | undefined {
    return service ? undefined : this.#direct.get(key);
  }

  center(): DeliveryTarget {
    return this.#center;
  }

  successor(): Successor {
    return this.#center;
  }

  toward(domain: string): DeliveryTarget | undefined {
    return this.#bound.get(domain);
  }

  bound(domain: string, here: boolean): void {
    this.#options.bound(domain, here);
  }

  applicationsOf(): Application | undefined {
    return undefined;
  }

  isCenter(peer: Identity): boolean {
    return peer.kind === 'relay' && peer.proof.account === CENTER;
  }

  // ---- OwnClaim

  released(claim: OwnClaim): void {
    this.#forget(claim);
    this.#claims.release(claim.number);
  }

  #granted(key: string, number: number): Claim {
    const own = new OwnClaim(this, key, number);
    this.#own.set(key, own);
    return own;
  }

  #forget(claim: OwnClaim): void {
    if (this.#own.get(claim.key) === claim) this.#own.delete(claim.key);
  }

  #place([key, node, number]: Placement): void {
    this.#center.forget(key);
    if (node === null) {
      this.#direct.delete(key);
      const own = this.#own.get(key);
      if (own?.number === number) own.route(this.#center);
      return;
    }
    // What is on its way by the center must not be overtaken.
    this.#center.whenClear(key, () => {
      if (node === this.#options.name) {
        this.#direct.delete(key);
        const own = this.#own.get(key);
        if (own?.number === number) own.route(undefined);
        return;
      }
      const link = this.#nodes.get(node)?.link;
      if (link !== undefined) this.#direct.set(key, link);
    });
  }

  #bind(domain: string, node: string | null): void {
    const link = node === CENTER ? this.#centerLink : node === null ? undefined : this.#nodes.get(node)?.link;
    if (link === undefined || node === this.#options.name) this.#bound.delete(domain);
    else this.#bound.set(domain, new Toward(domain, link));
  }

  #meet(members: readonly Member[]): void {
    const others = members.filter(({ name }) => name !== this.#options.name);
    for (const [name, { path, link }] of this.#nodes) {
      if (others.some((other) => other.name === name && other.path === path)) continue;
      this.#nodes.delete(name);
      for (const [key, node] of this.#direct) if (node === link) this.#direct.delete(key);
      void link.close(0);
    }
    for (const { name, path } of others) {
      if (!this.#nodes.has(name)) this.#nodes.set(name, { path, link: new NodeLink(name, path, this.#options) });
    }
  }
}
