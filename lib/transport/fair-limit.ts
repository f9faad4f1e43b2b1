/**
 * Limit on the number of members, shared fairly among hosts: when it is exceeded, the oldest member of the host with
 * the most members is evicted, so a host that opens a thousand loses its own and a newcomer is always admitted.
 */
export interface FairLimits {
  /** Members altogether. */
  readonly all: number;
  /** Members of one host. */
  readonly perHost: number;
}

export class FairLimit<Member> {
  readonly #hosts = new Map<string, Set<Member>>();
  readonly #hostOf = new Map<Member, string>();

  get size(): number {
    return this.#hostOf.size;
  }

  /** How many members one host has. */
  count(host: string): number {
    return this.#hosts.get(host)?.size ?? 0;
  }

  has(member: Member): boolean {
    return this.#hostOf.has(member);
  }

  /** The member to evict before another one of that host is added; the caller ends and removes it. */
  memberToEvict(host: string, { all, perHost }: FairLimits): Member | undefined {
    if (this.count(host) >= perHost) return first(this.#hosts.get(host));
    if (this.size < all) return undefined;
    let largest: Set<Member> | undefined;
    for (const members of this.#hosts.values()) {
      if (largest === undefined || members.size > largest.size) largest = members;
    }
    return first(largest);
  }

  add(member: Member, host: string): void {
    this.remove(member);
    let members = this.#hosts.get(host);
    if (members === undefined) {
      members = new Set();
      this.#hosts.set(host, members);
    }
    members.add(member);
    this.#hostOf.set(member, host);
  }

  remove(member: Member): void {
    const host = this.#hostOf.get(member);
    if (host === undefined) return;
    this.#hostOf.delete(member);
    const members = this.#hosts.get(host);
    members?.delete(member);
    if (members?.size === 0) this.#hosts.delete(host);
  }
}

/** The oldest. */
function first<Member>(members: ReadonlySet<Member> | undefined): Member | undefined {
  return members?.values().next().value;
}
