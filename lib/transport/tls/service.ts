/**
 * TLS of a node or an application: chooses certificate, authorities and stack for each peer. Its certificates can be
 * replaced while it runs.
 */
import { X509Certificate } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { LocalError, RemoteProtocolError } from '../../errors.js';
import { withTimeLimit } from '../deadline.js';
import type { NetworkAddress } from '../network.js';
import type { ServerNaming } from './certificate.js';
import { chooseStack, isBrowser, refusalRecord } from './choice.js';
import type { ClientHello } from './client-hello.js';
import type { DaneProof } from './dane.js';
import { HandshakeGate } from './handshake-gate.js';
import { ForgeAcceptor, upgradeForgeClient } from './legacy.js';
import type { LegacySuite } from './legacy-handshake.js';
import { clientContext, legacyContext, strictContext, TlsAcceptor, type TlsMaterial, upgradeClient } from './native.js';
import { ResumableSessions } from './resumption.js';
import type { RevocationList } from './revocation.js';
import type { SecuredStream } from './secured-stream.js';

/** `modern`: TLS 1.2 and 1.3; `legacy-native`: TLS 1.0 and 1.1 with AES; `legacy-forge` and `legacy-dss`: the same with 3DES. */
export type TlsStack = 'modern' | 'legacy-native' | 'legacy-forge' | 'legacy-dss';

export interface TlsServiceOptions {
  /** The material for names not listed in `domains`; without a certificate this side cannot be a TLS server for them. */
  readonly common: TlsMaterial;
  /** Material for single server names. */
  readonly domains: ReadonlyMap<string, TlsMaterial>;
  readonly revocations: readonly RevocationList[];
  /** How long one handshake may take. */
  readonly timeoutMs: number;
  /** Whether the stacks of the year 2000 are used for peers that have nothing better; off unless told. */
  readonly legacy?: boolean;
  /** A DSA certificate, for peers that have nothing but TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA. */
  readonly dss?: TlsMaterial;
  /** How certificates name servers; by default as hosts. */
  readonly naming?: ServerNaming;
}

/** Does the server's handshakes of one stack with one certificate. */
interface Acceptor {
  upgrade(stream: Duplex, options: { readonly signal: AbortSignal }): Promise<SecuredStream>;
}

export class TlsService {
  #options: TlsServiceOptions;
  #acceptors = new Map<string, Acceptor>();
  #contexts = new Map<TlsStack, SecureContext>();
  #sessions = new ResumableSessions();
  /** The JavaScript stack computes on the only thread: few at a time. */
  readonly #gate = new HandshakeGate();

  constructor(options: TlsServiceOptions) {
    this.#options = options;
  }

  /** Takes new material; sessions that exist keep theirs, and none of them can be resumed (D-TLS-04). */
  replace(options: TlsServiceOptions): void {
    this.#options = options;
    this.#acceptors = new Map();
    this.#contexts = new Map();
    this.#sessions = new ResumableSessions();
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

  /** Whether it has one to show as a client. */
  get hasCertificate(): boolean {
    return this.#own.certificate !== undefined;
  }

  /** When the certificate that it shows as a client is valid. */
  get ownValidity(): { readonly notBeforeMs: number; readonly notAfterMs: number } | undefined {
    const { certificate } = this.#own;
    if (certificate === undefined) return undefined;
    const { validFrom, validTo } = new X509Certificate(certificate);
    return { notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) };
  }

