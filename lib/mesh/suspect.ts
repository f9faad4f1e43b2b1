/**
 * Suspects the cause of a failed link, for the operator who has to act on it: a certificate of either side, a clock, or
 * the address. Pure.
 */
import type { ImxpError } from '../errors.js';

/** What is known of this side's certificate. */
export interface OwnCertificate {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const CLOCK_OR = 'or the clock of this machine is wrong';

/** By the verdict of the TLS stack about the neighbour's certificate: names of OpenSSL, and texts of our own checks. */
const VERDICTS: readonly (readonly [pattern: RegExp, suspect: string])[] = [
  [/^CERT_HAS_EXPIRED$|expired/, `the neighbour has not renewed its certificate, ${CLOCK_OR}`],
  [/^CERT_NOT_YET_VALID$|not valid before/, `the clock of this machine is behind, or that of the neighbour's CA ahead`],
  [/^CERT_REVOKED$|revoked/, "the neighbour's certificate was revoked: ask its operator"],
  [/^(?:SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_)/, "the CA of the neighbour's certificate is missing in tls.authority"],
  [
    /TLSA/,
    'the neighbour has a new certificate or key whose TLSA record is not published yet, or another relay answers there',
  ],
  [/does not name the domain/, 'another relay answers there, or its certificate is for other domains'],
];

/** What a neighbour answers that does not accept this side's certificate. */
const UNPROVEN: ReadonlySet<string> = new Set(['SASL_NO_MECHANISM', 'SASL_REFUSED', 'CONNECTION_LOST', 'TLS_FAILED']);

/**
 * @param own undefined where this side has no certificate
 * @returns undefined when the error says it all
 */
export function suspectOf(
  { code, fields, message }: ImxpError,
  own: OwnCertificate | undefined,
  nowMs: number,
): string | undefined {
  if (code === 'TLS_FAILED' && fields['certificate'] === true) {
    const reason = String(fields['reason']);
    return VERDICTS.find(([pattern]) => pattern.test(reason))?.[1];
  }
  if (own !== undefined && UNPROVEN.has(code)) {
    if (nowMs > own.notAfterMs) return `the certificate of this node expired on ${day(own.notAfterMs)}, ${CLOCK_OR}`;
    if (nowMs < own.notBeforeMs) {
      return `the certificate of this node is not valid before ${day(own.notBeforeMs)}, ${CLOCK_OR}`;
    }
  }
  switch (code) {
    case 'TLS_FAILED':
      return /alert.*(?:certificate|unknown ca)/i.test(message)
        ? "the neighbour does not accept this node's certificate: its CA is not trusted there, or its clock is wrong"
        : undefined;
    case 'SASL_NO_MECHANISM':
      return own === undefined
        ? 'the neighbour wants a certificate or a password: tls.certificate, or credentials in mesh.routes'
        : "the neighbour does not trust the CA of this node's certificate, its clock is wrong, or it wants a password";
    case 'SASL_REFUSED':
      return 'the password differs, or the neighbour has no account for this relay';
    case 'CONNECT_FAILED':
      return 'the neighbour does not run, a firewall is between, or mesh.routes names another host or port';
    default:
      return undefined;
  }
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
