/**
 * Table of where Data of one originator to one recipient go: behind earlier ones that have no answer, so that nothing
 * overtakes. Looked up twice for each Data; the names are the strings that earlier Data had, with their hashes, so a key
 * joined from the two would cost more than both look-ups.
 */
import type { ChannelLane, Pin } from './channel-lane.js';
import { SmallMap } from './small-map.js';

export class Pins {
  /** By originator as written, then by normalized recipient; most write to one recipient at a time. */
  readonly #byOriginator = new Map<string, SmallMap<string, Pin>>();
  #size = 0;

  /** Number of pairs, those included of which nothing is under way. */
  get size(): number {
    return this.#size;
  }

  /** Returns the lane of the Data under way; undefined if there are none. */
  lane(originator: string, recipient: string): ChannelLane | undefined {
    const pin = this.#byOriginator.get(originator)?.get(recipient);
    return pin === undefined || pin.count === 0 ? undefined : pin.lane;
  }

  /** Counts one more Data; it goes by `lane`, unless others are under way by another. */
  take(originator: string, recipient: string, lane: ChannelLane): Pin {
    let pins = this.#byOriginator.get(originator);
    if (pins === undefined) {
      pins = new SmallMap();
      this.#byOriginator.set(originator, pins);
    }
    let pin = pins.get(recipient);
    if (pin === undefined) {
      pin = { lane, count: 0 };
      pins.set(recipient, pin);
      this.#size += 1;
    }
    if (pin.count === 0) pin.lane = lane;
    pin.count += 1;
    return pin;
  }

  /** Forgets pairs of which nothing is under way. */
  prune(): void {
    for (const [originator, pins] of this.#byOriginator) {
      for (const recipient of pins.keys()) {
        if (pins.get(recipient)?.count !== 0) continue;
        pins.delete(recipient);
        this.#size -= 1;
      }
      if (pins.size === 0) this.#byOriginator.delete(originator);
    }
  }
}
