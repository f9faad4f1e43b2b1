/**
 * Who somebody is when he signs and when he is written to: a certificate, the ones between it and its authority, and its key.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { LocalError } from '../../errors.js';
import { type Certificate, readCertificates } from './certificate.js';

export interface SmimeIdentity {
  /** The person's own first, then intermediate ones. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  readonly key: KeyObject;
}

/** @param certificate PEM (with intermediate ones) or DER @param key PEM @throws LocalError ARGUMENT */
export function readIdentity(certificate: string | Buffer, key: string | Buffer): SmimeIdentity {
  const [own, ...others] = readCertificates(certificate);
  if (own === undefined) throw new LocalError('ARGUMENT', 'there is no certificate');
  const found = keyOf(key);
  if (!own.x509.checkPrivateKey(found)) throw new LocalError('ARGUMENT', 'the key is not that of the certificate');
  return { chain: [own, ...others], key: found };
}

function keyOf(key: string | Buffer): KeyObject {
  try {
    return createPrivateKey(key);
  } catch (cause) {
    throw new LocalError('ARGUMENT', 'the key cannot be read: it is to be in PEM and without a passphrase', { cause });
  }
}
