/**
 * How an endpoint comes to its relay from a machine: over TCP or WebSocket, with TLS, found by the DNS. The build for
 * browsers puts `web/dialling.ts` in the place of this file; nothing else of the library opens connections.
 */

import type { Limits } from '../config/limits.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import { MESH_NAMING } from '../mesh/certificate.js';
import { locate, servicesOf } from '../mesh/dns/locate.js';
import { Resolver } from '../mesh/dns/resolver.js';
import type { Connection } from '../transport/connection.js';
import { type DialOptions, type DialTarget, dial } from '../transport/dialer.js';
import { TlsService } from '../transport/tls/service.js';
import type { EndpointSettings } from './options.js';

/** What of {@link DialOptions} is not a matter of the way there. */
export type Dialled = Omit<DialOptions, 'service' | 'limits' | 'domain' | 'tls'>;

export class Dialling {
  readonly #settings: EndpointSettings;
  readonly #limits: Limits;
  readonly #dialect: Dialect;
  readonly #service: TlsService;
  readonly #resolver: Resolver;

  constructor(settings: EndpointSettings, limits: Limits, dialect: Dialect) {
    this.#settings = settings;
    this.#limits = limits;
    this.#dialect = dialect;
    this.#resolver = new Resolver({ servers: settings.nameServers });
    this.#service = new TlsService({
      naming: MESH_NAMING,
      common: { ...settings.own, ...(settings.ca === undefined ? {} : { authority: settings.ca }) },
      domains: new Map(),
      revocations: [],
      timeoutMs: limits.session.tuningTimeoutMs,
      legacy: settings.legacyTls,
    });
  }

  /** Looked up again for each connection: the domain may have moved. */
  async relays(): Promise<readonly DialTarget[]> {
    const { domain, relays } = this.#settings;
    if (relays.length > 0) return relays;
    return locate(domain, { resolver: this.#resolver, services: servicesOf('edge', [this.#dialect]) });
  }

  dial(dialled: Dialled): Promise<Connection> {
    const { domain, tls } = this.#settings;
    return dial({ ...dialled, domain, tls, service: this.#service, limits: this.#limits });
  }
}
