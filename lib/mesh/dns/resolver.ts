/** Resolver for the rest of the program: SRV records and addresses, cached for their time to live. */
import { isIP } from 'node:net';
import { ImxpError, TransportError } from '../../errors.js';
import { events, type LookedUp } from '../../ops/events.js';
import type { TlsaRecord } from '../../transport/tls/dane.js';
import { DnsCache } from './cache.js';
import { type DnsAnswer, DnsClient } from './client.js';
import type { SrvRecord } from './srv.js';

export interface ResolverOptions {
  /** `address` or `address:port`; those of the system unless any are given. */
  readonly servers?: readonly string[];
  /** Name servers that are believed where they say that DNSSEC has validated an answer; see {@link DnsClientOptions}. */
  readonly validating?: readonly string[];
  /** How long one name server may take before the next is asked. */
  readonly timeoutMs?: number;
  /** Answers remembered. */
  readonly entries?: number;
  /** A monotonic clock, milliseconds. */
  readonly now?: () => number;
}

const TIMEOUT_MS = 1500;
const ENTRIES = 10_000;

export class Resolver {
  readonly #client: DnsClient;
  readonly #srv: DnsCache<DnsAnswer<SrvRecord>>;
  readonly #addresses: DnsCache<DnsAnswer<string>>;
  readonly #tlsa: DnsCache<DnsAnswer<TlsaRecord>>;

  constructor({ servers = [], validating = [], timeoutMs = TIMEOUT_MS, entries = ENTRIES, now }: ResolverOptions = {}) {
    this.#client = new DnsClient({ servers, validating, timeoutMs });
    const options = { entries, ...(now === undefined ? {} : { now }) };
    this.#srv = new DnsCache(options);
    this.#addresses = new DnsCache(options);
    // A record that was withdrawn proves nothing any more.
    this.#tlsa = new DnsCache({ ...options, stale: false });
  }

  /**
   * The SRV records of a name, in no order.
   *
   * @param name such as `_imxp-mesh._tcp.example.com`
   * @throws TransportError LOOKUP_FAILED when the DNS gives no answer and none is remembered
   */
  srv(name: string): Promise<DnsAnswer<SrvRecord>> {
    const key = name.toLowerCase();
    return this.#srv.lookup(key, () => fetched('SRV', key, this.#client.srv(key)));
  }

  /**
   * The addresses of a host, of both families, alternately and IPv6 first (RFC 8305 §4).
   *
   * @throws TransportError LOOKUP_FAILED when the DNS answers for neither family
   */
  async addresses(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host];
    const name = host.toLowerCase();
    const found = await Promise.allSettled([this.#family(name, 'AAAA'), this.#family(name, 'A')]);
    const [six = [], four = []] = found.map((one) => (one.status === 'fulfilled' ? one.value.records : []));
    if (six.length === 0 && four.length === 0) {
      for (const one of found) if (one.status === 'rejected') throw failure(one.reason);
    }
    return alternately(six, four);
  }

  /**
   * Whether DNSSEC has validated the addresses of a host, and where its aliases lead.
   *
   * @throws TransportError LOOKUP_FAILED when the DNS answers for neither family
   */
  async host(host: string): Promise<{ readonly name: string; readonly secure: boolean }> {
    await this.addresses(host);
    const found = await Promise.allSettled([this.#family(host, 'AAAA'), this.#family(host, 'A')]);
    const answers = found.flatMap((one) =>
      one.status === 'fulfilled' && one.value.records.length > 0 ? [one.value] : [],
    );
    const [first] = answers;
    if (first === undefined) return { name: host, secure: false };
    return { name: first.name, secure: answers.every(({ secure }) => secure) };
  }

  /**
   * The TLSA records of a name.
   *
   * @param name such as `_5222._tcp.relay.example.com`
   * @throws TransportError LOOKUP_FAILED when the DNS gives no answer, or one that DNSSEC finds wrong
   */
  tlsa(name: string): Promise<DnsAnswer<TlsaRecord>> {
    const key = name.toLowerCase();
    return this.#tlsa.lookup(key, () => fetched('TLSA', key, this.#client.tlsa(key)));
  }

  #family(name: string, type: 'A' | 'AAAA'): Promise<DnsAnswer<string>> {
    return this.#addresses.lookup(`${type} ${name}`, () => fetched(type, name, this.#client.addresses(name, type)));
  }
}

async function fetched<Value>(type: LookedUp['type'], name: string, asked: Promise<DnsAnswer<Value>>) {
  const begin = performance.now();
  const tell = (result: LookedUp['result']): void =>
    events.lookup.publish({ type, name, result, ms: performance.now() - begin });
  try {
    const value = await asked;
    tell(value.records.length > 0 ? 'found' : 'none');
    return { value, ttlSeconds: value.ttlSeconds };
  } catch (error) {
    tell('failed');
    throw error;
  }
}

function failure(reason: unknown): ImxpError {
  return reason instanceof ImxpError ? reason : new TransportError('LOOKUP_FAILED', String(reason), { cause: reason });
}

function alternately(first: readonly string[], second: readonly string[]): string[] {
  const longest = Math.max(first.length, second.length);
  return Array.from({ length: longest }, (_, at) => [first[at], second[at]])
    .flat()
    .filter((address) => address !== undefined);
}
