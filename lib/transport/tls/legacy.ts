/**
 * Upgrades a stream to the cipher suite of the year 2000, on either side, with the interface of `native.ts`. Verifies the
 * peer (authority, time, purpose, name, revocation, of which node-forge checks too little) and limits how many handshakes
 * run at once.
 */
import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { LocalError } from '../../errors.js';
import { pemCertificates, trustedAuthorities } from './authorities.js';
import { type ChainRules, certificateNames, HOST_NAMING, type ServerNaming, verifyChain } from './certificate.js';
import { ForgeTlsStream } from './forge-connection.js';
import { loadForge } from './forge-library.js';
import { HandshakeGate } from './handshake-gate.js';
import type { ChainRefusal, HandshakeOptions, LegacySuite } from './legacy-handshake.js';
import type { TlsMaterial, UpgradeOptions } from './native.js';
import { ALERT } from './record.js';
import { type RevocationList, revocationFault } from './revocation.js';
import { type SecuredStream, settled } from './secured-stream.js';

const RSA: LegacySuite = 'TLS_RSA_WITH_3DES_EDE_CBC_SHA';
const DSS: LegacySuite = 'TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA';

/** One for the process: the thread the handshakes block is one as well. */
const GATE = new HandshakeGate();
/** A handshake holds its place in the gate while it waits for the peer, so it never may wait for ever. */
const HANDSHAKE_MS = 30_000;

/** This side's credentials, read once. */
interface Credentials {
  readonly certificates: readonly string[];
  readonly key?: KeyObject;
  readonly authorities: readonly X509Certificate[];
}

export interface ForgeAcceptorOptions {
  /** By default that with RSA key exchange. */
  readonly suite?: LegacySuite;
  readonly material: TlsMaterial;
  /** As in {@link AcceptorOptions}. */
  readonly clientCertificate?: 'none' | 'request' | 'require';
  /** How certificates name servers; by default as hosts. */
  readonly naming?: ServerNaming;
  readonly revocations?: () => readonly RevocationList[];
  readonly gate?: HandshakeGate;
}

/** The server's side, for any number of connections. */
export class ForgeAcceptor {
  readonly #options: ForgeAcceptorOptions;
  readonly #credentials: Credentials;

