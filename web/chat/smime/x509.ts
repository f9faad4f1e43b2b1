/** As much of Node's X509Certificate as the S/MIME of the library uses. */
import type { KeyObject } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import { BasicConstraints, Certificate } from 'pkijs';
import { publicKey } from './keys.js';

const BASIC_CONSTRAINTS = '2.5.29.19';

export class X509Certificate {
  readonly raw: Buffer;
  readonly publicKey: KeyObject;
  readonly validFrom: string;
  readonly validTo: string;
  readonly ca: boolean;
  readonly #parsed: Certificate;

  constructor(der: Uint8Array) {
    this.raw = Buffer.from(der);
    const parsed = Certificate.fromBER(new Uint8Array(der));
    this.#parsed = parsed;
    this.publicKey = publicKey(parsed.subjectPublicKeyInfo);
    this.validFrom = parsed.notBefore.value.toUTCString();
    this.validTo = parsed.notAfter.value.toUTCString();
    const constraints: unknown = parsed.extensions?.find(({ extnID }) => extnID === BASIC_CONSTRAINTS)?.parsedValue;
    this.ca = constraints instanceof BasicConstraints && constraints.cA;
  }

  get fingerprint256(): string {
    return Array.from(sha256(this.raw), (octet) => octet.toString(16).padStart(2, '0').toUpperCase()).join(':');
  }

  /** Whether the names fit; whether the signature does, is verified apart. */
  checkIssued(issuer: X509Certificate): boolean {
    return this.#parsed.issuer.isEqual(issuer.#parsed.subject);
  }

  /** In PEM. */
  toString(): string {
    const base64 = this.raw.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
    return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
  }
}
