/**
 * Limit on the number of members, shared fairly among hosts: when it is exceeded, the oldest member of the host with
 * the most members is evicted, so a host that opens a thousand loses its own and a newcomer is always admitted.
 */
export interface FairLimits {
  /** Members altogether. */
  readonly all: number;
  /** Members of one place. */
  readonly perPlace: number;
}

export class FairLimit<Member> {
  readonly #places = new Map<string, Set<Member>>();
  readonly #placeOf = new Map<Member, string>();

  get size(): number {
    return this.#placeOf.size;
  }

  /** How many members one place has. */
  count(place: string): number {
    return this.#places.get(place)?.size ?? 0;
  }

  has(member: Member): boolean {
    return this.#placeOf.has(member);
  }

  /** The member to evict before another one of that host is added; the caller ends and removes it. */
  crowdedOut(place: string, { all, perPlace }: FairLimits): Member | undefined {
    if (this.count(place) >= perPlace) return first(this.#places.get(place));
    if (this.size < all) return undefined;
    let largest: Set<Member> | undefined;
    for (const members of this.#places.values()) {
      if (largest === undefined || members.size > largest.size) largest = members;
    }
    return first(largest);
  }

  add(member: Member, place: string): void {
    this.remove(member);
    let members = this.#places.get(place);
    if (members === undefined) {
      members = new Set();
      this.#places.set(place, members);
    }
    members.add(member);
    this.#placeOf.set(member, place);
  }

  remove(member: Member): void {
    const place = this.#placeOf.get(member);
    if (place === undefined) return;
    this.#placeOf.delete(member);
    const members = this.#places.get(place);
    members?.delete(member);
    if (members?.size === 0) this.#places.delete(place);
  }
}

/** The oldest. */
function first<Member>(members: ReadonlySet<Member> | undefined): Member | undefined {
  return members?.values().next().value;
}
