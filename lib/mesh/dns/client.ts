/**
 * DNS client that asks the configured or the system's name servers in turn, and reads from the answer the records, or
 * that there are none, and for how long. It caches nothing.
 */
import { getServers } from 'node:dns';
import { isIPv4, isIPv6 } from 'node:net';
import type { Answer } from 'dns-packet';
import { TransportError } from '../../errors.js';
import { isDomain } from '../../imxp/address.js';
import { events, type LookedUp } from '../../ops/events.js';
import { canonicalAddress } from '../../transport/network.js';
import type { TlsaRecord } from '../../transport/tls/dane.js';
import { DnsExchanges, type Question, RESPONSE_CODE } from './exchange.js';
import type { DnsResponse } from './response.js';
import type { SrvRecord } from './srv.js';
import type { NameServer } from './tcp-queries.js';

/** What the DNS says to one question. */
export interface DnsAnswer<Value> {
  /** Empty when there are none of that type. */
  readonly records: readonly Value[];
  /** False when the name does not exist at all (NXDOMAIN). */
  readonly exists: boolean;
  readonly ttlSeconds: number;
  /** Where the aliases of the name have led. */
  readonly name: string;
  /** Whether DNSSEC has validated it, also that there is nothing: a resolver that is trusted for that says so. */
  readonly secure: boolean;
}

export interface DnsClientOptions {
  /** `address` or `address:port`; those of the system unless any are given. */
  readonly servers: readonly string[];
  /** How long a server may take at first; twice as long when all are asked again. */
  readonly timeoutMs: number;
  /**
   * Addresses of name servers, or address and port, whose word that an answer is validated is believed (RFC 4035 §4.9.3;
   * D-DNS-05): the way to them must be safe. Those on this machine are believed anyway.
   */
  readonly validating?: readonly string[];
}

const DNS_PORT = 53;
/** RFC 2308 leaves it to us where an answer does not say how long it holds that there is nothing. */
const NEGATIVE_TTL_SECONDS = 60;
/** RFC 2181 §8: larger ones are taken for 0. */
const LONGEST_TTL = 2 ** 31 - 1;
const ALIASES = 8;
const NAME_OCTETS = 253;

export class DnsClient {
  readonly #options: DnsClientOptions;
  readonly #exchanges = new DnsExchanges();

  constructor(options: DnsClientOptions) {
    this.#options = options;
  }

  /** @throws TransportError LOOKUP_FAILED when no server gives an answer, RFC 1035's SERVFAIL and REFUSED among them */
  async srv(name: string): Promise<DnsAnswer<SrvRecord>> {
    const answer = await this.#ask({ type: 'SRV', name }, (record) => {
      if (record.type !== 'SRV') return undefined;
      const { priority = 0, weight = 0, port, target } = record.data;
      if (target === '' || target === '.') return { priority, weight, port, target: '.' };
      // A label may have any octets (RFC 2181 §11), and the name of a host may not.
      return isDomain(target) ? { priority, weight, port, target: target.toLowerCase() } : undefined;
    });
    return { ...answer, records: distinct(answer.records) };
  }

  /** Addresses of one family. @throws TransportError LOOKUP_FAILED */
  async addresses(name: string, type: 'A' | 'AAAA'): Promise<DnsAnswer<string>> {
    const valid = type === 'A' ? isIPv4 : isIPv6;
    return this.#ask({ type, name }, (answer) => {
      return answer.type === type && typeof answer.data === 'string' && valid(answer.data) ? answer.data : undefined;
    });
  }

  /** @throws TransportError LOOKUP_FAILED, also where the records are there and DNSSEC finds them wrong (SERVFAIL) */
  async tlsa(name: string): Promise<DnsAnswer<TlsaRecord>> {
    return this.#ask({ type: 'TLSA', name }, (record) => {
      if (record.type !== 'TLSA') return undefined;
      const { usage, selector, matchingType, certificate } = record.data;
      return { usage, selector, matching: matchingType, data: certificate };
    });
  }

  async #ask<Value>(question: Question, read: (answer: Answer) => Value | undefined): Promise<DnsAnswer<Value>> {
    let { name } = question;
    let ttlSeconds = LONGEST_TTL;
    let secure = true;
    for (let aliases = 0; aliases < ALIASES; aliases += 1) {
      if (!askable(name)) {
        return { records: [], exists: false, ttlSeconds: NEGATIVE_TTL_SECONDS, name, secure: false };
      }
      const packet = await this.#query({ ...question, name });
      secure &&= packet.authentic;
      const chain = aliasesOf(packet, name);
      const records = answersFor(packet, chain.name).flatMap((answer) => {
        const value = read(answer);
        if (value === undefined) return [];
        ttlSeconds = Math.min(ttlSeconds, ttlOf(answer));
        return [value];
      });
      ttlSeconds = Math.min(ttlSeconds, chain.ttlSeconds);
      const exists = packet.code !== RESPONSE_CODE.nameError;
      // RFC 1034 §3.6.2: an alias whose own records did not come along is asked for.
      const further = records.length === 0 && exists && chain.name !== name && soaOf(packet) === undefined;
      if (!further) {
        return {
          records,
          exists,
          name: chain.name.toLowerCase(),
          secure,
          ttlSeconds: records.length > 0 ? ttlSeconds : Math.min(ttlSeconds, negative(packet)),
        };
      }
      name = chain.name;
    }
    throw new TransportError('LOOKUP_FAILED', `${question.name} is an alias of too many aliases`);
  }

  async #query(question: Question): Promise<DnsResponse> {
    if (!events.lookup.observed) return this.#asked(question);
    const begin = performance.now();
    const tell = (result: LookedUp['result']): void => {
      events.lookup.publish({ ...question, result, ms: performance.now() - begin });
    };
    try {
      const packet = await this.#asked(question);
      tell(packet.answers.length > 0 ? 'found' : 'none');
      return packet;
    } catch (error) {
      tell('failed');
      throw error;
    }
  }

  async #asked(question: Question): Promise<DnsResponse> {
    const servers = this.#servers();
    let last = new TransportError('LOOKUP_FAILED', 'no name server is configured');
    for (const timeoutMs of [this.#options.timeoutMs, 2 * this.#options.timeoutMs]) {
      for (const server of servers) {
        try {
          const response = await this.#exchanges.exchange(server, question, timeoutMs);
          const fault = faultOf(response);
          if (fault === undefined) return { ...response, authentic: response.authentic && this.#believes(server) };
          last = refusal(server, question, fault);
        } catch (error) {
          if (!(error instanceof TransportError)) throw error;
          last = error;
        }
      }
    }
    throw last;
  }

  #believes({ address, port }: NameServer): boolean {
    if (isLoopback(address)) return true;
    const { validating = [] } = this.#options;
    return validating.map(nameServer).some((one) => one.port === port && sameAddress(one.address, address));
  }

  /** Asked each time, because a machine may move to another network. */
  #servers(): NameServer[] {
    const { servers } = this.#options;
    return (servers.length > 0 ? servers : getServers()).map(nameServer);
  }
}

