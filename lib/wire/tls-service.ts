/**
 * The TLS of this node: which certificate for which name, which authority, which stack. Holds the material and can be
 * given new material while running; knows nothing of BEEP.
 */
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import { LocalError } from '../errors.js';
import { strictContext, TlsAcceptor, type TlsMaterial, upgradeClient } from './native-tls.js';
import type { RevocationList } from './revocation.js';
import type { SecuredStream } from './secured-stream.js';

export interface TlsServiceOptions {
  /** The material for names not listed in `domains`; without a certificate this side cannot be a TLS server for them. */
  readonly common: TlsMaterial;
  /** Material for single server names. */
  readonly domains: ReadonlyMap<string, TlsMaterial>;
  readonly revocations: readonly RevocationList[];
  readonly timeoutMs: number;
}

export class TlsService {
  #options: TlsServiceOptions;
  #acceptors = new Map<string, TlsAcceptor>();
  #client: SecureContextOptions | undefined;

  constructor(options: TlsServiceOptions) {
    this.#options = options;
  }

  /** Takes new material; sessions that exist keep theirs. */
  replace(options: TlsServiceOptions): void {
    this.#options = options;
    this.#acceptors = new Map();
    this.#client = undefined;
  }

  /** How long one handshake may take. */
  get timeoutMs(): number {
    return this.#options.timeoutMs;
  }

  /** Whether this side has a certificate to be a server with. */
  get canServe(): boolean {
    const { common, domains } = this.#options;
    return common.certificate !== undefined || domains.size > 0;
  }

  /** Makes all contexts now, so that unusable material is found at the start. @throws LocalError CONFIGURATION */
  verify(): void {
    if (this.canServe) this.#acceptor('');
    for (const name of this.#options.domains.keys()) this.#acceptor(name);
  }

  /**
   * The server's side of a handshake.
   *
   * @param serverName the name the peer asked for; it chooses the certificate
   */
  accept(stream: Duplex, serverName: string | undefined, signal: AbortSignal): Promise<SecuredStream> {
    return this.#acceptor(serverName ?? '').upgrade(stream, { signal });
  }

  /**
   * The client's side: the server's certificate must be good and name the relay of the domain.
   *
   * @param lenient take a server that cannot be verified, for privacy without proof
   */
  connect(stream: Duplex, domain: string, lenient = false): Promise<SecuredStream> {
    this.#client ??= strictContext(this.#options.common);
    return upgradeClient(stream, {
      context: this.#client,
      domain,
      allowUnauthorized: lenient,
      revocations: () => this.#options.revocations,
      signal: AbortSignal.timeout(this.#options.timeoutMs),
    });
  }

  #acceptor(serverName: string): TlsAcceptor {
    const { common, domains } = this.#options;
    const own = domains.get(serverName.toLowerCase());
    const key = own === undefined ? '' : serverName.toLowerCase();
    let acceptor = this.#acceptors.get(key);
    if (acceptor === undefined) {
      const material = own ?? (common.certificate === undefined ? domains.values().next().value : common);
      if (material === undefined) throw new LocalError('CONFIGURATION', 'no certificate is configured');
      acceptor = new TlsAcceptor({
        context: strictContext(material),
        clientCertificate: 'request',
        revocations: () => this.#options.revocations,
      });
      this.#acceptors.set(key, acceptor);
    }
    return acceptor;
  }
}
