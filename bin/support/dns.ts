/** What the DNS says about the relays of a domain, and whether they answer, as seen from outside. */
import { DEFAULT_LIMITS } from '../../lib/config/limits.js';
import { type RelayLocation, writeRelayUrl } from '../../lib/config/relay-url.js';
import type { NodeConfig } from '../../lib/config/schema.js';
import { ImxpError } from '../../lib/errors.js';
import { MESH_NAMING } from '../../lib/mesh/certificate.js';
import { tlsaName } from '../../lib/mesh/dns/dane.js';
import { EDGE_SERVICES, MESH_SERVICES, srvName } from '../../lib/mesh/dns/locate.js';
import { Resolver } from '../../lib/mesh/dns/resolver.js';
import { inOrder, notOffered, type SrvRecord } from '../../lib/mesh/dns/srv.js';
import { paint } from '../../lib/ops/terminal.js';
import { dial } from '../../lib/transport/dialer.js';
import { ProfileTable } from '../../lib/transport/profile.js';
import { isUsable, type TlsaRecord } from '../../lib/transport/tls/dane.js';
import { TlsService } from '../../lib/transport/tls/service.js';
import { EXIT } from './exit.js';
import { readGivenFile } from './files.js';
import { isUnknownCa } from './hints.js';
import { shownName } from './names.js';
import { table } from './output.js';

/** A domain needs one of each pair; missing records for APEX and those for any protocol are not reported. */
const MODES = [
  { services: MESH_SERVICES, missing: 'other relays cannot find this domain' },
  { services: EDGE_SERVICES, missing: 'endpoints must be given the URL of their relay' },
] as const;

/** Short time limits: enough for a relay that answers. */
const TIMEOUTS = { connectTimeoutMs: 5000, greetingTimeoutMs: 5000, tuningTimeoutMs: 5000 };
const LIMITS = { ...DEFAULT_LIMITS, session: { ...DEFAULT_LIMITS.session, ...TIMEOUTS } };

export interface AddressSeen {
  readonly address: string;
  readonly ok: boolean;
  readonly says: string;
}

export interface TargetSeen extends SrvRecord {
  readonly url: string;
  readonly addresses: readonly AddressSeen[];
  /** Why it has no addresses. */
  readonly problem?: string;
}

export interface ServiceSeen {
  readonly name: string;
  readonly ttlSeconds?: number;
  /** In the order in which they would be tried. */
  readonly targets: readonly TargetSeen[];
  readonly problem?: string;
}

export interface TlsaSeen {
  readonly name: string;
  /** Those that can prove a relay. */
  readonly records: readonly TlsaRecord[];
  readonly secure: boolean;
}

export interface DomainSeen {
  readonly domain: string;
  /** Whether relays that answer correctly were found for other relays and for endpoints. */
  readonly ok: boolean;
  readonly services: readonly ServiceSeen[];
}

export class Observer {
  readonly #resolver: Resolver;
  readonly #tls: TlsService;