  /** @throws LocalError CONFIGURATION when certificate, key or authority are not usable; only RSA keys are. */
  constructor(options: ForgeAcceptorOptions) {
    this.#options = options;
    this.#credentials = credentials(options.material, options.suite === DSS ? 'dsa' : 'rsa');
    if (this.#credentials.key === undefined) throw new LocalError('CONFIGURATION', 'a TLS server needs a certificate');
    // At the start, so that no handshake has to wait; the first one reports what may be wrong.
    loadForge().catch(() => {});
  }

  /**
   * Does the server's handshake. The ClientHello must be in one record (`ClientHello.joined`) or may be split: both work.
   * @throws RemoteProtocolError TLS_FAILED, TransportError TLS_FAILED | TIMED_OUT | CLOSED | BUSY; the stream is then
   * destroyed.
   */
  upgrade(stream: Duplex, { signal }: UpgradeOptions = {}): Promise<SecuredStream> {
    const { suite = RSA, clientCertificate = 'none', naming = HOST_NAMING, revocations, gate } = this.#options;
    const rules: ChainVerifierRules = {
      naming,
      purpose: 'initiator',
      asked: clientCertificate !== 'none',
      required: clientCertificate === 'require',
    };
    const verifier = new ChainVerifier(this.#credentials, rules, revocations);
    return gated(stream, gate, signal, verifier, {
      ...this.#credentials,
      suite,
      role: 'server',
      clientCertificate,
    });
  }
}

export interface ForgeClientUpgrade extends UpgradeOptions {
  /** By default that with RSA key exchange. */
  readonly suite?: LegacySuite;
  readonly material: TlsMaterial;
  /** The domain whose server it must be. */
  readonly domain: string;
  readonly revocations?: () => readonly RevocationList[];
  /** True: a server that cannot be verified is accepted, and the result says so. */
  readonly allowUnauthorized?: boolean;
  /** How certificates name servers; by default as hosts. */
  readonly naming?: ServerNaming;
  /** TLS 1.1 unless told. */
  readonly maxVersion?: 'TLSv1' | 'TLSv1.1';
  readonly gate?: HandshakeGate;
}

/**
 * Does the client's handshake, offering the one suite.
 * @throws RemoteProtocolError TLS_FAILED, TransportError TLS_FAILED | TIMED_OUT | CLOSED | BUSY; the stream is then
 * destroyed.
 * @throws LocalError CONFIGURATION when the material is not usable.
 */
export async function upgradeForgeClient(stream: Duplex, options: ForgeClientUpgrade): Promise<SecuredStream> {
  const { suite = RSA, material, domain, naming = HOST_NAMING, revocations, maxVersion, gate, signal } = options;
  const own = credentials(material, 'rsa', 'dsa');
  const required = options.allowUnauthorized !== true;
  const rules: ChainVerifierRules = { naming, purpose: 'server', asked: true, required, domain };
  const verifier = new ChainVerifier(own, rules, revocations);
  return gated(stream, gate, signal, verifier, {
    ...own,
    suite,
    role: 'client',
    clientCertificate: 'none',
    ...(domain.includes('.') ? { serverName: domain } : {}),
    ...(maxVersion === undefined ? {} : { maxVersion }),
  });
}

async function gated(
  stream: Duplex,
  gate: HandshakeGate | undefined,
  signal: AbortSignal | undefined,
  verifier: ChainVerifier,
  options: Omit<HandshakeOptions, 'verify'>,
): Promise<SecuredStream> {
  // While it waits for its turn there is no other listener for the stream's errors.
  const ignore = (): void => {};
  stream.on('error', ignore);
  try {
    const limit = signal ?? AbortSignal.timeout(HANDSHAKE_MS);
    return await (gate ?? GATE).run(async () => {
      await loadForge();
      return handshake(stream, limit, verifier, options);
    }, limit);
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    if (!stream.destroyed) stream.off('error', ignore);
  }
}

function handshake(
  stream: Duplex,
  signal: AbortSignal,
  verifier: ChainVerifier,
  options: Omit<HandshakeOptions, 'verify'>,
): Promise<SecuredStream> {
  return settled(stream, signal, (done, fail) => {
    const tls = new ForgeTlsStream(stream, { ...options, verify: (chain) => verifier.verify(chain) });
    tls.on('error', fail);
    tls.once('secure', () => {
      tls.off('error', fail);
      done(securedBy(tls, verifier));
    });
  });
}

function securedBy(tls: ForgeTlsStream, verifier: ChainVerifier): SecuredStream {
  const [certificate] = tls.peerCertificate;
  const reason = verifier.reason(certificate);
  return {
    stream: tls,
    protocol: tls.protocol ?? 'unknown',
    cipher: tls.cipher,
    ...(certificate === undefined ? {} : { peerCertificate: certificate }),
    authorized: certificate !== undefined && reason === undefined,
    ...(reason === undefined ? {} : { reason }),
  };
}

interface ChainVerifierRules {
  readonly naming: ServerNaming;
  readonly purpose: ChainRules['purpose'];
  /** Whether the peer was to show a chain. */
  readonly asked: boolean;
  /** Whether a chain that is not good ends the handshake. */
  readonly required: boolean;
  readonly domain?: string;
}

/** Judges one peer's chain and remembers what it found. */
class ChainVerifier {
  readonly #credentials: Credentials;
  readonly #rules: ChainVerifierRules;
  readonly #revocations: (() => readonly RevocationList[]) | undefined;
  #refusal: ChainRefusal | undefined;

  constructor(own: Credentials, rules: ChainVerifierRules, revocations?: () => readonly RevocationList[]) {
    this.#credentials = own;
    this.#rules = rules;
    this.#revocations = revocations;
  }

  /** For the handshake: a refusal ends it. */
  verify(chain: readonly Buffer[]): ChainRefusal | undefined {
    this.#refusal = this.#refusalOf(chain);
    return this.#rules.required ? this.#refusal : undefined;
  }

  /** Afterwards: why a peer that may stay is not authorized. */
  reason(certificate: Buffer | undefined): string | undefined {
    return certificate === undefined && this.#rules.asked ? 'no certificate' : this.#refusal?.reason;
  }

  #refusalOf(chain: readonly Buffer[]): ChainRefusal | undefined {
    const nowMs = Date.now();
    const path = verifyChain(chain, {
      authorities: this.#credentials.authorities,
      purpose: this.#rules.purpose,
      naming: this.#rules.naming,
      nowMs,
    });
    if (typeof path === 'string') return { alert: alertFor(path), reason: path };
    const [certificate] = path;
    const { domain, naming } = this.#rules;
    if (domain !== undefined && (certificate === undefined || !naming.names(certificateNames(certificate), domain))) {
      return { alert: ALERT.BAD_CERTIFICATE, reason: 'the certificate does not name the domain' };
    }
    const revoked = revocationFault(path, this.#revocations?.() ?? [], nowMs);
    return revoked === undefined ? undefined : { alert: ALERT.CERTIFICATE_REVOKED, reason: revoked };
  }
}

function alertFor(reason: string): number {
  if (reason.includes('expired')) return ALERT.CERTIFICATE_EXPIRED;
  if (reason.includes('known authority')) return ALERT.UNKNOWN_CA;
  return reason.includes('not for a TLS') ? ALERT.UNSUPPORTED_CERTIFICATE : ALERT.BAD_CERTIFICATE;
}

function credentials({ certificate, key, authority }: TlsMaterial, ...types: readonly ('rsa' | 'dsa')[]): Credentials {
  try {
    const certificates = pemCertificates(certificate);
    const own = key === undefined ? undefined : createPrivateKey(key);
    if (own !== undefined && !types.some((type) => type === own.asymmetricKeyType)) {
      throw new Error(
        `the legacy suite needs a key of type ${types.join(' or ').toUpperCase().replace(' OR ', ' or ')}; "imxp certs --key rsa" makes one`,
      );
    }
    return {
      certificates,
      ...(own === undefined || certificates.length === 0 ? {} : { key: own }),
      authorities: trustedAuthorities(authority),
    };
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new LocalError('CONFIGURATION', `certificate, key or authority is not usable for legacy TLS: ${text}`, {
      cause,
    });
  }
}
