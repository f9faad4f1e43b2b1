/**
 * Cryptography of this folder, by node:crypto. It knows nothing of S/MIME. Browsers have `web/chat/smime/` in its place,
 * whose functions return promises; that is why results are {@link Awaitable}.
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';
import { LocalError } from '../../errors.js';
import type { Awaitable } from './work.js';

export { X509Certificate };

/** @param name of the digest in node:crypto */
export function digest(name: string, ...parts: readonly Buffer[]): Buffer {
  const hash = createHash(name);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** @param digestName null where the scheme has one of its own */
export function signed(digestName: string | null, octets: Buffer, key: KeyObject): Awaitable<Buffer> {
  return sign(digestName, octets, key);
}

/** How a signature is verified. */
export interface SignatureScheme {
  readonly scheme: 'RSA' | 'RSASSA-PSS' | 'ECDSA' | 'DSA' | 'Ed25519';
  readonly digest: string | null;
  /** Of RSASSA-PSS. */
  readonly saltLength?: number;
}

/** @returns `unsupported` where the algorithm is not there @throws Error for impossible parameters */
export function isSignature(
  { digest: name, saltLength }: SignatureScheme,
  key: KeyObject,
  octets: Buffer,
  signature: Buffer,
): Awaitable<boolean | 'unsupported'> {
  const options = saltLength === undefined ? {} : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  return verify(name, octets, { key, ...options }, signature);
}

/** A cipher's name in node:crypto. */
export type GcmCipher = 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm';

/** @returns the encrypted octets, followed by the tag */
export function encryptedGcm(key: Buffer, nonce: Buffer, content: Buffer, tagOctets: number): Awaitable<Buffer> {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagOctets });
  return Buffer.concat([cipher.update(content), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error when it was changed */
export function decryptedGcm(
  name: GcmCipher,
  key: Buffer,
  nonce: Buffer,
  encrypted: Buffer,
  mac: Buffer,
  additional: Buffer | undefined,
): Awaitable<Buffer> {
  const decipher = createDecipheriv(name, key, nonce, { authTagLength: mac.length });
  if (additional !== undefined) decipher.setAAD(additional);
  decipher.setAuthTag(mac);
  return Buffer.concat([decipher.update(encrypted), decipher.final()]);
}

/** By AES or 3DES in CBC mode. @param name of the cipher in node:crypto */
export function encryptedCbc(name: string, key: Buffer, iv: Buffer, content: Buffer): Awaitable<Buffer> {
  const cipher = createCipheriv(name, key, iv);
  return Buffer.concat([cipher.update(content), cipher.final()]);
}

/** @param name of the cipher in node:crypto @throws Error where the padding is wrong */
export function decryptedCbc(name: string, key: Buffer, iv: Buffer, encrypted: Buffer): Awaitable<Buffer> {
  const decipher = createDecipheriv(name, key, iv);
  return Buffer.concat([decipher.update(encrypted), decipher.final()]);
}

/** RSAES-OAEP with SHA-256. */
export function encryptedOaep(key: KeyObject, content: Buffer): Awaitable<Buffer> {
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, content);
}

/** @param digestName of RSAES-OAEP */
export function decryptedOaep(key: KeyObject, encrypted: Buffer, digestName: string): Awaitable<Buffer> {
  return privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: digestName }, encrypted);
}

/** RSAES-PKCS1-v1_5. */
export function encryptedPkcs1(key: KeyObject, content: Buffer): Awaitable<Buffer> {
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, content);
}

/** RSA alone: the block still has its padding. */
export function decryptedBlock(key: KeyObject, encrypted: Buffer): Awaitable<Buffer> {
  return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, encrypted);
}

/** An ephemeral key, and the secret that it shares with a static one (ECDH). */
export interface Agreement {
  /** The ephemeral point. */
  readonly point: Buffer;
  readonly secret: Buffer;
}

/** @param curve its name in node:crypto @param point that of the recipient */
export function agreement(curve: string, point: Buffer): Awaitable<Agreement> {
  const ephemeral = createECDH(curve);
  const own = ephemeral.generateKeys();
  return { point: own, secret: ephemeral.computeSecret(point) };
}

/** @param curve its name in node:crypto @param point that of the sender @throws Error for one that is not on the curve */
export function agreedSecret(curve: string, key: KeyObject, point: Buffer): Awaitable<Buffer> {
  const { d } = key.export({ format: 'jwk' });
  if (typeof d !== 'string') throw new LocalError('ARGUMENT', 'the key is not an EC key');
  const own = createECDH(curve);
  own.setPrivateKey(d, 'base64url');
  return own.computeSecret(point);
}

/** @param name of the wrapping algorithm in node:crypto */
export function wrapped(name: string, key: Buffer, iv: Buffer | null, content: Buffer): Awaitable<Buffer> {
  const cipher = createCipheriv(name, key, iv);
  return Buffer.concat([cipher.update(content), cipher.final()]);
}

/** @param name of the wrapping algorithm in node:crypto @throws Error for another key */
export function unwrapped(name: string, key: Buffer, iv: Buffer | null, octets: Buffer): Awaitable<Buffer> {
  const decipher = createDecipheriv(name, key, iv);
  return Buffer.concat([decipher.update(octets), decipher.final()]);
}
