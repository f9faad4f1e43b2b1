/**
 * The keys and proofs of SCRAM-SHA-256 (RFC 5802 §3, RFC 7677). Pure functions, but for the slow one, which runs on the
 * runtime's thread pool.
 */

import { createHash, createHmac, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import { LocalError } from '../../errors.js';
import { prepared } from './saslprep.js';

const slowHash = promisify(pbkdf2);

/** Octets of SHA-256. */
export const SCRAM_KEY_OCTETS = 32;

export interface ScramKeys {
  readonly clientKey: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest();
}

export function hash(octets: Buffer): Buffer {
  return createHash('sha256').update(octets).digest();
}

export function xor(a: Buffer, b: Buffer): Buffer {
  const out = Buffer.allocUnsafe(a.length);
  for (let i = 0; i < a.length; i += 1) out[i] = (a[i] ?? 0) ^ (b[i] ?? 0);
  return out;
}

/** All keys of a password. @throws LocalError ARGUMENT: the password cannot be prepared (RFC 4013) */
export async function scramKeys(password: string, salt: Buffer, iterations: number): Promise<ScramKeys> {
  const text = prepared(password);
  if (text === undefined) throw new LocalError('ARGUMENT', 'the password contains characters that SASLprep prohibits');
  const salted = await slowHash(text, salt, iterations, SCRAM_KEY_OCTETS, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  return {
    clientKey,
    storedKey: hash(clientKey),
    serverKey: hmac(salted, 'Server Key'),
  };
}
