/** Identity for signing and decrypting: a certificate with its intermediates, and its private key. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { LocalError } from '../../errors.js';
import { type Certificate, readCertificates } from './certificate.js';

export interface SmimeIdentity {
  /** Own certificate first, then the intermediates. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  readonly key: KeyObject;
}

/** Reads an identity. @param certificate PEM (with intermediates) or DER @param key PEM @throws LocalError ARGUMENT */
export function readIdentity(certificate: string | Buffer, key: string | Buffer): SmimeIdentity {
  const [own, ...others] = readCertificates(certificate);
  if (own === undefined) throw new LocalError('ARGUMENT', 'there is no certificate in PEM or DER');
  const found = keyOf(key);
  if (!own.x509.checkPrivateKey(found)) throw new LocalError('ARGUMENT', 'the key does not belong to the certificate');
  return { chain: [own, ...others], key: found };
}

function keyOf(key: string | Buffer): KeyObject {
  try {
    return createPrivateKey(key);
  } catch (cause) {
    throw new LocalError('ARGUMENT', 'the key cannot be read; it must be in PEM and without a passphrase', { cause });
  }
}
