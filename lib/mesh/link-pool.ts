/**
 * Pool of links to neighbours that no route names: one for each domain, created when it is needed and closed after it
 * has been idle for a while. The number of links is limited.
 */
import type { Link } from './link.js';

/** One neighbour in the pool. */
export interface Pooled {
  readonly link: Link;
}

export interface LinkPoolOptions<Neighbour extends Pooled> {
  /** Whether anything is under way there. */
  busy(neighbour: Neighbour): boolean;
  /** @param touched to be called when the neighbour uses the link */
  make(domain: string, touched: () => void): Neighbour;
  /** Links at one time; past it an idle one makes room, and if there is none a new neighbour has to wait. */
  readonly most: number;
  /** After this time without Data a link is closed. */
  readonly idleMs: number;
  /** Asked now and then about links that are up: whether it leads where it should. */
  current(domain: string, neighbour: Neighbour): Promise<boolean>;
}

/** A link is idle when it was not used for so many periods. */
const PERIODS = 2;

class Member<Neighbour extends Pooled> {
  readonly neighbour: Neighbour;
  /** Sweeps since it was last used. */
  unused = 0;

  constructor(make: (touched: () => void) => Neighbour) {
    this.neighbour = make(() => {
      this.unused = 0;
    });
  }
}

export class LinkPool<Neighbour extends Pooled> {
  readonly #options: LinkPoolOptions<Neighbour>;
  readonly #members = new Map<string, Member<Neighbour>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LinkPoolOptions<Neighbour>) {
    this.#options = options;
  }

  get size(): number {
    return this.#members.size;
  }

  [Symbol.iterator](): IterableIterator<Neighbour> {
    return [...this.#members.values()].map(({ neighbour }) => neighbour).values();
  }

  /**
   * The neighbour of a domain, which is asked for with each Data.
   *
   * @returns undefined when all links are in use
   */
  toward(domain: string): Neighbour | undefined {
    const member = this.#members.get(domain);
    if (member === undefined) return this.#add(domain);
    member.unused = 0;
    return member.neighbour;
  }

  /** Closes all links, within `limitMs` where that is given. */
  async close(limitMs?: number): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    const members = [...this.#members.values()];
    this.#members.clear();
    await Promise.all(members.map(({ neighbour }) => neighbour.link.close(limitMs)));
  }

  #add(domain: string): Neighbour | undefined {
    if (this.#members.size >= this.#options.most && !this.#makeRoom()) return undefined;
    const member = new Member((touched) => this.#options.make(domain, touched));
    this.#members.set(domain, member);
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#sweep(), this.#options.idleMs / PERIODS);
      this.#timer.unref();
    }
    return member.neighbour;
  }

  /** Names that lead nowhere go first, then the link that was idle for the longest; never one that is in use. */
  #makeRoom(): boolean {
    let idle: string | undefined;
    let longest = 0;
    for (const [domain, { neighbour, unused }] of this.#members) {
      if (this.#options.busy(neighbour)) continue;
      if (neighbour.link.state === 'idle') {
        this.#drop(domain);
        return true;
      }
      if (unused <= longest) continue;
      idle = domain;
      longest = unused;
    }
    if (idle !== undefined) this.#drop(idle);
    return idle !== undefined;
  }

  #drop(domain: string): void {
    const member = this.#members.get(domain);
    this.#members.delete(domain);
    void member?.neighbour.link.close();
  }

  #sweep(): void {
    for (const [domain, member] of this.#members) {
      member.unused += 1;
      if (this.#options.busy(member.neighbour)) continue;
      const { link } = member.neighbour;
      if (link.state === 'idle' || member.unused > PERIODS) this.#drop(domain);
      else if (link.state === 'ready') void this.#review(domain, member.neighbour);
    }
    if (this.#members.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A neighbour may have moved since the link was made. */
  async #review(domain: string, neighbour: Neighbour): Promise<void> {
    if (await this.#options.current(domain, neighbour)) return;
    // Asking took time: what arrived in the meantime must not be cut off from the link.
    if (!this.#options.busy(neighbour)) await neighbour.link.renew();
  }
}
