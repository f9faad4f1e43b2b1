/**
 * Next hops to foreign domains, each of which may have two: channels bound for the domain, here or at another node of this
 * domain, and the link of the dialer.
 * The hop in use is kept while it is alive, so that Data operations never overtake each other on two sessions.
 */

import type { Address } from '../imxp/address.js';
import { REPLIES } from './answer.js';
import type { Bindings } from './bindings.js';
import type { Cluster } from './cluster.js';
import { RefusingTarget } from './route.js';
import type { DeliveryTarget, Dialer } from './target.js';

/**
 * Number of domains remembered as reached by link. Forgetting one matters only if its relay binds here while Data
 * operations to it are on their way.
 */
const REMEMBERED = 10_000;

const UNAVAILABLE = new RefusingTarget(REPLIES.relayUnavailable);

export class NextHops {
  readonly #bindings: Bindings;
  readonly #cluster: Cluster | undefined;
  readonly #linked = new Set<string>();

  /** @param cluster the other nodes of this domain, if there are any */
  constructor(bindings: Bindings, cluster?: Cluster) {
    this.#bindings = bindings;
    this.#cluster = cluster;
  }

  toward(name: Address, originator: string, dialer: Dialer): DeliveryTarget {
    const bound = this.#bindings.of(name.domain);
    if (bound === undefined) return this.#elsewhere(name, originator) ?? this.#link(name, originator, dialer);
    if (this.#linked.has(name.domain)) {
      const link = dialer.toward(name.domain);
      if ('deliver' in link) return laneOf(link, name, originator);
      this.#linked.delete(name.domain);
    }
    // No longer alive, but it still owes answers: what takes another hop now could overtake them.
    return bound.live ? bound.lane(name.key, originator) : UNAVAILABLE;
  }

  /** The node that the domain is bound at. A link that is in use stays in use, as it does beside a binding here. */
  #elsewhere(name: Address, originator: string): DeliveryTarget | undefined {
    if (this.#cluster === undefined || this.#linked.has(name.domain)) return undefined;
    const node = this.#cluster.toward(name.domain);
    return node === undefined ? undefined : laneOf(node, name, originator);
  }

  #link(name: Address, originator: string, dialer: Dialer): DeliveryTarget {
    const link = dialer.toward(name.domain);
    if (!('deliver' in link)) return new RefusingTarget(link);
    if (!this.#linked.has(name.domain)) this.#remember(name.domain);
    return laneOf(link, name, originator);
  }

  #remember(domain: string): void {
    if (this.#linked.size >= REMEMBERED) {
      for (const oldest of this.#linked) {
        this.#linked.delete(oldest);
        break;
      }
    }
    this.#linked.add(domain);
  }
}

function laneOf(target: DeliveryTarget, name: Address, originator: string): DeliveryTarget {
  return target.lane === undefined ? target : target.lane(name.key, originator);
}
