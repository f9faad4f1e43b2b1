/**
 * Decrypts the premaster secret of an RSA key exchange with node:crypto, without revealing by result or error whether
 * the padding was right (RFC 4346 §7.4.7.1, Bleichenbacher 1998).
 */
import { constants, type KeyObject, privateDecrypt, randomBytes } from 'node:crypto';

const SECRET_OCTETS = 48;

/**
 * @param message the ClientKeyExchange message with its header
 * @param version the version of the ClientHello, which the secret must begin with
 * @returns the secret, or 48 random octets when there is none, so that the handshake fails later like any other
 */
export function premasterSecret(message: Buffer, key: KeyObject, version: number): Buffer {
  const random = randomBytes(SECRET_OCTETS);
  const block = deciphered(message, key);
  if (block === undefined || block.length < SECRET_OCTETS + 11) return random;
  // PKCS #1 block type 2: 00 02, eight or more octets that are not 00, 00, secret. No early exit: every octet is looked
  // at whatever the others are.
  const start = block.length - SECRET_OCTETS;
  let wrong = (block[0] ?? 1) | ((block[1] ?? 0) ^ 2) | (block[start - 1] ?? 1);
  for (let at = 2; at < start - 1; at++) wrong |= ((block[at] ?? 0) - 1) >> 8;
  wrong |= (block[start] ?? 0) ^ (version >> 8);
  wrong |= (block[start + 1] ?? 0) ^ (version & 0xff);
  // All ones when right, all zeros when wrong.
  const mask = ((wrong & 0xffff) - 1) >> 31;
  const secret = Buffer.alloc(SECRET_OCTETS);
  for (let at = 0; at < SECRET_OCTETS; at++) {
    secret[at] = ((block[start + at] ?? 0) & mask) | ((random[at] ?? 0) & ~mask);
  }
  return secret;
}

function deciphered(message: Buffer, key: KeyObject): Buffer | undefined {
  try {
    // node:crypto refuses PKCS #1 v1.5 padding for the reason above; so it takes off none, and we do.
    return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, message.subarray(6));
  } catch {
    // Not the key's length, or above its modulus: known to anyone who knows the public key.
    return undefined;
  }
}
