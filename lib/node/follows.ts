/** Decides by the patterns of the configuration whose presence follows attachment. Pure. */
import { addressOf } from '../imxp/address.js';

/**
 * @param address normalized; a subaddress belongs to its endpoint, so it never follows by itself, nor does a service
 * @param pattern an address, or one with `*` for the local part, the domain or both
 */
export function follows(address: string, pattern: string): boolean {
  const name = addressOf(address);
  if (name === undefined || name.service || name.base !== name.key) return false;
  const { local, domain, key } = name;
  return [key, `*@${domain}`, `${local}@*`, '*@*'].includes(pattern);
}
