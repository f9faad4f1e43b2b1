/**
 * Cryptography of S/MIME by WebCrypto, in place of `lib/message/smime/cryptography.ts`: the same functions, whose results
 * are promises. What WebCrypto does not have (DSA, 3DES, RSAES-PKCS1-v1_5) fails as an algorithm that is not supported.
 */
import type { KeyObject } from 'node:crypto';
import { sha1 } from '@noble/hashes/legacy.js';
import { sha224, sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { fromBER } from 'asn1js';
import { createCMSECDSASignature, createECDSASignatureFromCMS } from 'pkijs';
import type { Agreement, GcmCipher, SignatureScheme } from '../../../lib/message/smime/cryptography.js';
import { type OwnKey, ownKeyOf, spkiOf } from './keys.js';

export { X509Certificate } from './x509.js';

const { subtle } = globalThis.crypto;

const HASHES = { sha1, sha224, sha256, sha384, sha512 } as const;

/** Digests, curves and ciphers by the names that Node has for them. */
const WEB_HASHES: Readonly<Record<string, string>> = {
  sha1: 'SHA-1',
  sha256: 'SHA-256',
  sha384: 'SHA-384',
  sha512: 'SHA-512',
};
const CURVES: Readonly<Record<string, { readonly name: string; readonly octets: number }>> = {
  prime256v1: { name: 'P-256', octets: 32 },
  secp384r1: { name: 'P-384', octets: 48 },
  secp521r1: { name: 'P-521', octets: 66 },
};

export function digest(name: string, ...parts: readonly Uint8Array[]): Buffer {
  const hash = HASHES[name as keyof typeof HASHES]?.create();
  if (hash === undefined) throw new Error(`there is no digest ${name}`);
  for (const part of parts) hash.update(part);
  return Buffer.from(hash.digest());
}

export async function signed(digestName: string | null, octets: Uint8Array, key: KeyObject): Promise<Buffer> {
  const own = ownKeyOf(key);
  const data = plain(octets);
  switch (own.type) {
    case 'rsa':
      return octetsOf(await subtle.sign('RSASSA-PKCS1-v1_5', own.sign, data));
    case 'ec': {
      const hash = WEB_HASHES[digestName ?? ''] ?? 'SHA-256';
      return octetsOf(createCMSECDSASignature(await subtle.sign({ name: 'ECDSA', hash }, own.sign, data)));
    }
    default:
      return octetsOf(await subtle.sign('Ed25519', own.sign, data));
  }
}

export async function isSignature(
  { scheme, digest: digestName, saltLength = 0 }: SignatureScheme,
  key: KeyObject,
  octets: Uint8Array,
  signature: Uint8Array,
): Promise<boolean | 'unsupported'> {
  const hash = WEB_HASHES[digestName ?? ''];
  const verified = async (
    by: EcKeyImportParams | RsaHashedImportParams | string,
    how: AlgorithmIdentifier | EcdsaParams | RsaPssParams,
    bare: Uint8Array,
  ): Promise<boolean | 'unsupported'> => {
    let imported: CryptoKey;
    try {
      imported = await subtle.importKey('spki', spkiOf(key), by, false, ['verify']);
    } catch {
      return 'unsupported';
    }
    return subtle.verify(how, imported, plain(bare), plain(octets));
  };
  if (scheme === 'Ed25519') return verified('Ed25519', 'Ed25519', signature);
  if (hash === undefined) return 'unsupported';
  switch (scheme) {
    case 'RSA':
      return verified({ name: 'RSASSA-PKCS1-v1_5', hash }, 'RSASSA-PKCS1-v1_5', signature);
    case 'RSASSA-PSS':
      return verified({ name: 'RSA-PSS', hash }, { name: 'RSA-PSS', saltLength }, signature);
    case 'ECDSA': {
      const curve = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''];
      if (curve === undefined) return 'unsupported';
      const { result, offset } = fromBER(plain(signature));
      if (offset !== signature.length) return false;
      const bare = new Uint8Array(createECDSASignatureFromCMS(result, curve.octets));
      return verified({ name: 'ECDSA', namedCurve: curve.name }, { name: 'ECDSA', hash }, bare);
    }
    default:
      return 'unsupported';
  }
}

export async function encryptedGcm(
  key: Uint8Array,
  nonce: Uint8Array,
  content: Uint8Array,
  tagOctets: number,
): Promise<Buffer> {
  const how = { name: 'AES-GCM', iv: plain(nonce), tagLength: tagOctets * 8 };
  return octetsOf(await subtle.encrypt(how, await aes('AES-GCM', key, 'encrypt'), plain(content)));
}

export async function decryptedGcm(
  _name: GcmCipher,
  key: Uint8Array,
  nonce: Uint8Array,
  encrypted: Uint8Array,
  mac: Uint8Array,
  additional: Uint8Array | undefined,
): Promise<Buffer> {
  const whole = Buffer.concat([encrypted, mac]);
  const data = additional === undefined ? {} : { additionalData: plain(additional) };
  const how = { name: 'AES-GCM', iv: plain(nonce), tagLength: mac.length * 8, ...data };
  return octetsOf(await subtle.decrypt(how, await aes('AES-GCM', key, 'decrypt'), plain(whole)));
}

