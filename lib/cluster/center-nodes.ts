/**
 * Nodes at the center of a cluster. A new center takes nobody's word for where endpoints are: all nodes of the last
 * membership claim anew what is attached there, or are known to be dead, before any of them may claim more. While a node is
 * out of reach nobody else is given what it has.
 *
 * The center also collects the pledges of the nodes not to take its place for a while. As long as all that could have
 * pledged, the cluster goes on without the database.
 */
import type { Reply } from '../errors.js';
import type { MeshChannel } from '../relay/channel.js';
import type { CenterCluster } from './center-cluster.js';
import type { ControlChannel, ControlMessage, Hello } from './control.js';
import type { DirectoryChange, Member } from './messages.js';

const OTHER_EPOCH: Reply = { code: 450, text: 'this node is not the center of that epoch' };

interface NodeAtCenter {
  readonly name: string;
  readonly incarnation: string;
  /** Undefined while it is out of reach. */
  control: ControlChannel | undefined;
  /** The session on which it claims, also when that has gone. */
  session: string;
  /** It claims what is attached there. */
  claiming: boolean;
  welcomed: boolean;
  /** Ends what it claimed on sessions that have gone. */
  ends: (() => void)[];
  /** Until when it certainly does not take the place of the center. */
  pledgedUntil: number;
  /** Until when it may keep its endpoints because the center has said so. */
  reliesUntil: number;
  /** When it connected, or answered a beat. */
  heardAt: number;
}

export interface CenterNodesOptions {
  readonly epoch: number;
  /** Names of the nodes that may have endpoints. */
  readonly awaited: Iterable<string>;
  /** How long a pledge is relied on, from when it was asked for. */
  readonly pledgeMs: number;
  /** The node beside this center, and where it is reached on this machine. */
  readonly beside: Member;
  /** Names of the nodes that the lease in the database says may take it over at once. */
  readonly listed: Iterable<string>;
  /** A node has come that is not among those. */
  readonly unlisted: () => void;
  /** Cuts the sessions of a node, but for that of a channel. */
  readonly cut: (node: string, but?: ControlChannel) => void;
  /** All have claimed, or are dead. */
  readonly gathered: () => void;
}

export class CenterNodes {
  readonly #options: CenterNodesOptions;
  readonly #nodes = new Map<string, NodeAtCenter>();
  readonly #awaited: Set<string>;
  #listed: ReadonlySet<string>;
  #gathered = false;

  /** Set before a node is admitted. */
  center: CenterCluster | undefined;

  constructor(options: CenterNodesOptions) {
    this.#options = options;
    this.#awaited = new Set(options.awaited);
    this.#listed = new Set(options.listed);
  }

  /** Nodes that are waited for. */
  get awaited(): readonly string[] {
    return [...this.#awaited];
  }

  /** Nodes whose claims are known here, with the run of each and whether it is in reach. */
  get present(): readonly { readonly name: string; readonly incarnation: string; readonly reached: boolean }[] {
    return [...this.#nodes.values()].map(({ name, incarnation, control }) => {
      return { name, incarnation, reached: control !== undefined };
    });
  }

