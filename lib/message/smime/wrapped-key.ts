/** A content key within an enveloped message, wrapped for one recipient. */
import type { KeyObject } from 'node:crypto';
import { IssuerAndSerialNumber } from 'pkijs';
import { type AsnType, OctetString, octetsIn, Sequence } from './asn1.js';
import type { Certificate } from './certificate.js';
import { guarded, invalidSecured } from './fault.js';
import type { Work } from './work.js';

export interface WrappedKey {
  isFor(certificate: Certificate): boolean;
  /**
   * Unwraps the content key.
   *
   * @param length the required length
   * @returns a random key if there is none inside (RFC 3218 §2.3.2) or the algorithm is not supported
   */
  unwrapped(key: KeyObject, length: number): Work<Buffer>;
}

/** RFC 5652 §6.2.1: names a recipient by the issuer and the serial number of its certificate. */
export function recipientIdOf({ parsed: { issuer, serialNumber } }: Certificate): AsnType {
  return new IssuerAndSerialNumber({ issuer, serialNumber }).toSchema();
}

/**
 * Whether an identifier names a certificate.
 *
 * @param id issuer and serial number, or the identifier of its key
 * @throws RemoteProtocolError SMIME_INVALID
 */
export function identifies(id: AsnType | undefined, certificate: Certificate): boolean {
  if (id instanceof Sequence) {
    const { issuer, serialNumber } = guarded(
      'a recipient is not identified',
      () => new IssuerAndSerialNumber({ schema: id }),
    );
    return serialNumber.isEqual(certificate.parsed.serialNumber) && issuer.isEqual(certificate.parsed.issuer);
  }
  if (id === undefined || !(id instanceof OctetString || id.idBlock.tagClass === 3)) {
    throw invalidSecured('a recipient is not identified');
  }
  return certificate.subjectKey?.equals(octetsIn(id)) === true;
}