  private constructor(servers: readonly string[], validating: readonly string[], authority: Buffer | undefined) {
    this.#resolver = new Resolver({ servers, validating });
    this.#tls = new TlsService({
      naming: MESH_NAMING,
      common: authority === undefined ? {} : { authority },
      domains: new Map(),
      revocations: [],
      timeoutMs: TIMEOUTS.tuningTimeoutMs,
    });
  }

  /**
   * @param config whose name servers and CA are used; without it those of the system
   * @param ca replaces the CA of the configuration
   */
  static async for(
    config: NodeConfig | undefined,
    nameServer: string | undefined,
    ca: string | undefined,
  ): Promise<Observer> {
    const authority = ca ?? config?.tls.authority;
    const servers = nameServer === undefined ? (config?.mesh.dns.servers ?? []) : [nameServer];
    return new Observer(
      servers,
      config?.mesh.dns.validating ?? [],
      authority === undefined ? undefined : await readGivenFile(authority, EXIT.CONFIGURATION, 'authority'),
    );
  }

  /** The TLSA records of a relay's port, and whether DNSSEC has validated them. @throws TransportError LOOKUP_FAILED */
  async tlsa(target: string, port: number): Promise<TlsaSeen> {
    const name = tlsaName(target, port);
    const { records, secure } = await this.#resolver.tlsa(name);
    return { name, records: records.filter(isUsable), secure };
  }

  async see(domain: string): Promise<DomainSeen> {
    const services: ServiceSeen[] = [];
    let ok = true;
    for (const mode of MODES) {
      const seen: ServiceSeen[] = [];
      for (const { labels } of mode.services) seen.push(await this.#service(domain, labels, mode.missing));
      ok &&= seen.some(works);
      const some = seen.filter(({ targets }) => targets.length > 0);
      services.push(...(some.length > 0 ? some : seen.slice(0, 1)));
    }
    return { domain, ok, services };
  }

  async #service(domain: string, labels: string, missing: string): Promise<ServiceSeen> {
    const name = srvName(labels, domain);
    try {
      const { records, ttlSeconds } = await this.#resolver.srv(name);
      if (records.length === 0) return { name, ttlSeconds, targets: [], problem: `no SRV record: ${missing}` };
      if (notOffered(records))
        return { name, ttlSeconds, targets: [], problem: 'the domain declares that it has no such service' };
      const targets = inOrder(records).map((record) => this.#target(domain, record));
      return { name, ttlSeconds, targets: await Promise.all(targets) };
    } catch (error) {
      return { name, targets: [], problem: describe(error) };
    }
  }

  async #target(domain: string, record: SrvRecord): Promise<TargetSeen> {
    const { target, port } = record;
    const url = writeRelayUrl('tcp', target, port);
    try {
      const addresses = await this.#resolver.addresses(target);
      const seen = await Promise.all(addresses.map((address) => this.#address(domain, address, port)));
      return { ...record, url, addresses: seen, ...(seen.length === 0 ? { problem: 'has no address' } : {}) };
    } catch (error) {
      return { ...record, url, addresses: [], problem: describe(error) };
    }
  }

  /** Exchanges greetings and starts TLS, as a neighbour would. */
  async #address(domain: string, address: string, port: number): Promise<AddressSeen> {
    const url = writeRelayUrl('tcp', address, port);
    const { ok, says } = await this.reach({ transport: 'tcp', host: address, port, url }, domain, 'require');
    return { address, ok, says };
  }

  /** Exchanges greetings with a relay, starts TLS as asked for, and takes leave. */
  async reach(
    relay: RelayLocation,
    domain: string,
    tls: 'off' | 'prefer' | 'require',
  ): Promise<{ readonly ok: boolean; readonly says: string; readonly error?: ImxpError }> {
    try {
      const connection = await dial({
        relays: [relay],
        domain,
        tls,
        service: this.#tls,
        profiles: new ProfileTable([]),
        limits: LIMITS,
        owner: { ended: () => {} },
      });
      const { security } = connection;
      await connection.release();
      if (security === undefined) return { ok: true, says: 'answers without TLS' };
      const proof = tls === 'require' ? `; its certificate names ${domain}` : '';
      return { ok: true, says: `answers with ${security.protocol}${proof}` };
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
      return { ok: false, says: describe(error), error };
    }
  }
}

function works({ targets }: ServiceSeen): boolean {
  return targets.some(({ addresses }) => addresses.some(({ ok }) => ok));
}

function describe(error: unknown): string {
  if (error instanceof ImxpError) return isUnknownCa(error) ? `${error.message}; name its CA with --ca` : error.message;
  throw error;
}

/** Formats the result for display. */
export function seenText({ domain, services }: DomainSeen): string {
  const rows = services.flatMap(({ name, ttlSeconds, targets, problem }): string[][] => [
    [`  ${name}`, problem === undefined ? `for ${ttlSeconds} s` : paint('yellow', problem)],
    ...targets.flatMap((target) => [
      [`    ${target.url}`, target.problem === undefined ? order(target) : paint('red', target.problem)],
      ...target.addresses.map(({ address, ok, says }) => [`      ${address}`, paint(ok ? 'green' : 'red', says)]),
    ]),
  ]);
  return `${shownName(domain)}\n${table(rows)}`;
}

function order({ priority, weight }: SrvRecord): string {
  return `priority ${priority}, weight ${weight}`;
}
