/**
 * Decoy secrets for unknown users, so that a login for one takes the same steps and time. They are derived from a
 * secret of the node and the user name: repeated attempts see the same salt (RFC 5802 §9).
 */

import { createHmac } from 'node:crypto';
import { DEFAULT_SCRAM_ITERATIONS, type ScramSecret } from './verifier.js';

function derive(secret: Buffer, purpose: string, name: string): Buffer {
  return createHmac('sha256', secret).update(`${purpose}\0${name}`).digest();
}

/** A SCRAM verifier that no password matches. */
export function decoyScram(secret: Buffer, name: string, iterations = DEFAULT_SCRAM_ITERATIONS): ScramSecret {
  return {
    salt: derive(secret, 'salt', name).subarray(0, 16).toString('base64'),
    iterations,
    storedKey: derive(secret, 'stored', name).toString('base64'),
    serverKey: derive(secret, 'server', name).toString('base64'),
  };
}

/** H(user:realm:password) for which no password is known. */
export function decoyDigest(secret: Buffer, name: string): string {
  return derive(secret, 'digest', name).subarray(0, 16).toString('hex');
}