  /** @returns why a node is refused, if it is */
  admit({ from, incarnation, epoch, path, claims }: Hello, control: ControlChannel): Reply | undefined {
    const { center } = this;
    if (center === undefined || epoch !== this.#options.epoch) return OTHER_EPOCH;
    if (!claims) return this.#nodes.has(from) ? undefined : OTHER_EPOCH;
    this.#options.cut(from, control);
    let node = this.#nodes.get(from);
    if (node !== undefined && node.incarnation !== incarnation) {
      this.#drop(node);
      node = undefined;
    }
    if (node === undefined) {
      const times = { pledgedUntil: 0, reliesUntil: 0, heardAt: 0 };
      const none = { control: undefined, session: '', claiming: true, welcomed: false, ends: [] };
      node = { name: from, incarnation, ...none, ...times };
      this.#nodes.set(from, node);
      const { beside } = this.#options;
      center.join({ name: from, path }, from === beside.name ? beside.path : path);
    }
    const present = node;
    present.control = control;
    present.heardAt = performance.now();
    present.session = control.session;
    present.claiming = true;
    present.welcomed = false;
    if (!this.#listed.has(from)) this.#options.unlisted();
    control.user = {
      received: (message) => {
        this.#received(present, control, message);
        return undefined;
      },
      closed: () => {
        if (present.control === control) present.control = undefined;
      },
    };
    return undefined;
  }

  /** A node is known to have no endpoints any longer. */
  dead(name: string): void {
    const node = this.#nodes.get(name);
    if (node !== undefined) this.#drop(node);
    this.#awaited.delete(name);
    this.#gather();
  }

  /** The lease in the database says from now on that these may take it over at once. */
  list(names: ReadonlySet<string>): void {
    this.#listed = names;
    if (!this.#gathered) return;
    for (const node of this.#nodes.values()) if (!node.claiming && !node.welcomed) this.#welcome(node);
  }

  /** Until when a node that is out of reach may keep its endpoints because the center has said so. */
  reliesUntil(name: string): number {
    return this.#nodes.get(name)?.reliesUntil ?? 0;
  }

  tell(change: DirectoryChange): void {
    for (const { control, welcomed } of this.#nodes.values()) if (welcomed) control?.tell({ type: 'changed', change });
  }

  outlasts(channel: MeshChannel, end: () => void): boolean {
    const { identity, session } = channel;
    const name = identity.kind === 'relay' ? identity.proof.account : undefined;
    const node = name === undefined ? undefined : this.#nodes.get(name);
    // Of a session that was replaced nothing is left once the node has claimed anew.
    if (node === undefined || (session !== node.session && !node.claiming)) return false;
    node.ends.push(end);
    return true;
  }

  reclaims(name: string): boolean {
    return this.#nodes.get(name)?.claiming === true;
  }

  /** Until when none of the nodes takes the place of the center. @param members those that could, without this one */
  pledgedUntil(members: Iterable<string>): number {
    let until = Number.POSITIVE_INFINITY;
    for (const name of members) until = Math.min(until, this.#nodes.get(name)?.pledgedUntil ?? 0);
    return until;
  }

  /**
   * Sends a beat to each node. The sessions of one that answers none for too long are cut: it is out of reach, though its
   * connections are there.
   *
   * @param goOnUntil until when they may keep their endpoints whatever the database says
   */
  beat(goOnUntil: number): void {
    const now = performance.now();
    for (const node of this.#nodes.values()) {
      if (now - node.heardAt > this.#options.pledgeMs) this.#options.cut(node.name);
      if (node.control === undefined) continue;
      node.reliesUntil = Math.max(node.reliesUntil, goOnUntil);
      node.control.beat(Math.max(0, goOnUntil - now), ({ pledge }) => {
        node.heardAt = performance.now();
        if (pledge) node.pledgedUntil = now + this.#options.pledgeMs;
      });
    }
  }

  #received(node: NodeAtCenter, control: ControlChannel, message: ControlMessage): void {
    if (node.control !== control) return;
    switch (message.type) {
      case 'claimed':
        node.claiming = false;
        this.#end(node);
        this.center?.boundExactly(node.name, message.bound);
        this.#awaited.delete(node.name);
        if (this.#gathered) this.#welcome(node);
        else this.#gather();
        return;
      case 'bound':
        this.center?.boundAt(node.name, message.domain, message.here);
        return;
      case 'login':
        for (const other of this.#nodes.values()) if (other !== node) other.control?.tell(message);
        return;
      default:
    }
  }

  #gather(): void {
    if (this.#gathered || this.#awaited.size > 0) return;
    this.#gathered = true;
    this.#options.gathered();
    for (const node of this.#nodes.values()) if (!node.claiming) this.#welcome(node);
  }

  /** Not before the database lists it: a node that is not listed waits long before it takes the place of a center that died. */
  #welcome(node: NodeAtCenter): void {
    if (this.center === undefined || !this.#listed.has(node.name)) return;
    node.welcomed = true;
    node.control?.tell({ type: 'welcome', directory: this.center.everything });
  }

  #end(node: NodeAtCenter): void {
    for (const end of node.ends.splice(0)) end();
  }

  #drop(node: NodeAtCenter): void {
    this.#nodes.delete(node.name);
    this.#end(node);
    this.center?.leave(node.name);
  }
}
