/**
 * Verifiers in the formats of other programs, so that users keep their passwords when changing servers: H(A1) of
 * DIGEST-MD5 as in a file of Apache's htdigest, and SCRAM-SHA-256 as RFC 5803 has it for LDAP (PostgreSQL writes the
 * same), as Dovecot's `doveadm pw` does, and in between. Reads and writes text; judges no password.
 */
import { LocalError } from '../errors.js';
import { SCRAM_KEY_OCTETS } from './scram/computation.js';
import type { DigestSecret, ScramSecret } from './verifier.js';

/** RFC 7677 §4. */
const FEWEST_ITERATIONS = 4096;
/** Costs half a second per PLAIN login; more would allow denial of service. */
const MOST_ITERATIONS = 1_000_000;

const SCRAM = /^(?:\{scram-sha-256\}|\$?scram-sha-256\$)(.+)$/i;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

/**
 * `user:realm:hash`, the hash being MD5 of `user:realm:password` in 32 hexadecimal digits.
 *
 * @throws LocalError ARGUMENT
 */
export function readDigest(text: string): DigestSecret {
  const [username, realm, hash = '', ...more] = text.split(':');
  if (username === undefined || username === '' || realm === undefined || more.length > 0) {
    throw unreadable('must be user:realm:hash, as htdigest writes it');
  }
  if (!/^[0-9a-f]{32}$/i.test(hash)) throw unreadable('must end in a hash of 32 hexadecimal digits');
  return { username, realm, hashes: [hash.toLowerCase()] };
}

export function writeDigest({ username, realm, hashes }: DigestSecret): readonly string[] {
  return hashes.map((hash) => `${username}:${realm}:${hash}`);
}

/** Whether a text looks like a SCRAM verifier, with any hash. */
export function isScram(text: string): boolean {
  return /^[{$]?scram-sha-/i.test(text);
}

/**
 * `SCRAM-SHA-256$iterations:salt$storedKey:serverKey` (RFC 5803), `$scram-sha-256$iterations$salt$storedKey$serverKey`, or
 * `{SCRAM-SHA-256}iterations,salt,storedKey,serverKey`; octets in base64.
 *
 * @throws LocalError ARGUMENT
 */
export function readScram(text: string): ScramSecret {
  const fields = SCRAM.exec(text)?.[1]?.split(/[$:,]/);
  if (fields === undefined) {
    const other = /^[{$]?(scram-sha-[0-9]+(?:-\d+)?)/i.exec(text)?.[1];
    throw unreadable(
      other === undefined
        ? 'is not a SCRAM verifier'
        : `is one of ${other.toUpperCase()}; only SCRAM-SHA-256 is accepted`,
    );
  }
  const [count = '', salt = '', storedKey = '', serverKey = '', ...more] = fields;
  if (more.length > 0 || fields.length < 4) throw unreadable('must have four parts: iterations, salt and two keys');
  const iterations = /^\d{1,8}$/.test(count) ? Number(count) : 0;
  if (iterations < FEWEST_ITERATIONS || iterations > MOST_ITERATIONS) {
    throw unreadable(`must have ${FEWEST_ITERATIONS} to ${MOST_ITERATIONS} iterations`);
  }
  if (octetsOf(salt, 'salt').length === 0) throw unreadable('has no salt');
  for (const [name, key] of Object.entries({ 'stored key': storedKey, 'server key': serverKey })) {
    if (octetsOf(key, name).length !== SCRAM_KEY_OCTETS)
      throw unreadable(`has a ${name} that is not ${SCRAM_KEY_OCTETS} octets`);
  }
  return { salt, iterations, storedKey, serverKey };
}

/** Writes the format of RFC 5803. */
export function writeScram({ salt, iterations, storedKey, serverKey }: ScramSecret): string {
  return `SCRAM-SHA-256$${iterations}:${salt}$${storedKey}:${serverKey}`;
}

function octetsOf(base64: string, name: string): Buffer {
  if (!BASE64.test(base64)) throw unreadable(`has a ${name} that is not base64`);
  return Buffer.from(base64, 'base64');
}

/** Never includes the text itself, which is as sensitive as a password. */
function unreadable(what: string): LocalError {
  return new LocalError('ARGUMENT', `the verifier ${what}`);
}
