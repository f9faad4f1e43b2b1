/**
 * Finds the relays of a domain (core-01 §3.1, RFC 2782): the targets of its SRV records in the order to try them, with
 * their addresses. Decides what missing records mean.
 */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { DialectName } from '../../config/dialects.js';
import { type RelayLocation, writeRelayUrl } from '../../config/relay-url.js';
import { type ImxpError, RefusedError, type Reply, TransportError } from '../../errors.js';
import { addressOfLiteral } from '../../imxp/address.js';
import { canonicalAddress } from '../../transport/network.js';
import type { DaneProof } from '../../transport/tls/dane.js';
import { type DaneMode, daneProofOf } from './dane.js';
import type { Resolver } from './resolver.js';
import { inOrder, notOffered, type RandomInteger, type SrvRecord } from './srv.js';

/** A relay with the addresses that the DNS gives. */
export interface LocatedRelay extends RelayLocation {
  readonly addresses: readonly string[];
  /** Set where only this one may be spoken; otherwise what the relay offers. */
  readonly dialect?: DialectName;
  readonly priority: number;
  readonly weight: number;
  /** What proves it instead of an authority. */
  readonly dane?: DaneProof;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** What a domain's records are looked up for. */
export interface Service {
  /** The labels before the domain, such as `_imxp-mesh._tcp`. */
  readonly labels: string;
  readonly dialect: DialectName;
}

/** RFC 3340 §8.2, §8.3: APEX has ports, for domains that are addresses and have no records. */
const APEX_PORTS = { mesh: 912, edge: 913 } as const;

const MESH = '_imxp-mesh._tcp';
/** For what a domain serves, whatever its protocol: not asked for where {@link MESH} decides. */
const GENERAL: ReadonlySet<string> = new Set(['_im._imxp', '_pres._imxp']);

/**
 * The records of a domain for other relays, in the order in which they are asked for: those of core-01 §3.1, and those for
 * the inboxes and the presentities of a domain whatever their protocol (RFC 3861 §3; D-CPIM-03).
 */
export const MESH_SERVICES: readonly Service[] = [
  { labels: MESH, dialect: 'imxp' },
  { labels: '_im._imxp', dialect: 'imxp' },
  { labels: '_pres._imxp', dialect: 'imxp' },
  { labels: '_apex-mesh._tcp', dialect: 'apex' },
];

/** The records of a domain for its own endpoints. */
export const EDGE_SERVICES: readonly Service[] = [
  { labels: '_imxp-edge._tcp', dialect: 'imxp' },
  { labels: '_apex-edge._tcp', dialect: 'apex' },
];

/** The services of dialects; the first ones that have records are used. */
export function servicesOf(mode: 'mesh' | 'edge', dialects: readonly { readonly name: DialectName }[]): Service[] {
  // A domain without records for IMXP may have some for APEX, whatever is preferred where both can be spoken.
  const all = mode === 'mesh' ? MESH_SERVICES : EDGE_SERVICES;
  return all.filter((service) => dialects.some(({ name }) => name === service.dialect));
}

export interface LocateOptions {
  readonly resolver: Resolver;
  /** In this order, until there are records; at least one. */
  readonly services: readonly Service[];
  /** Where a domain without SRV records is tried; without it such a domain has no relay: no port is registered for IMXP. */
  readonly defaultPort?: number | undefined;
  /** How many relays of a domain are considered. */
  readonly most?: number;
  /** Where this node listens: who is sent there would come back to itself. */
  readonly listening?: readonly HostPort[];
  readonly random?: RandomInteger;
  /** Whether relays are proven by TLSA records. Default: off. */
  readonly dane?: DaneMode;
}

const CANDIDATES = 8;
/** One domain may not have us ask for more hosts than this. */
const TARGETS = 32;

const NO_RELAY: Reply = { code: 550, text: 'no relay for domain' };
const NOT_OFFERED: Reply = { code: 550, text: 'no relay for domain: its DNS says that it has none' };
const LOOP: Reply = { code: 550, text: 'no relay for domain: its DNS leads back to this relay' };
const UNAVAILABLE: Reply = { code: 450, text: 'relay unavailable: the DNS gives no answer' };

/** @param labels see {@link Service} */
export function srvName(labels: string, domain: string): string {
  return `${labels}.${domain}`;
}

/**
 * The relays of a domain in the order in which they are to be tried; at least one, each with an address.
 *
 * @param domain in lower case
 * @throws RefusedError NO_RELAY (550) when the domain has none; TransportError LOOKUP_FAILED (450) when that cannot be found out
 */
export async function locate(domain: string, options: LocateOptions): Promise<LocatedRelay[]> {
  const { resolver, most = CANDIDATES, listening = [] } = options;
  const own = ownAddresses(listening);
  const literal = addressOfLiteral(domain);
  if (literal !== undefined) return [literally(domain, literal, options, own)];
  // REQ-CPIM-002: only names that can be resolved from everywhere; D-CORE-03: no addresses.
  if (!fullyQualified(domain)) throw noRelay(domain, NO_RELAY, 'it is not a fully qualified name');
  const { wanted, dialect, secure } = await offers(domain, options);
  const candidates = await addressed(wanted.slice(0, Math.max(2, most)), domain, resolver);
  const relays = await proven(candidates, domain, secure, options);
  const only = dialect === 'apex' ? { dialect } : {};
  const foreign = relays
    .map((relay) => ({ ...relay, ...only, addresses: relay.addresses.filter((one) => !own(one, relay.port)) }))
    .filter(({ addresses }) => addresses.length > 0);
  // D-CORE-21: never to an SRV target that is ourselves.
  if (foreign.length === 0) throw noRelay(domain, LOOP, 'all its relays are this relay');
  return foreign;
}

/** The records of the first service that has any. What APEX has is for APEX; elsewhere the relay may offer both. */
async function offers(
  domain: string,
  options: LocateOptions,
): Promise<{ readonly wanted: readonly SrvRecord[]; readonly dialect?: DialectName; readonly secure: boolean }> {
  let refused = false;
  let noMesh = false;
  let secure = true;
  for (const { labels, dialect } of options.services) {
    // RFC 2782, Target: a domain that has decidedly no relay for the mesh has none under another name either.
    if (noMesh && GENERAL.has(labels)) continue;
    const { records, ...answer } = await transient(options.resolver.srv(srvName(labels, domain)), domain);
    // An answer that somebody has removed may have been another one.
    secure &&= answer.secure;
    refused ||= notOffered(records);
    noMesh ||= labels === MESH && notOffered(records);
    const offered = records.filter(({ target, port }) => target !== '.' && port > 0);
    if (offered.length > 0) return { wanted: inOrder(offered, options.random), dialect, secure };
  }
  if (refused) throw noRelay(domain, NOT_OFFERED, 'its SRV record says so');
  return { wanted: implicit(domain, options), secure };
}

/** RFC 3340 §3.1: a domain literal is the address itself; only APEX has a port for it. */
function literally(
  domain: string,
  address: string,
  { services }: LocateOptions,
  own: (address: string, port: number) => boolean,
): LocatedRelay {
  const apex = services.find(({ dialect }) => dialect === 'apex');
  if (apex === undefined) throw noRelay(domain, NO_RELAY, 'only APEX has relays for addresses');
  const port = EDGE_SERVICES.includes(apex) ? APEX_PORTS.edge : APEX_PORTS.mesh;
  if (own(address, port)) throw noRelay(domain, LOOP, 'it is this relay');
  const url = writeRelayUrl('tcp', address, port);
  return { transport: 'tcp', host: address, port, url, addresses: [address], priority: 0, weight: 0, dialect: 'apex' };
}

/** RFC 2782: no records at all: the domain itself, on the service's port; RFC 3861 §4. */
function implicit(domain: string, { services, defaultPort }: LocateOptions): SrvRecord[] {
  if (defaultPort === undefined) {
    const names = services.map(({ labels }) => srvName(labels, domain)).join(' or ');
    throw noRelay(domain, NO_RELAY, `there is no SRV record ${names}`);
  }
  return [{ priority: 0, weight: 0, port: defaultPort, target: domain }];
}

async function addressed(
  records: readonly SrvRecord[],
  domain: string,
  resolver: Resolver,
): Promise<readonly LocatedRelay[]> {
  const results = await Promise.allSettled(records.map(({ target }) => resolver.addresses(target)));
  const relays = records.flatMap((record, at) => {
    const result = results[at];
    return result?.status === 'fulfilled' && result.value.length > 0 ? [located(record, result.value)] : [];
  });
  if (relays.length > 0) return relays;
  const names = records.map(({ target }) => target).join(', ');
  const implied = records.length === 1 && records[0]?.target === domain;
  const failed = results.some(({ status }) => status === 'rejected');
  if (implied && !failed) throw noRelay(domain, NO_RELAY, 'it has neither SRV records nor an address');
  throw lookupFailed(domain, `no address of ${names} can be found`);
}

/** Those that may be used, with what proves them. */
async function proven(
  relays: readonly LocatedRelay[],
  domain: string,
  secure: boolean,
  { dane = 'off', resolver }: LocateOptions,
): Promise<readonly LocatedRelay[]> {
  if (dane === 'off') return relays;
  const results = await Promise.allSettled(
    relays.map(({ host, port }) => daneProofOf({ target: host, port }, secure, dane, resolver)),
  );
  const usable = relays.flatMap((relay, at) => {
    const result = results[at];
    if (result?.status !== 'fulfilled') return [];
    return [{ ...relay, ...(result.value === undefined ? {} : { dane: result.value }) }];
  });
  if (usable.length > 0) return usable;
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  const [first] = reasons;
  throw lookupFailed(domain, first instanceof Error ? first.message : String(first), first);
}

function located({ priority, weight, port, target }: SrvRecord, addresses: readonly string[]): LocatedRelay {
  return { transport: 'tcp', host: target, port, url: writeRelayUrl('tcp', target, port), addresses, priority, weight };
}

/** Whether a connection is to one of the relays. */
export function leadsTo(
  relays: readonly LocatedRelay[],
  { address, port }: { address: string; port: number },
): boolean {
  const own = canonicalAddress(address);
  return relays.some((relay) => relay.port === port && relay.addresses.some((one) => canonicalAddress(one) === own));
}

/**
 * Whether a peer is where a domain's records say that its relays are (core-01 §4.4.2 step 2).
 *
 * @param withPort whether the port must be that of the record, too
 * @throws TransportError LOOKUP_FAILED
 */
export async function locatedAt(
  domain: string,
  peer: { readonly address: string; readonly port: number },
  withPort: boolean,
  resolver: Resolver,
): Promise<boolean> {
  const records = await meshRecords(domain, resolver);
  const wanted = records.filter(({ target, port }) => target !== '.' && (!withPort || port === peer.port));
  const names = [...new Set(wanted.map(({ target }) => target))].slice(0, TARGETS);
  const results = await Promise.allSettled(names.map((name) => resolver.addresses(name)));
  const own = canonicalAddress(peer.address);
  const found = results.some(
    (result) => result.status === 'fulfilled' && result.value.some((address) => canonicalAddress(address) === own),
  );
  if (!found && results.some(({ status }) => status === 'rejected')) {
    throw lookupFailed(domain, 'the addresses of its relays cannot be looked up completely');
  }
  return found;
}

/** The records by which IMXP finds the relays of a domain. */
async function meshRecords(domain: string, resolver: Resolver): Promise<readonly SrvRecord[]> {
  for (const { labels } of servicesOf('mesh', [{ name: 'imxp' }])) {
    const { records } = await transient(resolver.srv(srvName(labels, domain)), domain);
    if (records.length > 0) return records;
  }
  return [];
}

function fullyQualified(domain: string): boolean {
  const last = domain.slice(domain.lastIndexOf('.') + 1);
  return domain.includes('.') && isIP(domain) === 0 && !/^\d+$/.test(last);
}

async function transient<Value>(asked: Promise<Value>, domain: string): Promise<Value> {
  try {
    return await asked;
  } catch (cause) {
    throw lookupFailed(domain, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function noRelay(domain: string, reply: Reply, why: string): ImxpError {
  return new RefusedError('NO_RELAY', reply, `${domain} has no relay: ${why}`);
}

function lookupFailed(domain: string, why: string, cause?: unknown): ImxpError {
  return new TransportError('LOOKUP_FAILED', `the relays of ${domain} cannot be looked up: ${why}`, {
    reply: UNAVAILABLE,
    cause,
  });
}

const ANY = new Set(['0.0.0.0', '::']);

/** Whether an address and port are among those where this node listens. */
function ownAddresses(listening: readonly HostPort[]): (address: string, port: number) => boolean {
  const interfaces = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
  const own = new Set(
    listening.flatMap(({ host, port }) =>
      (ANY.has(host) ? [...interfaces, ...ANY] : [host]).map((address) => `${canonicalAddress(address)} ${port}`),
    ),
  );
  return (address, port) => own.has(`${canonicalAddress(address)} ${port}`);
}
