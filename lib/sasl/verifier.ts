/**
 * Verifiers, which a node stores instead of passwords, and their lookup. Verifiers are plain JSON; DIGEST-MD5 hashes in
 * them are password-equivalent for their realm (RFC 2831 §3.9), so protect them as passwords. Stores nothing itself.
 */

import { randomBytes } from 'node:crypto';
import { LocalError } from '../errors.js';
import { userSecrets } from './digest-md5/charset.js';
import { APEX_MESH, canonicalAccount, MESH, relayDomain } from './name.js';
import { scramKeys } from './scram/computation.js';
import { prepared } from './scram/saslprep.js';

/** H(user:realm:password) in its variants of character sets (RFC 2831 §2.1.2.1), each 32 hexadecimal digits. */
export interface DigestSecret {
  readonly username: string;
  readonly realm: string;
  readonly hashes: readonly string[];
}

/** RFC 5802 §3 with SHA-256; octets as base64. */
export interface ScramSecret {
  readonly salt: string;
  readonly iterations: number;
  readonly storedKey: string;
  readonly serverKey: string;
}

export interface Verifier {
  /** `local@domain`, or `imxp=mesh@domain` for a relay. */
  readonly account: string;
  readonly digestMd5: readonly DigestSecret[];
  readonly scramSha256?: ScramSecret;
}

/** Where verifiers come from. `accountNames` (name.ts) lists the accounts a user name may mean. */
export interface CredentialStore {
  /** `undefined` for an unknown user; rejects only when the store fails, which is answered with 454. */
  lookup(username: string, realm: string | undefined): Promise<Verifier | undefined>;
}

/**
 * Iterations of PBKDF2 for new SCRAM verifiers; RFC 7677 §4 demands 4096. Eight times that is some ten milliseconds for
 * an endpoint at each login. More would not protect a stolen store, in which testing a password against the DIGEST-MD5
 * hash costs one MD5, but would let unauthenticated peers load the processor with PLAIN.
 */
export const DEFAULT_SCRAM_ITERATIONS = 32_768;

export interface VerifierOptions {
  /** Realms the node offers: its domains, or the one realm it has for all. Logins with full names work in each of them. */
  readonly realms: readonly string[];
  /** The realm all domains of the node share, if so configured: a bare local part logs in there too. */
  readonly sharedRealm?: string;
  readonly scramIterations?: number;
  /** The account is a user name as it is: a domain is not the name of a relay. */
  readonly verbatim?: boolean;
  /** For tests: replaces 16 random octets. */
  readonly salt?: Buffer;
}

/** All user names and realms with which an account may log in. */
function loginForms(account: string, options: VerifierOptions): readonly { username: string; realm: string }[] {
  const { realms, sharedRealm } = options;
  const at = account.lastIndexOf('@');
  const domain = account.slice(at + 1);
  const relay = options.verbatim === true ? undefined : relayDomain(account);
  const everywhere = new Set([...realms, ...(at < 0 && relay === undefined ? [] : [domain])]);
  // Without a realm offered, clients hash the empty one (RFC 2831 §2.1.2.1).
  if (realms.length === 0) everywhere.add('');
  if (sharedRealm !== undefined) everywhere.add(sharedRealm);
  const names = relay === undefined ? [account] : [`${MESH}@${relay}`, `${APEX_MESH}@${relay}`, relay];
  const forms = names.flatMap((username) => [...everywhere].map((realm) => ({ username, realm })));
  if (relay !== undefined || at < 1) return forms;
  const username = account.slice(0, at);
  forms.push({ username, realm: domain });
  if (sharedRealm !== undefined && sharedRealm !== domain) forms.push({ username, realm: sharedRealm });
  return forms;
}

/**
 * Makes a verifier for an account; the password goes no further.
 *
 * @param account `local@domain`, `imxp=mesh@domain`, or a relay's bare domain
 * @throws LocalError ARGUMENT: the password is empty, or holds characters that SASLprep (RFC 4013) prohibits
 */
export async function makeVerifier(account: string, password: string, options: VerifierOptions): Promise<Verifier> {
  const name = options.verbatim === true ? account : canonicalAccount(account);
  if (password === '' || prepared(password) === undefined) {
    throw new LocalError('ARGUMENT', 'a password must not be empty or contain control characters');
  }
  const digestMd5 = loginForms(name, options).map(({ username, realm }) => ({
    username,
    realm,
    hashes: userSecrets(username, realm, password).map((secret) => secret.toString('hex')),
  }));
  const salt = options.salt ?? randomBytes(16);
  const iterations = options.scramIterations ?? DEFAULT_SCRAM_ITERATIONS;
  if (iterations < 4096) throw new LocalError('ARGUMENT', 'RFC 7677 asks for 4096 iterations or more');
  const keys = await scramKeys(password, salt, iterations);
  return {
    account: name,
    digestMd5,
    scramSha256: {
      salt: salt.toString('base64'),
      iterations,
      storedKey: keys.storedKey.toString('base64'),
      serverKey: keys.serverKey.toString('base64'),
    },
  };
}
