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
import type { AnswerListener, DeliverySink, DeliveryTarget, OutboundDelivery } from '../relay/target.js';
import { systemClock } from '../transport/clock.js';
import { CenterTarget } from './center-target.js';
import { Claims, UNAVAILABLE } from './claims.js';
import type { DirectoryChange, Member, Placement } from './messages.js';
import { NodeLink, type NodeLinkOptions } from './node-link.js';
import type { NodeTransport } from './node-socket.js';

/** Name of the node that keeps the directory. */
export const CENTER = 'center';

/** Between the end of a session at one node and the center's knowledge of it a moment passes. */
const RETRY_MS = 50;
const RETRIES = 4;
const ATTACHED_ALREADY = 554;
const SHUTTING_DOWN = 421;

export interface WorkerClusterOptions extends NodeLinkOptions {
  /** Name of this node. */
  readonly name: string;
  /** The session on which claims are made has ended. */
  readonly lost: (why: string) => void;
  /** Tells the center of a foreign domain that is bound here, or no longer. */
  readonly bound: (domain: string, here: boolean) => void;
}

class OwnClaim implements Claim {
  readonly key: string;
  readonly wish: ClaimWish;
  readonly lost: () => void;
  readonly #cluster: WorkerCluster;
  /** At the present center. */
  number: number;
  live = true;
  #change: ((way: DeliveryTarget | undefined) => void) | undefined;
  #way: DeliveryTarget | undefined;

  constructor(cluster: WorkerCluster, key: string, number: number, wish: ClaimWish, lost: () => void) {
    this.#cluster = cluster;
    this.key = key;
    this.number = number;
    this.wish = wish;
    this.lost = lost;
    this.#way = cluster.center();
  }

