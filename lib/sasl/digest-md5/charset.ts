/** Character sets of names and passwords in the hash (RFC 2831 §2.1.2.1), including the variants found in practice. */

import { createHash } from 'node:crypto';

/** ISO 8859-1 octets of a text, or `undefined` when it does not fit. */
export function latin1Of(text: string): Buffer | undefined {
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 0xff) return undefined;
  return Buffer.from(text, 'latin1');
}

function raw(text: string): Buffer {
  return Buffer.from(text, 'utf8');
}

/** RFC 2831 §2.1.2.1: what fits ISO 8859-1 is hashed as such, else as UTF-8; decided for each string by itself. */
export function hashedForm(text: string): Buffer {
  return latin1Of(text) ?? raw(text);
}

const COLON = Buffer.from(':');

function secret(username: Buffer, realm: Buffer, password: Buffer): Buffer {
  return createHash('md5').update(username).update(COLON).update(realm).update(COLON).update(password).digest();
}

/** H({username, ":", realm, ":", password}) as RFC 2831 has it (and Cyrus SASL does it). */
export function userSecret(username: string, realm: string, password: string): Buffer {
  return secret(hashedForm(username), hashedForm(realm), hashedForm(password));
}

/** Largest number of different secrets for one user name, realm and password. */
export const SECRET_VARIANTS = 4;

/**
 * The secrets that different implementations compute for the same password: Cyrus SASL converts every string, the
 * letter of RFC 2831 §2.1.2.1 spares the realm, GNU SASL converts the password only, and some convert nothing. For
 * ASCII it is one.
 */
export function userSecrets(username: string, realm: string, password: string): readonly Buffer[] {
  const all = [
    userSecret(username, realm, password),
    secret(hashedForm(username), raw(realm), hashedForm(password)),
    secret(raw(username), raw(realm), hashedForm(password)),
    secret(raw(username), raw(realm), raw(password)),
  ];
  return all.filter((candidate, at) => all.findIndex((other) => other.equals(candidate)) === at);
}
