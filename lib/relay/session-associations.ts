/**
 * Associations of one session: what its channels are attached as and bound for together. For whom a peer may send
 * depends on the session, not on the channel it uses (core-01 §4.4.4.1 step 1), and a peer may end all of it at once
 * (RFC 3340 §4.4.3).
 */

import { SmallMap } from './small-map.js';

/** The associations of one channel. */
export interface ChannelAssociations {
  /** @returns whether the peer had any */
  terminateTheirs(): boolean;
  terminateOurs(): void;
}

const NOTHING: ReadonlySet<string> = new Set();

export class SessionAssociations {
  readonly id: string;
  /** Associations of the peer, and of this side, on each channel of the session. */
  readonly channels = new SmallMap<ChannelAssociations, true>();
  readonly #attached = new SmallMap<string, true>();
  /** Domains with the number of bindings for each. */
  #bound: Map<string, number> | undefined;
  /** Grows with every change, so that channels know when to check permissions again. */
  version = 0;

  constructor(id: string) {
    this.id = id;
  }

  /** Normalized addresses. */
  get attached(): Iterable<string> {
    return this.#attached.keys();
  }

  get hasAttached(): boolean {
    return this.#attached.size > 0;
  }

  /** Domains in lower case. */
  get bound(): { has(domain: string): boolean } {
    return this.#bound ?? NOTHING;
  }

  /** Ends everything that the peer has on the session; if it has nothing, what this side has (D-CORE-16). */
  terminate(): void {
    let any = false;
    for (const channel of this.channels.keys()) any = channel.terminateTheirs() || any;
    if (!any) for (const channel of this.channels.keys()) channel.terminateOurs();
  }

  attach(key: string): void {
    this.#attached.set(key, true);
    this.version += 1;
  }

  detach(key: string): void {
    this.#attached.delete(key);
    this.version += 1;
  }

  bind(domain: string): void {
    this.#bound ??= new Map();
    this.#bound.set(domain, (this.#bound.get(domain) ?? 0) + 1);
    this.version += 1;
  }

  unbind(domain: string): void {
    const left = (this.#bound?.get(domain) ?? 1) - 1;
    if (left === 0) this.#bound?.delete(domain);
    else this.#bound?.set(domain, left);
    this.version += 1;
  }
}

/** The associations of all sessions. */
export class SessionAssociationsTable {
  readonly #bySession = new Map<string, SessionAssociations>();

  /** A channel joins its session. */
  enter(session: string, channel: ChannelAssociations): SessionAssociations {
    let associations = this.#bySession.get(session);
    if (associations === undefined) {
      associations = new SessionAssociations(session);
      this.#bySession.set(session, associations);
    }
    associations.channels.set(channel, true);
    return associations;
  }

  /** A channel is gone. */
  leave(session: string, channel: ChannelAssociations): void {
    const associations = this.#bySession.get(session);
    if (associations === undefined) return;
    associations.channels.delete(channel);
    if (associations.channels.size === 0) this.#bySession.delete(session);
  }
}