export async function encryptedCbc(
  name: string,
  key: Uint8Array,
  iv: Uint8Array,
  content: Uint8Array,
): Promise<Buffer> {
  const aesKey = await aes('AES-CBC', cbcKey(name, key), 'encrypt');
  return octetsOf(await subtle.encrypt({ name: 'AES-CBC', iv: plain(iv) }, aesKey, plain(content)));
}

export async function decryptedCbc(
  name: string,
  key: Uint8Array,
  iv: Uint8Array,
  encrypted: Uint8Array,
): Promise<Buffer> {
  const aesKey = await aes('AES-CBC', cbcKey(name, key), 'decrypt');
  return octetsOf(await subtle.decrypt({ name: 'AES-CBC', iv: plain(iv) }, aesKey, plain(encrypted)));
}

export async function encryptedOaep(key: KeyObject, content: Uint8Array): Promise<Buffer> {
  const by = { name: 'RSA-OAEP', hash: 'SHA-256' };
  const imported = await subtle.importKey('spki', spkiOf(key), by, false, ['encrypt']);
  return octetsOf(await subtle.encrypt('RSA-OAEP', imported, plain(content)));
}

export async function decryptedOaep(key: KeyObject, encrypted: Uint8Array, digestName: string): Promise<Buffer> {
  const own = ownKeyOf(key);
  const by = own.type === 'rsa' ? own.decrypt[digestName] : undefined;
  if (by === undefined) throw missing('RSAES-OAEP with this digest or key');
  return octetsOf(await subtle.decrypt('RSA-OAEP', by, plain(encrypted)));
}

export function encryptedPkcs1(): never {
  throw missing('RSAES-PKCS1-v1_5');
}

export function decryptedBlock(): never {
  throw missing('RSAES-PKCS1-v1_5');
}

export async function agreement(curve: string, point: Uint8Array): Promise<Agreement> {
  const by = ecdh(curve);
  const ephemeral = await subtle.generateKey(by, false, ['deriveBits']);
  const secret = await shared(curve, ephemeral.privateKey, point);
  return { point: octetsOf(await subtle.exportKey('raw', ephemeral.publicKey)), secret };
}

export async function agreedSecret(curve: string, key: KeyObject, point: Uint8Array): Promise<Buffer> {
  const own: OwnKey = ownKeyOf(key);
  if (own.type !== 'ec') throw missing('key agreement with this key');
  return shared(curve, own.agree, point);
}

export async function wrapped(name: string, key: Uint8Array, _iv: unknown, content: Uint8Array): Promise<Buffer> {
  const secret = await subtle.importKey('raw', plain(content), CONTENT_KEY, true, ['sign']);
  const by = await wrapping(name, key, 'wrapKey');
  return octetsOf(await subtle.wrapKey('raw', secret, by, 'AES-KW'));
}

export async function unwrapped(name: string, key: Uint8Array, _iv: unknown, octets: Uint8Array): Promise<Buffer> {
  const by = await wrapping(name, key, 'unwrapKey');
  const secret = await subtle.unwrapKey('raw', plain(octets), by, 'AES-KW', CONTENT_KEY, true, ['sign']);
  return octetsOf(await subtle.exportKey('raw', secret));
}

/** What wraps a key wants to know what it is for; octets of any length are a key for HMAC. */
const CONTENT_KEY = { name: 'HMAC', hash: 'SHA-256' };

async function shared(curve: string, own: CryptoKey, point: Uint8Array): Promise<Buffer> {
  // A point that is not on the curve is refused here.
  const other = await subtle.importKey('raw', plain(point), ecdh(curve), false, []);
  const bits = (CURVES[curve]?.octets ?? 0) * 8;
  // P-521: the bits of the field, filled up to octets.
  return octetsOf(await subtle.deriveBits({ name: 'ECDH', public: other }, own, bits));
}

function ecdh(curve: string): EcKeyImportParams {
  const namedCurve = CURVES[curve]?.name;
  if (namedCurve === undefined) throw missing(curve);
  return { name: 'ECDH', namedCurve };
}

function aes(name: string, key: Uint8Array, use: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
  return subtle.importKey('raw', plain(key), name, false, [use]);
}

function wrapping(name: string, key: Uint8Array, use: 'wrapKey' | 'unwrapKey'): Promise<CryptoKey> {
  if (!/^id-aes\d+-wrap$/.test(name)) throw missing(name);
  return subtle.importKey('raw', plain(key), 'AES-KW', false, [use]);
}

function cbcKey(name: string, key: Uint8Array): Uint8Array {
  if (!/^aes-\d+-cbc$/.test(name)) throw missing(name);
  return key;
}

function missing(what: string): Error {
  return new Error(`${what} is not there in browsers`);
}

/** As WebCrypto takes them: of a buffer of their own. */
function plain(octets: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(octets);
}

function octetsOf(octets: ArrayBuffer): Buffer {
  return Buffer.from(octets);
}
