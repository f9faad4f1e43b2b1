/**
 * Shares in a limit on what users of the other system and of the mesh ask of a gateway: of each user, and of domains that
 * are not in the configuration, which anybody can set up with as many users as they like.
 */

interface UserShares {
  /** Of all users together. */
  readonly all: number;
  readonly perUser: number;
}

/** Part of all that users of domains that are not listed have together; the others always find the rest. */
const STRANGERS = 1 / 2;
/** Part of all that one such domain has. */
const STRANGE_DOMAIN = 1 / 4;

export class Shares {
  readonly #limits: UserShares;
  readonly #isListed: (domain: string) => boolean;
  readonly #perUser = new Map<string, number>();
  /** By domains that are not listed. */
  readonly #perDomain = new Map<string, number>();
  #all = 0;
  #strangers = 0;

  constructor(limits: UserShares, isListed: (domain: string) => boolean) {
    this.#limits = limits;
    this.#isListed = isListed;
  }

  /** Whether one more fits. @param user whose share it is; @param domain where they are */
  hasRoom(user: string, { domain }: { readonly domain: string }): boolean {
    const { all, perUser } = this.#limits;
    if (this.#all >= all || (this.#perUser.get(user) ?? 0) >= perUser) return false;
    if (this.#isListed(domain)) return true;
    const own = this.#perDomain.get(domain) ?? 0;
    return this.#strangers < Math.ceil(all * STRANGERS) && own < Math.ceil(all * STRANGE_DOMAIN);
  }

  count(user: string, { domain }: { readonly domain: string }, by: 1 | -1): void {
    this.#all += by;
    countIn(this.#perUser, user, by);
    if (this.#isListed(domain)) return;
    this.#strangers += by;
    countIn(this.#perDomain, domain, by);
  }
}

function countIn(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
