/**
 * Certificate revocation lists (RFC 5280 §5): whether a list applies, whether it is genuine, and which certificates it
 * revokes.
 *
 * Strictness: a list past its nextUpdate refuses every certificate of its authority, because it is unknown which of
 * them are still good. An authority without a list is not checked.
 */
import { type KeyType, verify, type X509Certificate } from 'node:crypto';
import { LocalError } from '../../errors.js';
import { certificateFields } from './certificate.js';
import { DER, derElement, derExpect, derInside, derInteger, derOid, derTime } from './der.js';

/** Signature algorithms of lists: the type of key, and the digest node:crypto wants for them; MD5 is not among them. */
const ALGORITHMS: ReadonlyMap<string, { readonly type: KeyType; readonly digest: string | null }> = new Map([
  ['1.2.840.113549.1.1.5', { type: 'rsa', digest: 'sha1' }],
  ['1.2.840.113549.1.1.11', { type: 'rsa', digest: 'sha256' }],
  ['1.2.840.113549.1.1.12', { type: 'rsa', digest: 'sha384' }],
  ['1.2.840.113549.1.1.13', { type: 'rsa', digest: 'sha512' }],
  ['1.2.840.10045.4.3.2', { type: 'ec', digest: 'sha256' }],
  ['1.2.840.10045.4.3.3', { type: 'ec', digest: 'sha384' }],
  ['1.2.840.10045.4.3.4', { type: 'ec', digest: 'sha512' }],
  ['1.3.101.112', { type: 'ed25519', digest: null }],
]);

/** One authority's list. */
export class RevocationList {
  /** DER of the authority's name. */
  readonly issuer: Buffer;
  readonly thisUpdateMs: number;
  /** Undefined when the list does not say when the next one comes. */
  readonly nextUpdateMs: number | undefined;
  readonly #serials = new Set<string>();
  readonly #signed: Buffer;
  readonly #signature: Buffer;
  readonly #algorithm: string;

  /** @throws RemoteProtocolError TLS_FAILED when the octets are not a list in DER. */
  constructor(der: Buffer) {
    const [tbs, algorithm, signature] = derInside(derElement(der));
    const parts = derInside(tbs);
    if (parts[0]?.tag === DER.INTEGER) parts.shift();
    const [, issuer, thisUpdate, ...rest] = parts;
    const next = rest[0];
    this.issuer = derExpect(issuer, DER.SEQUENCE).raw;
    this.thisUpdateMs = derTime(thisUpdate);
    const dated = next?.tag === DER.UTC_TIME || next?.tag === DER.GENERALIZED_TIME;
    this.nextUpdateMs = dated ? derTime(next) : undefined;
    const revoked = rest.find((part) => part.tag === DER.SEQUENCE);
    for (const entry of revoked === undefined ? [] : derInside(revoked))
      this.#serials.add(derInteger(derInside(entry)[0]));
    this.#signed = derExpect(tbs, DER.SEQUENCE).raw;
    this.#algorithm = derOid(derInside(algorithm)[0]);
    this.#signature = derExpect(signature, DER.BIT_STRING).content.subarray(1);
  }

  /**
   * Reads a file: one list in DER, or any number in PEM.
   * @throws LocalError CONFIGURATION when there is none in it or one cannot be read.
   */
  static read(octets: Buffer): RevocationList[] {
    try {
      const text = octets.toString('latin1');
      if (!text.includes('-----BEGIN')) return [new RevocationList(octets)];
      const blocks = text.matchAll(/-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g);
      const lists = Array.from(blocks, ([, base64 = '']) => new RevocationList(Buffer.from(base64, 'base64')));
      if (lists.length > 0) return lists;
    } catch (cause) {
      throw new LocalError('CONFIGURATION', 'the revocation list cannot be read', { cause });
    }
    throw new LocalError('CONFIGURATION', 'the file contains no revocation list');
  }

  has(serial: string): boolean {
    return this.#serials.has(serial);
  }

  /** Serial numbers in it, in hexadecimal. */
  get serials(): readonly string[] {
    return [...this.#serials];
  }

  signedBy(authority: X509Certificate): boolean {
    const algorithm = ALGORITHMS.get(this.#algorithm);
    // node:crypto would verify by the type of the key, whatever the algorithm says.
    if (algorithm === undefined || authority.publicKey.asymmetricKeyType !== algorithm.type) return false;
    return verify(algorithm.digest, this.#signed, authority.publicKey, this.#signature);
  }
}

/**
 * Why the verified path (the peer's certificate first, the authority last) may not be used according to the lists, or
 * undefined when it may.
 */
export function revocationFault(
  path: readonly X509Certificate[],
  lists: readonly RevocationList[],
  nowMs: number,
): string | undefined {
  for (const [index, certificate] of path.entries()) {
    const { issuer, serial } = certificateFields(certificate);
    const authority = path[index + 1] ?? certificate;
    const applying = lists.filter((list) => list.issuer.equals(issuer) && list.signedBy(authority));
    if (applying.some((list) => list.has(serial))) return 'the certificate is revoked';
    const newest = Math.max(...applying.map((list) => list.nextUpdateMs ?? Number.POSITIVE_INFINITY));
    if (applying.length > 0 && newest < nowMs) {
      return `the revocation list of the certificate's authority ended at ${new Date(newest).toISOString()}`;
    }
  }
  return undefined;
}