  /** What this side shows as a client: the common certificate, else that of the first domain. */
  get #own(): TlsMaterial {
    const { common, domains } = this.#options;
    const [first] = domains.values();
    return common.certificate === undefined ? { ...common, ...first } : common;
  }

  /**
   * The stacks to try as a client, best first, each on a new connection: a client cannot see what a server can do before
   * the handshake fails.
   */
  get clientStacks(): readonly TlsStack[] {
    return this.#options.legacy === true ? ['modern', 'legacy-native', 'legacy-forge', 'legacy-dss'] : ['modern'];
  }

  /** Makes all contexts now, so that unusable material is found at the start. @throws LocalError CONFIGURATION */
  verify(): void {
    const stacks = this.clientStacks.filter((stack) => stack !== 'legacy-dss' || this.#options.dss !== undefined);
    for (const stack of stacks) {
      if (this.canServe) this.#acceptor('', stack);
      for (const name of this.#options.domains.keys()) this.#acceptor(name, stack);
    }
  }

  /**
   * The server's side of a handshake, by the stack that suits the ClientHello (which must be unread again).
   *
   * @param serverName the name the peer asked for; it chooses the certificate
   * @throws RemoteProtocolError TLS_FAILED, TransportError TLS_FAILED | TIMED_OUT; the stream is destroyed then
   */
  async accept(
    stream: Duplex,
    hello: ClientHello,
    serverName: string | undefined,
    signal: AbortSignal,
  ): Promise<SecuredStream> {
    const choice = chooseStack(hello, {
      legacy: this.#options.legacy === true,
      dss: this.#options.dss !== undefined,
    });
    if (choice.stack === 'refuse') {
      await writeAndEnd(stream, refusalRecord(choice.alert), signal);
      throw new RemoteProtocolError('TLS_FAILED', choice.reason);
    }
    const acceptor = this.#acceptor(serverName ?? hello.serverName ?? '', choice.stack, !isBrowser(hello));
    return acceptor.upgrade(stream, { signal });
  }

  /**
   * The client's side: the server's certificate must be good and name the server of the domain.
   *
   * @param lenient take a server that cannot be verified, for privacy without proof
   * @param remote where the server is: the last session with it and the domain is resumed if possible
   * @param dane what proves the server instead of an authority; for the stack `modern`
   * @throws LocalError CONFIGURATION when this side's certificate, key or authority is not usable
   */
  async connect(
    stream: Duplex,
    domain: string,
    lenient = false,
    stack: TlsStack = 'modern',
    remote?: NetworkAddress,
    dane?: DaneProof,
  ): Promise<SecuredStream> {
    const { revocations, timeoutMs, naming } = this.#options;
    const own = this.#own;
    const options = {
      domain,
      allowUnauthorized: lenient,
      revocations: () => revocations,
      ...(naming === undefined ? {} : { naming }),
    };
    if (stack === 'legacy-forge' || stack === 'legacy-dss') {
      const material = { ...suiteOf(stack), material: own, gate: this.#gate };
      return await withTimeLimit(timeoutMs, (signal) =>
        upgradeForgeClient(stream, { ...options, ...material, signal }),
      );
    }
    const context = this.#contextOf(stack, own);
    const resumption =
      stack === 'modern' && remote !== undefined
        ? { resumption: { sessions: this.#sessions, server: serverKey(domain, remote) } }
        : {};
    return await withTimeLimit(timeoutMs, (signal) =>
      upgradeClient(stream, { ...options, ...resumption, ...(dane === undefined ? {} : { dane }), context, signal }),
    );
  }

  /** A session with the server was of no use, so the next one begins with a full handshake. */
  forget(domain: string, remote: NetworkAddress): void {
    this.#sessions.forget(serverKey(domain, remote));
  }

  #contextOf(stack: 'modern' | 'legacy-native', own: TlsMaterial): SecureContext {
    let context = this.#contexts.get(stack);
    if (context === undefined) {
      context = clientContext(stack === 'modern' ? strictContext(own) : legacyContext(own, 'client'));
      this.#contexts.set(stack, context);
    }
    return context;
  }

  /** @param asks for the client's certificate */
  #acceptor(serverName: string, stack: TlsStack, asks = true): Acceptor {
    const { common, domains } = this.#options;
    const own = domains.get(serverName.toLowerCase());
    const key = `${stack} ${asks} ${own === undefined ? '' : serverName.toLowerCase()}`;
    let acceptor = this.#acceptors.get(key);
    if (acceptor === undefined) {
      const material = own ?? (common.certificate === undefined ? domains.values().next().value : common);
      if (material === undefined) throw new LocalError('CONFIGURATION', 'no certificate is configured');
      acceptor = this.#newAcceptor(material, stack, asks);
      this.#acceptors.set(key, acceptor);
    }
    return acceptor;
  }

  #newAcceptor(material: TlsMaterial, stack: TlsStack, asks: boolean): Acceptor {
    const clientCertificate = asks ? 'request' : 'none';
    const { naming } = this.#options;
    const options = {
      clientCertificate,
      revocations: () => this.#options.revocations,
      ...(naming === undefined ? {} : { naming }),
    } as const;
    if (stack === 'legacy-forge' || stack === 'legacy-dss') {
      const { authority } = material;
      const dss = { ...this.#options.dss, ...(authority === undefined ? {} : { authority }) };
      const own = stack === 'legacy-dss' ? dss : material;
      return new ForgeAcceptor({ ...options, ...suiteOf(stack), material: own, gate: this.#gate });
    }
    const context = stack === 'modern' ? strictContext(material) : legacyContext(material, 'server');
    return new TlsAcceptor({ ...options, context });
  }
}

function serverKey(domain: string, { address, port }: NetworkAddress): string {
  return `${domain.toLowerCase()} ${address} ${port}`;
}

function suiteOf(stack: 'legacy-forge' | 'legacy-dss'): { readonly suite?: LegacySuite } {
  return stack === 'legacy-dss' ? { suite: 'TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA' } : {};
}

/** How long a peer that was refused may take to read why. */
const ALERT_MS = 2000;

/** Sends the last octets and waits until they are read: an abort of the connection would overtake them. */
function writeAndEnd(stream: Duplex, octets: Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', settle);
      stream.destroy();
      resolve();
    };
    const timer = setTimeout(settle, ALERT_MS);
    signal.addEventListener('abort', settle);
    stream.on('error', settle);
    stream.once('end', settle);
    stream.once('close', settle);
    stream.end(octets);
    stream.resume();
  });
}
