/** Reads the certificates in a PEM file; OpenSSL reads the older labels as well. */
import { X509Certificate } from 'node:crypto';

const PEM = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;

/** @throws Error if one cannot be read */
export function certificatesIn(pem: string | Buffer): X509Certificate[] {
  return (pem.toString().match(PEM) ?? []).map((block) => new X509Certificate(block));
}
