/**
 * Table of bindings: which channels are bound for which foreign domain; a domain may have several (core-01 §4.4.2,
 * D-CORE-13). Soft state, removed with the channel.
 */
import type { ChannelTarget } from './channel-target.js';
import { LaneGroup, type LaneGroupOptions } from './lanes.js';

/** One domain bound over one channel. */
export interface Binding {
  readonly type: 'bind';
  /** Domain in lower case. */
  readonly domain: string;
  /** transID of the bind on its channel. */
  readonly transID: number;
  readonly target: ChannelTarget;
}

export class Bindings {
  readonly #byDomain = new Map<string, LaneGroup>();
  readonly #options: () => LaneGroupOptions;

  /** @param options for the lanes of one domain */
  constructor(options: () => LaneGroupOptions) {
    this.#options = options;
  }

  /** Returns the channels bound for a domain; present while any is bound or still owes an answer. */
  of(domain: string): LaneGroup | undefined {
    const lanes = this.#byDomain.get(domain);
    if (lanes !== undefined && !lanes.live && lanes.outstanding === 0) {
      this.#byDomain.delete(domain);
      return undefined;
    }
    return lanes;
  }

  add(binding: Binding): void {
    const lanes = this.of(binding.domain) ?? new LaneGroup(this.#options());
    lanes.relay = binding.domain;
    lanes.add(binding.target);
    this.#byDomain.set(binding.domain, lanes);
  }

  remove(binding: Binding): void {
    this.#byDomain.get(binding.domain)?.remove(binding.target);
    this.of(binding.domain); // forget the domain when this was its last
  }

  /** Number of bound domains. */
  get size(): number {
    return this.#byDomain.size;
  }

  domains(): IterableIterator<string> {
    return this.#byDomain.keys();
  }
}
