/**
 * Authorities that chains are verified against where OpenSSL does not do it: those of a PEM file, or Node's bundled
 * list.
 */
import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';

/** Node's bundled list, parsed when it is first needed. */
let bundled: readonly X509Certificate[] | undefined;

/** The certificates in a PEM text, as PEM texts of their own. */
export function pemCertificates(text: string | Buffer | undefined): string[] {
  const found = (text ?? '').toString().match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  return found === null ? [] : [...found];
}

/**
 * @param authority PEM; undefined for Node's bundled list
 * @throws Error when a certificate cannot be read
 */
export function trustedAuthorities(authority: string | Buffer | undefined): readonly X509Certificate[] {
  if (authority !== undefined) return pemCertificates(authority).map((pem) => new X509Certificate(pem));
  bundled ??= rootCertificates.map((pem) => new X509Certificate(pem));
  return bundled;
}
