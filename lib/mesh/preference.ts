/** Selects, of several relays of a domain, those that are preferred to the one in use. Pure. */
import type { DialTarget } from '../transport/dialer.js';

/**
 * Those that come before a relay: by their priority in the DNS, or by their order in a configured list. One that is
 * no longer among them is left for any of them.
 */
export function preferredTo(url: string, relays: readonly DialTarget[]): readonly DialTarget[] {
  const own = relays.findIndex((relay) => relay.url === url);
  const rank = (relay: DialTarget, at: number): number => relay.priority ?? at;
  const relay = relays[own];
  return relay === undefined ? relays : relays.filter((other, at) => rank(other, at) < rank(relay, own));
}
