/**
 * Import of a certificate with its key, from PEM or PKCS#12, into keys of WebCrypto that the browser does not give out.
 * The file is forgotten then.
 */
import { Integer, Null, ObjectIdentifier, OctetString, Sequence } from 'asn1js';
import { ECPrivateKey } from 'pkijs';
import { LocalError } from '../../../lib/errors.js';
import { type Certificate, readCertificates } from '../../../lib/message/smime/certificate.js';
import type { Identity } from '../certificates.js';
import type { OwnKey } from './keys.js';

const { subtle } = globalThis.crypto;

/** Certificates in DER, and a key in PKCS#8. */
export interface KeyFile {
  readonly certificates: readonly Uint8Array[];
  readonly key: Uint8Array;
}

/** Largest file; some thousand octets are usual. */
const FILE_OCTETS = 1_000_000;

/**
 * Reads a file of a user.
 *
 * @param passphrase of PKCS#12
 * @throws LocalError ARGUMENT, with what to do
 */
export async function importIdentity(account: string, file: Blob, passphrase: string): Promise<Identity> {
  if (file.size > FILE_OCTETS) throw unfit('the file is too large to be a certificate');
  const octets = Buffer.from(await file.arrayBuffer());
  const text = octets.toString('latin1');
  const found = text.includes('-----BEGIN ') ? pemFile(text) : await pkcs12File(octets, passphrase);
  const certificates = found.certificates.map((der) => oneCertificate(Buffer.from(der)));
  for (const certificate of certificates) {
    const key = await belonging(found.key, certificate);
    if (key === undefined) continue;
    if (!certificate.names(account)) {
      const names = certificate.identities.join(', ') || 'no address';
      throw unfit(`the certificate names ${names}, not ${account}`);
    }
    const others = certificates.filter((other) => !other.is(certificate));
    const { x509, identities } = certificate;
    const facts = { addresses: identities, until: Date.parse(x509.validTo), fingerprint: x509.fingerprint256 };
    return { chain: [certificate, ...others].map((one) => one.x509.toString()), key, facts };
  }
  throw unfit('the key in the file does not belong to a certificate in it');
}

function oneCertificate(der: Buffer): Certificate {
  const [certificate] = readCertificates(der);
  if (certificate === undefined) throw unfit('the file contains no certificate');
  return certificate;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g;

function pemFile(text: string): KeyFile {
  const blocks = Array.from(text.matchAll(BLOCK), ([, label = '', body = '']) => ({ label, body }));
  const certificates = blocks.filter(({ label }) => label.endsWith('CERTIFICATE'));
  const keys = blocks.filter(({ label }) => label.endsWith('PRIVATE KEY'));
  const [key] = keys;
  if (certificates.length === 0) throw unfit('the file contains no certificate: join it and its key in one file');
  if (key === undefined) throw unfit('the file contains no private key: join it and the certificate in one file');
  if (key.label === 'ENCRYPTED PRIVATE KEY' || key.body.includes(':')) {
    throw unfit('the key is encrypted: use PKCS#12 instead (openssl pkcs12 -export)');
  }
  return { certificates: certificates.map(({ body }) => derOf(body)), key: pkcs8Of(key.label, derOf(key.body)) };
}

function derOf(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}

/** RFC 5208: what older programs write without that frame (RFC 8017 A.1.2, RFC 5915) is put into it. */
function pkcs8Of(label: string, der: Buffer): Uint8Array {
  if (label === 'PRIVATE KEY') return der;
  const octets = new OctetString({ valueHex: new Uint8Array(der) });
  if (label === 'RSA PRIVATE KEY') return pkcs8('1.2.840.113549.1.1.1', new Null(), octets);
  if (label !== 'EC PRIVATE KEY') throw unfit(`keys of the kind "${label}" are not supported`);
  const { namedCurve = '' } = ECPrivateKey.fromBER(new Uint8Array(der));
  return pkcs8('1.2.840.10045.2.1', new ObjectIdentifier({ value: namedCurve }), octets);
}

function pkcs8(algorithm: string, parameters: Null | ObjectIdentifier, key: OctetString): Uint8Array {
  const identifier = new Sequence({ value: [new ObjectIdentifier({ value: algorithm }), parameters] });
  return new Uint8Array(new Sequence({ value: [new Integer({ value: 0 }), identifier, key] }).toBER());
}

/** What reads PKCS#12 is loaded for that alone. */
async function pkcs12File(octets: Uint8Array, passphrase: string): Promise<KeyFile> {
  const { readPkcs12 } = await import('./pkcs12.js');
  return readPkcs12(octets, passphrase);
}

const SIGNATURES: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };
const OAEP_DIGESTS = { sha1: 'SHA-1', sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' } as const;
const PROBE = new TextEncoder().encode('imxp');

/** The key for WebCrypto, if it is that of a certificate: what it signs is tried with the certificate. */
async function belonging(pkcs8Key: Uint8Array, { x509 }: Certificate): Promise<OwnKey | undefined> {
  const { asymmetricKeyType, asymmetricKeyDetails } = x509.publicKey;
  const der = new Uint8Array(pkcs8Key);
  const spki = new Uint8Array(x509.publicKey.export({ type: 'spki', format: 'der' }));
  const imported = (by: RsaHashedImportParams | EcKeyImportParams | string, use: KeyUsage): Promise<CryptoKey> =>
    subtle.importKey('pkcs8', der, by, false, [use]);
  const signs = async (
    by: RsaHashedImportParams | EcKeyImportParams | string,
    how: string | EcdsaParams,
  ): Promise<CryptoKey | undefined> => {
    try {
      const key = await imported(by, 'sign');
      const verifier = await subtle.importKey('spki', spki, by, false, ['verify']);
      return (await subtle.verify(how, verifier, await subtle.sign(how, key, PROBE), PROBE)) ? key : undefined;
    } catch {
      // It is of another kind than the certificate's.
      return undefined;
    }
  };
  switch (asymmetricKeyType) {
    case 'rsa': {
      const sign = await signs({ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, 'RSASSA-PKCS1-v1_5');
      if (sign === undefined) return undefined;
      const decrypt: Record<string, CryptoKey> = {};
      for (const [name, hash] of Object.entries(OAEP_DIGESTS)) {
        decrypt[name] = await imported({ name: 'RSA-OAEP', hash }, 'decrypt');
      }
      return { type: 'rsa', sign, decrypt };
    }
    case 'ec': {
      const curve = asymmetricKeyDetails?.namedCurve ?? '';
      const namedCurve = SIGNATURES[curve];
      if (namedCurve === undefined) throw unfit('browsers have EC keys on the curves P-256, P-384 and P-521 alone');
      const sign = await signs({ name: 'ECDSA', namedCurve }, { name: 'ECDSA', hash: 'SHA-256' });
      if (sign === undefined) return undefined;
      return { type: 'ec', curve, sign, agree: await imported({ name: 'ECDH', namedCurve }, 'deriveBits') };
    }
    case 'ed25519': {
      const sign = await signs('Ed25519', 'Ed25519');
      return sign === undefined ? undefined : { type: 'ed25519', sign };
    }
    default:
      return undefined;
  }
}

export function unfit(text: string, cause?: unknown): LocalError {
  return new LocalError('ARGUMENT', text, { cause });
}
