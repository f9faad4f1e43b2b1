/**
 * The hashes of DIGEST-MD5 (RFC 2831 §2.1.2.1). Pure functions over octets; strings hold one octet per character. Knows
 * nothing of users, sessions or where the secret comes from.
 */

import { createHash } from 'node:crypto';
import type { Qop } from '../../config/sasl-names.js';

export interface ResponseInputs {
  readonly nonce: string;
  /** Eight hexadecimal digits as sent. */
  readonly nc: string;
  readonly cnonce: string;
  /** As sent by the client: its case goes into the hash. */
  readonly qop: string;
  readonly digestUri: string;
}

function md5(...parts: readonly (string | Buffer)[]): Buffer {
  const hash = createHash('md5');
  for (const part of parts) hash.update(typeof part === 'string' ? Buffer.from(part, 'latin1') : part);
  return hash.digest();
}

/**
 * H(A1), 16 octets: the base of the responses and of all layer keys.
 *
 * @param secret H({username, ":", realm, ":", password}), 16 octets
 * @param authzid octets as sent; part of A1 only when the directive was sent
 */
export function sessionKey(secret: Buffer, nonce: string, cnonce: string, authzid: string | undefined): Buffer {
  return authzid === undefined ? md5(secret, `:${nonce}:${cnonce}`) : md5(secret, `:${nonce}:${cnonce}:${authzid}`);
}

const NO_BODY = ':00000000000000000000000000000000';

function digest(key: Buffer, method: string, inputs: ResponseInputs): string {
  // A2 covers a hash of the "body" unless only authentication is protected.
  const a2 = `${method}:${inputs.digestUri}${inputs.qop.toLowerCase() === ('auth' satisfies Qop) ? '' : NO_BODY}`;
  const middle = `:${inputs.nonce}:${inputs.nc}:${inputs.cnonce}:${inputs.qop}:`;
  return md5(key.toString('hex'), middle, md5(a2).toString('hex')).toString('hex');
}

/** response-value: what the client proves itself with. */
export function responseValue(key: Buffer, inputs: ResponseInputs): string {
  return digest(key, 'AUTHENTICATE', inputs);
}

/** rspauth: what the server proves itself with (RFC 2831 §2.1.3). */
export function serverProof(key: Buffer, inputs: ResponseInputs): string {
  return digest(key, '', inputs);
}
