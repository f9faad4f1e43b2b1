/**
 * What the channels of one session are attached as and bound for together: for whom a peer may send is a matter of the
 * session, not of the channel it uses (core-01 §4.4.4.1 step 1), and a peer may end all of it at once (RFC 3340 §4.4.3).
 */

/** The part of one channel. */
export interface ChannelAssociations {
  /** @returns whether the peer had anything */
  terminateTheirs(): boolean;
  terminateOurs(): void;
}

const NOTHING: ReadonlySet<string> = new Set();

export class SessionAssociations {
  /** What the peer has, and this side, on each channel of the session. */
  readonly channels = new Set<ChannelAssociations>();
  readonly #attached = new Set<string>();
  /** Domains with the number of bindings for each. */
  #bound: Map<string, number> | undefined;
  /** Grows with every change, so that channels know when to ask anew. */
  version = 0;

  /** Normalised addresses. */
  get attached(): Iterable<string> {
    return this.#attached;
  }

  /** Lower-case domains. */
  get bound(): { has(domain: string): boolean } {
    return this.#bound ?? NOTHING;
  }

  /** Ends everything the peer has on the session; where it has nothing, what this side has (D-CORE-16). */
  terminate(): void {
    let any = false;
    for (const channel of [...this.channels]) any = channel.terminateTheirs() || any;
    if (!any) for (const channel of [...this.channels]) channel.terminateOurs();
  }

  attach(key: string): void {
    this.#attached.add(key);
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

/** The standings of all sessions. */
export class SessionAssociationsTable {
  readonly #bySession = new Map<string, SessionAssociations>();

  /** A channel joins its session. */
  enter(session: string, channel: ChannelAssociations): SessionAssociations {
    let standing = this.#bySession.get(session);
    if (standing === undefined) {
      standing = new SessionAssociations();
      this.#bySession.set(session, standing);
    }
    standing.channels.add(channel);
    return standing;
  }

  /** A channel is gone. */
  leave(session: string, channel: ChannelAssociations): void {
    const standing = this.#bySession.get(session);
    if (standing === undefined) return;
    standing.channels.delete(channel);
    if (standing.channels.size === 0) this.#bySession.delete(session);
  }
}
