/** Keys as the S/MIME of the library sees them: what it asks of Node's KeyObject, over keys of WebCrypto. */
import type { KeyObject } from 'node:crypto';
import type { PublicKeyInfo, RSAPublicKey } from 'pkijs';

/** Private keys of WebCrypto, which the browser does not give out. A key of WebCrypto is for one use and digest. */
export type OwnKey =
  | { readonly type: 'rsa'; readonly sign: CryptoKey; readonly decrypt: Readonly<Record<string, CryptoKey>> }
  | { readonly type: 'ec'; readonly curve: string; readonly sign: CryptoKey; readonly agree: CryptoKey }
  | { readonly type: 'ed25519'; readonly sign: CryptoKey };

/** By object identifier, with Node's names. */
const CURVES: Readonly<Record<string, string>> = {
  '1.2.840.10045.3.1.7': 'prime256v1',
  '1.3.132.0.34': 'secp384r1',
  '1.3.132.0.35': 'secp521r1',
};
const TYPES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.1': 'rsa',
  '1.2.840.113549.1.1.10': 'rsa-pss',
  '1.2.840.10040.4.1': 'dsa',
  '1.2.840.10045.2.1': 'ec',
  '1.3.101.112': 'ed25519',
};

interface Details {
  readonly modulusLength?: number;
  readonly namedCurve?: string;
}

/** The key of a certificate. */
class CertificateKey {
  readonly type = 'public';
  readonly asymmetricKeyType: string | undefined;
  readonly asymmetricKeyDetails: Details;
  readonly spki: Buffer;

  constructor(info: PublicKeyInfo) {
    const { algorithm, parsedKey } = info;
    this.asymmetricKeyType = TYPES[algorithm.algorithmId];
    this.spki = Buffer.from(info.toSchema().toBER());
    const curve: unknown = algorithm.algorithmParams?.valueBlock?.toString();
    const namedCurve = typeof curve === 'string' ? CURVES[curve] : undefined;
    this.asymmetricKeyDetails = {
      ...(namedCurve === undefined ? {} : { namedCurve }),
      ...(isRsa(parsedKey) ? { modulusLength: bitsOf(parsedKey) } : {}),
    };
  }

  export(): Buffer {
    return this.spki;
  }

  equals(other: unknown): boolean {
    return other instanceof CertificateKey && other.spki.equals(this.spki);
  }
}

function isRsa(key: unknown): key is RSAPublicKey {
  return typeof key === 'object' && key !== null && 'modulus' in key;
}

function bitsOf({ modulus }: RSAPublicKey): number {
  const octets = modulus.valueBlock.valueHexView;
  const first = octets.findIndex((octet) => octet !== 0);
  return first < 0 ? 0 : (octets.length - first) * 8 - Math.clz32(octets[first] ?? 0) + 24;
}

/** The key of the user. */
class PrivateKey {
  readonly type = 'private';
  readonly asymmetricKeyType: string;
  readonly asymmetricKeyDetails: Details;
  readonly own: OwnKey;

  constructor(own: OwnKey) {
    this.own = own;
    this.asymmetricKeyType = own.type;
    this.asymmetricKeyDetails = own.type === 'ec' ? { namedCurve: own.curve } : {};
  }
}

/** The library names Node's type; of that it uses what these have, or it asks `cryptography.ts`. */
export function publicKey(info: PublicKeyInfo): KeyObject {
  return new CertificateKey(info) as unknown as KeyObject;
}

export function privateKey(own: OwnKey): KeyObject {
  return new PrivateKey(own) as unknown as KeyObject;
}

export function ownKeyOf(key: unknown): OwnKey {
  if (!(key instanceof PrivateKey)) throw new Error('this is not the key of the user');
  return key.own;
}

/** SubjectPublicKeyInfo in DER. */
export function spkiOf(key: unknown): Uint8Array<ArrayBuffer> {
  if (!(key instanceof CertificateKey)) throw new Error('this is not the key of a certificate');
  return new Uint8Array(key.spki);
}
