/**
 * PKCS#12 (RFC 7292) by node-forge, which reads old encryption as well (3DES, RC2): programs still export it, and
 * WebCrypto does not have it.
 */
import forge from 'node-forge/lib/forge.js';
import 'node-forge/lib/pkcs12.js';
import { type KeyFile, unfit } from './import.js';

const { asn1, pki, pkcs12, util } = forge;

/** @throws LocalError ARGUMENT */
export function readPkcs12(octets: Uint8Array, passphrase: string): KeyFile {
  const text = Buffer.from(octets).toString('latin1');
  let outer: forge.asn1.Asn1;
  try {
    outer = asn1.fromDer(util.createBuffer(text));
  } catch (cause) {
    throw unfit('the file is neither PEM nor PKCS#12 (.p12, .pfx)', cause);
  }
  let file: forge.pkcs12.Pkcs12Pfx;
  try {
    file = pkcs12.pkcs12FromAsn1(outer, false, passphrase);
  } catch (cause) {
    throw unfit('the file cannot be opened with this passphrase', cause);
  }
  const bags = file.safeContents.flatMap(({ safeBags }) => safeBags);
  const keys = bags.filter(({ type }) => type === pki.oids['keyBag'] || type === pki.oids['pkcs8ShroudedKeyBag']);
  const certificates = bags.filter(({ type }) => type === pki.oids['certBag']);
  const [key] = keys;
  if (certificates.length === 0) throw unfit('the file contains no certificate');
  if (key === undefined) throw unfit('the file contains no private key: export the certificate with its key');
  return { certificates: certificates.map(certificateOf), key: keyOf(key) };
}

/** Certificates of EC keys are left unread (`asn1`). */
function certificateOf({ cert, asn1: unread }: forge.pkcs12.Bag): Uint8Array {
  return derOf(cert === undefined || cert === null ? unread : pki.certificateToAsn1(cert));
}

function keyOf({ key, asn1: unread }: forge.pkcs12.Bag): Uint8Array {
  return derOf(key === undefined || key === null ? unread : pki.wrapRsaPrivateKey(pki.privateKeyToAsn1(key)));
}

function derOf(value: forge.asn1.Asn1): Uint8Array {
  return Buffer.from(asn1.toDer(value).getBytes(), 'latin1');
}