function nameServer(text: string): NameServer {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  return { address: bracketed ?? plain ?? text, port: port === undefined ? DNS_PORT : Number(port) };
}

function isLoopback(address: string): boolean {
  return /^(?:127\.|::1$)/.test(canonicalAddress(address));
}

function sameAddress(one: string, other: string): boolean {
  return canonicalAddress(one) === canonicalAddress(other);
}

/** RFC 1035 §2.3.4: what is longer cannot be a name, so there is nothing under it. */
function askable(name: string): boolean {
  return name.length <= NAME_OCTETS && name.split('.').every((label) => label.length > 0 && label.length <= 63);
}

/** RFC 2181 §5: a set of records has none twice, whatever servers say. */
function distinct(records: readonly SrvRecord[]): readonly SrvRecord[] {
  const textOf = ({ priority, weight, port, target }: SrvRecord): string => `${priority} ${weight} ${port} ${target}`;
  return [...new Map(records.map((record) => [textOf(record), record])).values()];
}

function answersFor({ answers }: DnsResponse, name: string): Answer[] {
  const lower = name.toLowerCase();
  return answers.filter((answer) => answer.name.toLowerCase() === lower && isOfInternet(answer));
}

/** RFC 1035 §3.2.4: records of another class are about something else. */
function isOfInternet(answer: Answer): boolean {
  return !('class' in answer) || answer.class === undefined || answer.class === 'IN';
}

/** Where the aliases in an answer lead from a name, and how long that holds. */
function aliasesOf(packet: DnsResponse, from: string): { readonly name: string; readonly ttlSeconds: number } {
  let name = from;
  let ttlSeconds = LONGEST_TTL;
  for (let steps = 0; steps < ALIASES; steps += 1) {
    const alias = answersFor(packet, name).find((answer) => answer.type === 'CNAME');
    if (alias?.type !== 'CNAME') break;
    name = alias.data;
    ttlSeconds = Math.min(ttlSeconds, ttlOf(alias));
  }
  return { name, ttlSeconds };
}

function ttlOf(answer: Answer): number {
  const ttl = 'ttl' in answer ? (answer.ttl ?? 0) : 0;
  return ttl > LONGEST_TTL ? 0 : ttl;
}

function soaOf({ authorities }: DnsResponse) {
  const soa = authorities.find((answer) => answer.type === 'SOA');
  return soa?.type === 'SOA' ? soa : undefined;
}

/** RFC 2308 §5: the smaller one of the SOA's own time and its minimum. */
function negative(packet: DnsResponse): number {
  const soa = soaOf(packet);
  return soa === undefined ? NEGATIVE_TTL_SECONDS : Math.min(ttlOf(soa), soa.data.minimum ?? 0);
}

const CODES: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  4: 'NOTIMP',
  5: 'REFUSED',
  16: 'BADVERS',
};

/** Why a response says nothing about the name asked for, or undefined when it does. */
function faultOf(response: DnsResponse): string | undefined {
  const { code, answers, authorities, authoritative } = response;
  if (code !== RESPONSE_CODE.noError && code !== RESPONSE_CODE.nameError) return CODES[code] ?? `code ${code}`;
  // RFC 2308 §2.2: name servers instead of an answer are a referral, from a server that does not resolve for others. It
  // does not say that there are no records.
  const refers = authorities.some(({ type }) => type === 'NS') && soaOf(response) === undefined;
  const isReferral = code === RESPONSE_CODE.noError && !authoritative && answers.length === 0 && refers;
  return isReferral ? 'with a referral to other name servers' : undefined;
}

function refusal({ address, port }: NameServer, { type, name }: Question, fault: string): TransportError {
  return new TransportError('LOOKUP_FAILED', `name server ${address} port ${port} answers ${fault} to ${type} ${name}`);
}
