/**
 * End-to-end security of an endpoint: loads the certificates and keys that the application names into a {@link Secure},
 * and applies it to content that is sent and received. Knows nothing of S/MIME itself.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describeFileError } from '../config/password-file.js';
import { LocalError } from '../errors.js';
import type { Content, MadeContent } from '../imxp/content.js';
import type { KnownCertificates } from '../message/smime/known-certificates.js';
import type { FindCertificate, Secure } from '../message/smime/secure.js';
import type { Signature } from '../message/smime/signature.js';
import type { ClassicVersion } from '../message/smime/version.js';
import { entityType } from '../mime/entity.js';
import { checkKeys, type KnownKeys } from './keys.js';
import { KnownDirectory } from './known-directory.js';
import { pemOf } from './pem.js';

/** Like `SecureOptions`, but each may also be the path of a PEM file. */
export interface SecureFiles {
  /** Own certificate, followed by its intermediates, to sign with and to decrypt with. Requires `key`. */
  readonly certificate?: string | Buffer;
  readonly key?: string | Buffer;
  /** Trusted CA certificates; without any, no signature is valid. */
  readonly authorities?: string | Buffer;
  /** Certificate revocation lists of the CAs. */
  readonly revoked?: string | Buffer;
  /**
   * Certificates of recipients: PEM, files, a directory (every `.crt` and `.pem` in it), or a function that finds them.
   */
  readonly people?: string | readonly (string | Buffer)[] | FindCertificate;
  /**
   * Where certificates learnt from signed messages are kept, each trusted on first use: a directory, which is made when
   * it is missing, or anything of the kind; see `SecureOptions`.
   */
  readonly known?: string | KnownCertificates;
  /** S/MIME version of correspondents who support nothing newer, true for that of 2004; see `SecureOptions`. */
  readonly classic?: ClassicVersion;
}

const KEYS: KnownKeys<SecureFiles> = {
  certificate: true,
  key: true,
  authorities: true,
  revoked: true,
  people: true,
  known: true,
  classic: true,
};

/** What an endpoint needs to protect content and to read what is protected. */
export type ContentSecurity = Pick<Secure, 'seal' | 'open' | 'read' | 'forget'>;

/** Of an endpoint that does without: what arrives stays as it is, and what is to be protected is not sent. */
const NO_SECURITY: ContentSecurity = {
  seal: () => {
    throw new LocalError(
      'ARGUMENT',
      'the endpoint was connected without S/MIME (secure: false); it can neither sign nor encrypt',
    );
  },
  open: (entity) => ({ entity, signed: undefined, encrypted: false }),
  read: (entity) => ({ entity, signed: undefined, encrypted: false }),
  forget: () => {},
};

/**
 * Makes the {@link Secure} of an endpoint. Without any options signatures are read but never valid.
 *
 * @throws LocalError ARGUMENT | CONFIGURATION
 */
export async function secureOf(given: Secure | SecureFiles | false = {}): Promise<ContentSecurity> {
  if (given === false) return NO_SECURITY;
  // Not instanceof: a program may have loaded a second copy of the class.
  if ('seal' in given && 'open' in given) return given;
  checkKeys(given, KEYS, 'Endpoint.connect: secure');
  const { certificate, key, authorities, revoked, people, known, classic = false } = given;
  // More than half of the code of an endpoint; loading it takes as long as a login.
  const { Secure } = await import('../message/smime/secure.js');
  return new Secure({
    classic,
    ...(certificate === undefined ? {} : { certificate: await pemOf(certificate, 'certificate') }),
    ...(key === undefined ? {} : { key: await pemOf(key, 'key') }),
    ...(authorities === undefined ? {} : { authorities: await pemOf(authorities, 'authority') }),
    ...(revoked === undefined ? {} : { revoked: await pemOf(revoked, 'revocation list') }),
    ...(known === undefined ? {} : { known: typeof known === 'string' ? new KnownDirectory(known) : known }),
    ...(people === undefined ? {} : { people: typeof people === 'function' ? people : await peopleOf(people) }),
  });
}

async function peopleOf(people: string | readonly (string | Buffer)[]): Promise<(string | Buffer)[]> {
  const given = typeof people === 'string' ? await filesIn(people) : people;
  return await Promise.all(given.map((one) => pemOf(one, 'certificate')));
}

/** Lists the certificate files in a directory; PEM and the path of a file are returned as given. */
async function filesIn(path: string): Promise<readonly string[]> {
  if (path.includes('-----BEGIN ')) return [path];
  try {
    const names = await readdir(path);
    return names.filter((name) => /\.(?:crt|pem)$/.test(name)).map((name) => join(path, name));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOTDIR') return [path];
    throw new LocalError('CONFIGURATION', `certificates of recipients ${path}: ${describeFileError(cause)}`, { cause });
  }
}

/** How the application wants content to be protected. */
export interface Sealed {
  readonly sign?: boolean;
  readonly encrypt?: boolean;
}

/** @throws LocalError ARGUMENT for content that is not a MIME part, and as {@link Secure.seal} */
export function sealed(
  content: MadeContent,
  { sign, encrypt }: Sealed,
  from: string,
  to: readonly string[],
  by: ContentSecurity,
): MadeContent {
  if (sign !== true && encrypt !== true) return content;
  if (!('type' in content)) {
    throw new LocalError(
      'ARGUMENT',
      'send: "xml", "uri" and inline messages cannot be signed or encrypted; send a string, a Buffer or a nested message',
    );
  }
  return by.seal(content, { sign: sign === true, encrypt: encrypt === true, from, to });
}

/** Content without its protection, and how it was protected. */
export interface OpenedContent {
  readonly content: Content;
  readonly signed: Signature | undefined;
  readonly encrypted: boolean;
}

/** @throws RemoteProtocolError, LocalError as {@link Secure.open} */
export function unsealed(
  content: Content,
  originator: string,
  recipients: readonly string[],
  by: ContentSecurity,
): OpenedContent {
  if (content.kind !== 'part') return { content, signed: undefined, encrypted: false };
  const { entity, signed, encrypted } = by.open(content, originator, recipients);
  if (entity === content) return { content, signed, encrypted };
  const { headers, body } = entity;
  return {
    content: { kind: 'part', headers, type: entityType(headers).media.type, body },
    signed,
    encrypted,
  };
}

/** Content that was opened was not taken: it may come again. */
export function forgotten(content: Content, by: ContentSecurity): void {
  if (content.kind === 'part') by.forget(content);
}
