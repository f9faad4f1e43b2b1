/**
 * Table of configured routes: a domain takes its own route, else the longest `*.suffix` that matches, else `*`. Pure.
 */

/** Values by domain pattern, most specific first. */
export class RouteTable<Way> {
  readonly #exact = new Map<string, Way>();
  readonly #suffixes = new Map<string, Way>();
  #fallback: Way | undefined;

  /** @param pattern a domain in lower case, `*.` and a domain, or `*` */
  add(pattern: string, way: Way): void {
    if (pattern === '*') this.#fallback = way;
    else if (pattern.startsWith('*.')) this.#suffixes.set(pattern.slice(2), way);
    else this.#exact.set(pattern, way);
  }

  /**
   * The way for a domain. `*.example.com` fits what is below example.com at any depth, not example.com itself.
   *
   * @param domain in lower case
   */
  find(domain: string): Way | undefined {
    const exact = this.#exact.get(domain);
    if (exact !== undefined) return exact;
    if (this.#suffixes.size > 0) {
      for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1)) {
        const way = this.#suffixes.get(domain.slice(dot + 1));
        if (way !== undefined) return way;
      }
    }
    return this.#fallback;
  }

  [Symbol.iterator](): IterableIterator<Way> {
    const all = [...this.#exact.values(), ...this.#suffixes.values()];
    if (this.#fallback !== undefined) all.push(this.#fallback);
    return all.values();
  }
}
