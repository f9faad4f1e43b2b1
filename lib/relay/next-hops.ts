/**
 * The way to a foreign domain where there may be two: the channels bound for it and the link the dialer has. Stays on
 * the one in use while it lives, so that Data never overtake each other on two sessions. Refuses to know how links are
 * made.
 */

import type { Address } from '../imxp/address.js';
import { REPLIES } from './answer.js';
import type { Bindings } from './bindings.js';
import { RefusingTarget } from './route.js';
import type { DeliveryTarget, Dialer } from './target.js';

/**
 * How many domains are remembered as reached by link. Forgetting one only matters at the moment when its relay binds
 * here while Data to it are on their way.
 */
const REMEMBERED = 10_000;

const UNAVAILABLE = new RefusingTarget(REPLIES.relayUnavailable);

export class NextHops {
  readonly #bindings: Bindings;
  readonly #linked = new Set<string>();

  constructor(bindings: Bindings) {
    this.#bindings = bindings;
  }

  toward(name: Address, originator: string, dialer: Dialer): DeliveryTarget {
    const bound = this.#bindings.of(name.domain);
    if (bound === undefined) return this.#link(name, originator, dialer);
    if (this.#linked.has(name.domain)) {
      const link = dialer.toward(name.domain);
      if ('deliver' in link) return laneOf(link, name, originator);
      this.#linked.delete(name.domain);
    }
    // Not live, yet still owing answers: what goes by another way now could overtake what is there.
    return bound.live ? bound.lane(name.key, originator) : UNAVAILABLE;
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
