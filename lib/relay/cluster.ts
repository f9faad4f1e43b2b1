/**
 * Interface to the other nodes that serve the same domains, such as the workers of one machine: where endpoints are
 * attached and foreign domains bound that are not here. `lib/cluster` implements it; a node that is alone has none.
 *
 * Data operations between such nodes have already passed the rules of the first one: who may send, hop limits, reports to
 * the originator. The domain counts as one relay.
 */
import type { Reply } from '../errors.js';
import type { Address } from '../imxp/address.js';
import type { AttachWishes } from '../imxp/attach-options.js';
import type { Identity } from '../imxp/identity.js';
import type { MeshChannel } from './channel.js';
import type { AnswerListener, DeliverySink, DeliveryTarget, OutboundDelivery } from './target.js';

/** How the peer of a session between nodes of one domain is known: its socket says so. No SASL mechanism has that name. */
export const CLUSTER_PROOF = 'cluster';

/**
 * Answer between nodes to a Data operation that the other node holds and whose result it reports itself: `ok` for the
 * originator (RFC 3342 §3).
 */
export const TAKEN_OVER: Reply = { code: 350, text: 'held: the result follows' };

/** Receives the Data operations of an attached endpoint, and those that an earlier application has not begun to read. */
export interface Successor {
  send(delivery: OutboundDelivery, sink: DeliverySink, user: AnswerListener | undefined): void;
}

/** An attached application as a target. */
export interface Application extends DeliveryTarget, Successor {
  /** Id of the session over which it is attached; absent where that is at another node. */
  readonly session?: string;
  /** RFC 3342 §1: sends the unwritten Data operations for some recipients to the application that took over. */
  yield(isTheirs: (recipient: Address) => boolean, to: Successor): void;
}

/** An endpoint that this node has for an application of its own, and no other node has. */
export interface Claim {
  /** False when another node has taken it. */
  readonly live: boolean;
  /**
   * Tells by which way Data operations of this node go to the endpoint, now and whenever that changes.
   *
   * @param change given undefined when they may go straight to the application, else the node that has messages for it
   */
  routed(change: (way: DeliveryTarget | undefined) => void): void;
  /** Gives the endpoint back: the application has gone. */
  release(): void;
}

/** Told by which way Data operations for an endpoint go from now on. */
export interface PlacementObserver {
  /**
   * @param application undefined while messages that were held go first, or nobody is attached
   * @param transID of the attach
   */
  placed(key: string, application: Application | undefined, transID: number): void;
}

/** How an endpoint is claimed. */
export interface ClaimWish extends AttachWishes {
  /** Whether it is taken from the application that has it (RFC 3342 §1). */
  readonly override: boolean;
}

export interface Cluster {
  /**
   * Claims an endpoint for an application of this node. Absent on the node that keeps the directory.
   *
   * @param key normalized address
   * @param lost called when another node has taken it; the claim needs no release then
   * @returns the claim, or why there is none
   */
  claim?(key: string, wish: ClaimWish, lost: () => void): Promise<Claim | Reply>;
  /** Returns the application of another node that is attached as an endpoint, where that is known. */
  receiving(name: Address): DeliveryTarget | undefined;
  /**
   * Returns the node that knows what is not attached here nor known to be elsewhere, holds messages and has the services;
   * undefined on that node itself.
   */
  center(): DeliveryTarget | undefined;
  /** Returns the node that a foreign domain is bound at, if it is another one. @param domain in lower case */
  toward(domain: string): DeliveryTarget | undefined;
  /** A foreign domain is bound here from now on, or no longer. */
  bound(domain: string, here: boolean): void;
  /** Returns what takes over Data operations for endpoints that another node has claimed. */
  successor(): Successor | undefined;
  /** Returns what leads to the applications of the node at the other end of a session. */
  applicationsOf(peer: Identity): Application | undefined;
  /** Whether the other end of a session is the node that keeps the directory. */
  isCenter(peer: Identity): boolean;
  /**
   * Whether the claims of a node outlast the channel they were made on, which has gone: it may still have the endpoints.
   *
   * @param end ends them; to be called when the node is known to have none of them
   */
  outlasts?(channel: MeshChannel, end: () => void): boolean;
  /** Whether a node claims anew what is attached there. */
  reclaims?(peer: Identity): boolean;
}

/** Whether the peer of a session is another node of the domains served here. */
export function isClusterPeer(identity: Identity): boolean {
  return identity.kind === 'relay' && identity.proof.mechanism === CLUSTER_PROOF;
}
