/**
 * Shares in what is held for all endpoints: what each sender and each neighbour domain occupies, and whether it may occupy
 * more. Besides its own limit a sender has at most as much as is still free, and a domain twice that, so one sender leaves
 * half of the space to others, two leave a third, and a late party always finds some. Independent of the queues.
 */
import { createHash } from 'node:crypto';
import { type Address, addressOf } from '../../imxp/address.js';

export interface ShareLimits {
  /** Octets held for all endpoints. */
  readonly totalOctets: number;
  /** Octets of one sender. */
  readonly octetsPerSender: number;
  /** Octets of all senders of one domain that is not served here. */
  readonly octetsPerDomain: number;
}

/** Of a name of a sender; the spool keeps it in a key. */
const NAME_OCTETS = 300;
/** Of the hash in the place of a longer name: 132 bits. */
const HASH_LENGTH = 22;

/**
 * The party that a Data counts for: the account, for all its subaddresses.
 *
 * @returns a name with the domain behind its last `@`
 */
export function senderOf(originator: string): string {
  const name: Pick<Address, 'base' | 'domain'> | undefined = addressOf(originator);
  if (name === undefined) return '@';
  if (Buffer.byteLength(name.base) <= NAME_OCTETS) return name.base;
  return `#${createHash('sha256').update(name.base).digest('base64url').slice(0, HASH_LENGTH)}@${name.domain}`;
}

export class OfflineShares {
  readonly #limits: ShareLimits;
  readonly #local: (domain: string) => boolean;
  readonly #senders = new Map<string, number>();
  readonly #domains = new Map<string, number>();
  #total = 0;

  /** @param local whether a domain is served here: its senders share no limit, each has an account */
  constructor(limits: ShareLimits, local: (domain: string) => boolean) {
    this.#limits = limits;
    this.#local = local;
  }

  /** Octets held in all. */
  get total(): number {
    return this.#total;
  }

  /** Why a sender may not have so many more octets: there is no room for any sender, or its share is used up. */
  obstacle(sender: string, cost: number): 'full' | 'share' | undefined {
    const { totalOctets, octetsPerSender, octetsPerDomain } = this.#limits;
    const free = totalOctets - this.#total - cost;
    if (free < 0) return 'full';
    if ((this.#senders.get(sender) ?? 0) + cost > Math.min(octetsPerSender, Math.max(free, cost))) return 'share';
    const domain = domainOf(sender);
    if (this.#local(domain)) return undefined;
    const used = (this.#domains.get(domain) ?? 0) + cost;
    return used > Math.min(octetsPerDomain, Math.max(2 * free, cost)) ? 'share' : undefined;
  }

  /** @param cost octets more, or less when it is negative */
  change(sender: string, cost: number): void {
    this.#total += cost;
    add(this.#senders, sender, cost);
    add(this.#domains, domainOf(sender), cost);
  }
}

function domainOf(sender: string): string {
  return sender.slice(sender.lastIndexOf('@') + 1);
}

function add(counts: Map<string, number>, name: string, more: number): void {
  const sum = (counts.get(name) ?? 0) + more;
  if (sum > 0) counts.set(name, sum);
  else counts.delete(name);
}