  /** Whether Data operations go straight to the application. */
  get straight(): boolean {
    return this.#way === undefined;
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

/** What leads to the node that keeps the directory. */
interface Center {
  readonly claims: Claims;
  readonly link: NodeLink;
  readonly target: CenterTarget;
}

/** How a center on another machine is reached. */
export interface CenterTransports {
  readonly claims: NodeTransport;
  readonly data: NodeTransport;
}

function over(transport: NodeTransport | undefined): { readonly transport?: NodeTransport } {
  return transport === undefined ? {} : { transport };
}

/** There is no center at the moment. */
const NO_CENTER: DeliveryTarget & Successor = {
  deliver: (_delivery, sink) => sink.failed(UNAVAILABLE),
  send(_delivery: OutboundDelivery, sink: DeliverySink, user: AnswerListener | undefined): void {
    user?.answered(false);
    sink.failed(UNAVAILABLE);
  },
};

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
  /** Undefined while there is none at which endpoints can be claimed. */
  #center: Center | undefined;
  /** A center at which what is attached here is being claimed anew. */
  #next: Center | undefined;
  readonly #nodes = new Map<string, { readonly path: string; readonly link: NodeLink }>();
  /** Endpoints that are attached elsewhere, with the node that they are sent to straight. */
  readonly #direct = new Map<string, NodeLink>();
  readonly #own = new Map<string, OwnClaim>();
  readonly #bound = new Map<string, Toward>();
  /** Foreign domains that are bound here. */
  readonly #boundHere = new Set<string>();
  /** Data operations sent to centers and nodes that are no more. */
  #forwarded = 0;

  constructor(options: WorkerClusterOptions) {
    this.#options = options;
  }

  /** Uses a center that has just begun, and keeps it. Resolves when endpoints can be claimed. */
  open(path: string): Promise<void> {
    this.#center = this.#made(path, {});
    return this.#center.claims.open();
  }

  /** Foreign domains that are bound here. */
  get boundHere(): readonly string[] {
    return [...this.#boundHere];
  }

  /** How many endpoints are claimed. */
  get claimed(): number {
    return this.#own.size;
  }

  /**
   * Claims at a center what is attached here. It is used when it has said what is attached elsewhere ({@link welcomed}).
   *
   * @param transports say there who this node is, on the session for claims and on those for Data operations
   * @returns false if the session ended first
   */
  async reclaim(path: string, transports: CenterTransports): Promise<boolean> {
    this.leaveCenter();
    const next = this.#made(path, transports);
    this.#next = next;
    await next.claims.open();
    const done = await Promise.all([...this.#own.values()].map((own) => this.#reclaim(next, own)));
    return this.#next === next && done.every((one) => one);
  }

  /** The directory of the center at which endpoints were claimed anew, which is used from now on. */
  welcomed(directory: DirectoryChange): void {
    const center = this.#next;
    if (center === undefined) return;
    this.#center = center;
    this.#next = undefined;
    this.#direct.clear();
    this.#bound.clear();
    for (const own of this.#own.values()) own.route(center.target);
    this.changed(directory);
  }

  /** The center has gone, or another has taken its place. What goes straight to other nodes goes on. */
  leaveCenter(limitMs = 0): void {
    for (const center of [this.#center, this.#next]) {
      if (center === undefined) continue;
      this.#forwarded += center.link.forwarded;
      void center.claims.close(limitMs);
      void center.link.close(limitMs);
    }
    this.#center = undefined;
    this.#next = undefined;
    for (const own of this.#own.values()) if (!own.straight) own.route(NO_CENTER);
  }

  async close(limitMs: number): Promise<void> {
    const links = [...this.#nodes.values()].map(({ link }) => link);
    const centers = [this.#center, this.#next].flatMap((center) => (center === undefined ? [] : [center]));
    await Promise.all([
      ...centers.flatMap(({ claims, link }) => [claims.close(limitMs), link.close(limitMs)]),
      ...links.map((link) => link.close(limitMs)),
    ]);
  }

  /** Data operations sent to other nodes since the start. */
  get forwarded(): number {
    let sum = this.#forwarded + (this.#center?.link.forwarded ?? 0);
    for (const { link } of this.#nodes.values()) sum += link.forwarded;
    return sum;
  }

  get links(): readonly LinkStatus[] {
    const links = [...this.#nodes.values()].map(({ link }) => link);
    return [...(this.#center === undefined ? [] : [this.#center.link]), ...links].flatMap(({ status }) => status);
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
      const center = this.#center;
      if (center === undefined) return UNAVAILABLE;
      const claim = await center.claims.claim(key, wish, (number) => this.#taken(key, number));
      if (typeof claim === 'number') {
        // What it granted at its end nobody else knows of.
        return this.#center === center ? this.#granted(key, claim, wish, lost) : UNAVAILABLE;
      }
      if (claim.code !== ATTACHED_ALREADY || tries >= RETRIES) return claim;
      await new Promise<void>((resolve) => systemClock.after(RETRY_MS, resolve));
    }
  }

  receiving({ key, service }: Address): DeliveryTarget | undefined {
    return service ? undefined : this.#direct.get(key);
  }

  center(): DeliveryTarget {
    return this.#center?.target ?? NO_CENTER;
  }

  successor(): Successor {
    return this.#center?.target ?? NO_CENTER;
  }

  toward(domain: string): DeliveryTarget | undefined {
    return this.#bound.get(domain);
  }

  bound(domain: string, here: boolean): void {
    if (here) this.#boundHere.add(domain);
    else this.#boundHere.delete(domain);
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
    (this.#center ?? this.#next)?.claims.release(claim.number);
  }

  #made(path: string, { claims: claiming, data }: Partial<CenterTransports>): Center {
    const options = this.#options;
    const lost = (why: string): void => {
      if (this.#center?.claims === claims || this.#next?.claims === claims) this.#options.lost(why);
    };
    const claims: Claims = new Claims({ ...options, ...over(claiming), center: CENTER, path, lost });
    const link = new NodeLink(CENTER, path, { ...options, ...over(data) });
    return { claims, link, target: new CenterTarget(link) };
  }

  #granted(key: string, number: number, wish: ClaimWish, lost: () => void): Claim {
    const own = new OwnClaim(this, key, number, wish, lost);
    this.#own.set(key, own);
    return own;
  }

  /** @returns false when whether it was granted is not known */
  async #reclaim({ claims }: Center, own: OwnClaim): Promise<boolean> {
    const wish = { ...own.wish, override: false };
    const claim = await claims.claim(own.key, wish, (number) => this.#taken(own.key, number));
    if (typeof claim === 'number') {
      own.number = claim;
      // The application has gone in the meantime.
      if (!own.live) claims.release(claim);
      return true;
    }
    if (claim.code === UNAVAILABLE.code || claim.code === SHUTTING_DOWN) return false;
    if (own.live) this.#end(own);
    return true;
  }

  #taken(key: string, number: number): void {
    const own = this.#own.get(key);
    if (own?.number === number) this.#end(own);
  }

  /** Another node has the endpoint. */
  #end(own: OwnClaim): void {
    this.#forget(own);
    own.live = false;
    own.lost();
  }

  #forget(claim: OwnClaim): void {
    if (this.#own.get(claim.key) === claim) this.#own.delete(claim.key);
  }

  #place([key, node, number]: Placement): void {
    const center = this.#center?.target;
    if (center === undefined) return;
    center.forget(key);
    if (node === null) {
      this.#direct.delete(key);
      const own = this.#own.get(key);
      if (own?.number === number) own.route(center);
      return;
    }
    // What is on its way by the center must not be overtaken.
    center.whenClear(key, () => {
      if (this.#center?.target !== center) return;
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
    const link = node === CENTER ? this.#center?.link : node === null ? undefined : this.#nodes.get(node)?.link;
    if (link === undefined || node === this.#options.name) this.#bound.delete(domain);
    else this.#bound.set(domain, new Toward(domain, link));
  }

  #meet(members: readonly Member[]): void {
    const others = members.filter(({ name }) => name !== this.#options.name);
    for (const [name, { path, link }] of this.#nodes) {
      if (others.some((other) => other.name === name && other.path === path)) continue;
      this.#nodes.delete(name);
      this.#forwarded += link.forwarded;
      for (const [key, node] of this.#direct) if (node === link) this.#direct.delete(key);
      void link.close(0);
    }
    for (const { name, path } of others) {
      if (!this.#nodes.has(name)) this.#nodes.set(name, { path, link: new NodeLink(name, path, this.#options) });
    }
  }
}
