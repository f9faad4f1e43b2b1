/** Network addresses: their canonical spelling, and the prefixes that count as one host or one network. */
import { isIPv6, type Socket } from 'node:net';
import type { RelayLocation } from '../config/relay-url.js';

/** One end of a TCP connection. */
export interface NetworkAddress {
  readonly address: string;
  readonly port: number;
}

/** Where a relay was reached. */
export function addressOfRelay({ host, port }: RelayLocation, { remoteAddress }: Socket): NetworkAddress {
  return { address: remoteAddress ?? host, port };
}

/** IPv4 addresses as such, also where the system maps them into IPv6. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** One spelling for each address, IPv4 addresses mapped into IPv6 and zones included. */
export function canonicalAddress(address: string): string {
  const plain = plainAddress(address.split('%', 1)[0] ?? '');
  if (!isIPv6(plain)) return plain;
  const spelt = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(spelt) ?? [];
  if (high === undefined || low === undefined) return spelt;
  const [first, last] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [first >> 8, first & 255, last >> 8, last & 255].join('.');
}

/** What counts as one address: an IPv4 address, or the /64 of an IPv6 address, inside which a host may choose freely. */
export function hostPrefix(address: string): string {
  // node:net looks at an address with a regular expression of 600 characters.
  return address.includes(':') && isIPv6(address) ? `${groups(address).slice(0, 4).join(':')}::/64` : address;
}

/** The neighbourhood of an address: the /24 of an IPv4 address, the /48 of an IPv6 address. */
export function networkOf(address: string): string {
  if (isIPv6(address)) return `${groups(address).slice(0, 3).join(':')}::/48`;
  const end = address.lastIndexOf('.');
  return end < 0 ? address : `${address.slice(0, end)}.0/24`;
}

/** The eight groups of an IPv6 address, without leading zeros. An IPv4 tail stays one group; it is never used. */
function groups(address: string): string[] {
  const [head = '', tail] = (address.split('%', 1)[0] ?? '').toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  return [...before, ...new Array<string>(gap).fill('0'), ...after].map((group) => group.replace(/^0+(?=.)/, ''));
}
