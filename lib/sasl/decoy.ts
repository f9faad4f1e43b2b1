/**
 * Secrets for users that do not exist, so that a login for one goes the same way and takes the same time. They are made
 * from a secret of the node and the user name: asking twice gives the same salt (RFC 5802 §9).
 */

import { createHmac } from 'node:crypto';
import { DEFAULT_SCRAM_ITERATIONS, type ScramSecret } from './verifier.js';

function derive(secret: Buffer, purpose: string, name: string): Buffer {
  return createHmac('sha256', secret).update(`${purpose}\0${name}`).digest();
}

/** A SCRAM verifier no password fits. */
export function decoyScram(secret: Buffer, name: string, iterations = DEFAULT_SCRAM_ITERATIONS): ScramSecret {
  return {
    salt: derive(secret, 'salt', name).subarray(0, 16).toString('base64'),
    iterations,
    storedKey: derive(secret, 'stored', name).toString('base64'),
    serverKey: derive(secret, 'server', name).toString('base64'),
  };
}

/** H(user:realm:password) no password is known for. */
export function decoyDigest(secret: Buffer, name: string): string {
  return derive(secret, 'digest', name).subarray(0, 16).toString('hex');
}
