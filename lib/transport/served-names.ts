/** Decides which host and server names are those of a listener: of its domains, and of the hosts that the operator named. */
import { canonicalAddress } from './network.js';
import type { NameServed } from './open-channels.js';

export class ServedNames {
  readonly #domains: readonly string[];
  readonly #hosts: readonly string[];

  constructor(domains: readonly string[], hosts: readonly string[]) {
    this.#domains = domains.map((domain) => domain.toLowerCase());
    this.#hosts = hosts.map((host) => host.toLowerCase());
  }

  /** Whether a name is one of this listener: a domain, a host that the operator named, or a host below a domain. */
  includes(name: string): boolean {
    const lower = name.toLowerCase();
    return this.#domains.includes(lower) || this.#hosts.includes(lower) || this.#isBelow(lower);
  }

  /**
   * What a server name is to this listener (RFC 3080 §2.3.1.2).
   *
   * @param places the host it listens on, and the address that the peer connected to
   */
  natureOf(name: string, places: readonly string[]): ReturnType<NameServed> {
    const lower = name.toLowerCase();
    if (this.#domains.includes(lower)) return 'domain';
    if (this.includes(lower)) return 'host';
    const address = canonicalAddress(lower.replace(/^\[(.*)\]$/, '$1'));
    const loopback = lower === 'localhost' && places.some((place) => /^(127\.|::1$)/.test(canonicalAddress(place)));
    return loopback || places.some((place) => canonicalAddress(place.toLowerCase()) === address) ? 'host' : 'nothing';
  }

  #isBelow(lower: string): boolean {
    return this.#domains.some((domain) => lower.endsWith(`.${domain}`));
  }
}
