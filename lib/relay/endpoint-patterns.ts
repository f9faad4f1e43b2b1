/**
 * Endpoints and patterns of endpoints that the configuration lists (`policy.attach`, `policy.originators`), prepared for
 * many questions. Pure.
 */
import { type Address, addressOf, commonKey, EVERYBODY } from '../imxp/address.js';
import { type ActorPattern, matchesActor, parseActor } from '../imxp/vocabulary/actor.js';

export class EndpointPatterns {
  readonly #endpoints = new Set<string>();
  readonly #patterns: ActorPattern[] = [];

  /** @param texts endpoints, each with its subaddresses, and patterns as in access entries (access-01 §3) */
  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const pattern = parseActor(text);
      if (pattern !== undefined && pattern.kind !== 'literal') this.#patterns.push(pattern);
      else this.#endpoints.add(keyOf(text));
    }
  }

  /** Whether an endpoint is listed, is a subaddress of one, or matches a pattern; the name of a whole domain only as such. */
  has(name: Address): boolean {
    if (name.local === EVERYBODY) {
      return this.#patterns.some(({ kind, domain }) => kind === 'everybody' && domain === name.domain);
    }
    if (this.#endpoints.has(commonKey(name)) || this.#endpoints.has(name.base)) return true;
    return this.#patterns.length > 0 && this.#patterns.some((pattern) => matchesActor(pattern, name));
  }

  /** Whether a pattern matches an endpoint. */
  covers(name: Address): boolean {
    return this.#patterns.some((pattern) => matchesActor(pattern, name));
  }
}

function keyOf(text: string): string {
  const name = addressOf(text);
  return name === undefined ? text.toLowerCase() : commonKey(name);
}
