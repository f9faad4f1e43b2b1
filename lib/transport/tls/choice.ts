/**
 * Chooses the TLS stack for a ClientHello, by what the modern and the legacy contexts support. Pure. A peer that
 * offers anything modern gets the strict context and never one of the weak ones (message-service-01 §6.1, D-TLS-01).
 */
import type { ClientHello } from './client-hello.js';

/** A plain fatal alert's description (RFC 5246 §7.2), for a peer that is refused before any stack has seen it. */
export type RefusalAlert = 'handshake_failure' | 'protocol_version' | 'inappropriate_fallback';

export type TlsChoice =
  /** node:tls with the strict context. */
  | { readonly stack: 'modern' }
  /** node:tls with security level 0, for AES in TLS 1.0 and 1.1. */
  | { readonly stack: 'legacy-native' }
  /** node-forge, for TLS_RSA_WITH_3DES_EDE_CBC_SHA. */
  | { readonly stack: 'legacy-forge' }
  /** Our own handshake, for TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA. */
  | { readonly stack: 'legacy-dss' }
  | { readonly stack: 'refuse'; readonly reason: string; readonly alert: RefusalAlert };

const TLS_1_0 = 0x0301;
const TLS_1_1 = 0x0302;
const TLS_1_2 = 0x0303;
const TLS_1_3 = 0x0304;

/** The TLS 1.3 suites of RFC 8446 that the strict context has. */
const MODERN_1_3: ReadonlySet<number> = new Set([0x1301, 0x1302, 0x1303]);
/** Ephemeral key exchange with authenticated encryption, as the strict context has them. */
const MODERN_1_2: ReadonlySet<number> = new Set([
  // ECDHE_ECDSA, ECDHE_RSA and DHE_RSA with AES-128/256-GCM, then the same with ChaCha20-Poly1305.
  0xc02b, 0xc02c, 0xc02f, 0xc030, 0x009e, 0x009f, 0xcca9, 0xcca8, 0xccaa,
]);
/** AES suites that OpenSSL has at security level 0 for an RSA certificate: RSA, DHE_RSA and ECDHE_RSA with CBC. */
const LEGACY_AES: ReadonlySet<number> = new Set([0x002f, 0x0035, 0x0033, 0x0039, 0xc013, 0xc014]);
/** The same with SHA-2 or GCM, which exist from TLS 1.2 on. */
const LEGACY_AES_1_2: ReadonlySet<number> = new Set([0x003c, 0x003d, 0x0067, 0x006b, 0xc027, 0xc028, 0x009c, 0x009d]);

export const TLS_RSA_WITH_3DES_EDE_CBC_SHA = 0x000a;
export const TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA = 0x0013;

/** RFC 7507: a client sends it that offers less than it could, because something better has failed. */
export const TLS_FALLBACK_SCSV = 0x5600;

/**
 * @param legacy whether the operator allows the weak stacks (`tls.legacy`).
 * @param dss whether this side has a DSA certificate for them
 */
export function chooseStack(
  hello: ClientHello,
  { legacy, dss = false }: { readonly legacy: boolean; readonly dss?: boolean },
): TlsChoice {
  const offers = (suites: ReadonlySet<number>): boolean => hello.cipherSuites.some((suite) => suites.has(suite));
  if (accepts(hello, TLS_1_3) && offers(MODERN_1_3)) return { stack: 'modern' };
  if (accepts(hello, TLS_1_2) && offers(MODERN_1_2)) return { stack: 'modern' };
  if (hello.cipherSuites.includes(TLS_FALLBACK_SCSV) && !accepts(hello, TLS_1_2) && !accepts(hello, TLS_1_3)) {
    // RFC 7507 §3: this side supports a better version, so an attacker in between made the better attempt fail.
    const reason =
      'the peer fell back to an old version although this side supports a newer one: an attacker may have forced it';
    return { stack: 'refuse', reason, alert: 'inappropriate_fallback' };
  }
  const old = accepts(hello, TLS_1_0) || accepts(hello, TLS_1_1);
  const aes =
    ((old || accepts(hello, TLS_1_2)) && offers(LEGACY_AES)) || (accepts(hello, TLS_1_2) && offers(LEGACY_AES_1_2));
  const des = old && hello.cipherSuites.includes(TLS_RSA_WITH_3DES_EDE_CBC_SHA);
  const withDss = old && hello.cipherSuites.includes(TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA);
  if (legacy && aes) return { stack: 'legacy-native' };
  if (legacy && des) return { stack: 'legacy-forge' };
  if (legacy && withDss && dss) return { stack: 'legacy-dss' };
  return refusal(hello, aes || des || withDss);
}

function refusal(hello: ClientHello, possible: boolean): TlsChoice {
  // A peer with a version we have lacks the suites; one without lacks the version.
  const alert = accepts(hello, TLS_1_2) || accepts(hello, TLS_1_3) ? 'handshake_failure' : 'protocol_version';
  const reason = possible
    ? 'the peer offers only legacy versions or cipher suites, which the configuration does not allow'
    : 'the peer offers no version and cipher suite that this side supports';
  return { stack: 'refuse', reason, alert };
}

/** RFC 8446 §4.2.1: where the extension is, it alone counts; elsewhere the client takes its version and all before. */
function accepts(hello: ClientHello, version: number): boolean {
  if (hello.supportedVersions !== undefined) return hello.supportedVersions.includes(version);
  return version <= TLS_1_2 && version <= hello.legacyVersion;
}

/** The record to send before closing on a refused peer, so that it can tell its people why. */
export function refusalRecord(alert: RefusalAlert): Buffer {
  // Record type 21, version 3.1, two octets: fatal, description (RFC 5246 §7.2, RFC 7507 §3).
  const description = { handshake_failure: 40, protocol_version: 70, inappropriate_fallback: 86 }[alert];
  return Buffer.from([21, 3, 1, 0, 2, 2, description]);
}

/**
 * Whether the ClientHello is that of a Chromium browser. These abandon a WebSocket whose server asks for a certificate,
 * which a page could not show anyway. They are known by the reserved cipher suites that programs do not offer (RFC
 * 8701).
 */
export function isBrowser({ cipherSuites }: Pick<ClientHello, 'cipherSuites'>): boolean {
  return cipherSuites.some((suite) => (suite & 0x0f0f) === 0x0a0a && suite >> 8 === (suite & 0xff));
}
