/**
 * End-to-end security at an endpoint: what an application says about certificates and keys, made into a {@link Secure}, and
 * where it stands between what is sent or received and the Data. Knows no S/MIME.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describeFileError } from '../config/password-file.js';
import { LocalError } from '../errors.js';
import type { Content, MadeContent } from '../imxp/content.js';
import type { Signature } from '../message/smime/judgement.js';
import { type FindCertificate, Secure } from '../message/smime/secure.js';
import { checkKeys, type Keys } from './keys.js';
import { pemOf } from './pem.js';

/** Like `SecureOptions`, but each may also be the path of a PEM file. */
export interface SecureFiles {
  /** One's own certificate, to sign with and to be written to; intermediate ones after it. Needs `key`. */
  readonly certificate?: string | Buffer;
  readonly key?: string | Buffer;
  /** Authorities that are believed about who somebody is; without any, no signature is valid. */
  readonly authorities?: string | Buffer;
  /** Revocation lists of the authorities. */
  readonly revoked?: string | Buffer;
  /** Certificates of those one writes to; a directory stands for every `.crt` and `.pem` in it, and a function finds them. */
  readonly people?: string | readonly (string | Buffer)[] | FindCertificate;
  /** For those who know only what was demanded in 2004; see `SecureOptions`. */
  readonly classic?: boolean;
}

const KEYS: Keys<SecureFiles> = {
  certificate: true,
  key: true,
  authorities: true,
  revoked: true,
  people: true,
  classic: true,
};

/**
 * For an endpoint that was given nothing, too: signatures are seen then, and not believed.
 *
 * @throws LocalError ARGUMENT | CONFIGURATION
 */
export async function secureOf(given: Secure | SecureFiles = {}): Promise<Secure> {
  // not by its class, of which a program may have loaded a second copy
  if ('seal' in given && 'open' in given) return given;
  checkKeys(given, KEYS, 'Endpoint.connect: secure');
  const { certificate, key, authorities, revoked, people, classic = false } = given;
  return new Secure({
    classic,
    ...(certificate === undefined ? {} : { certificate: await pemOf(certificate, 'certificate') }),
    ...(key === undefined ? {} : { key: await pemOf(key, 'key') }),
    ...(authorities === undefined ? {} : { authorities: await pemOf(authorities, 'authority') }),
    ...(revoked === undefined ? {} : { revoked: await pemOf(revoked, 'revocation list') }),
    ...(people === undefined ? {} : { people: typeof people === 'function' ? people : await peopleOf(people) }),
  });
}

async function peopleOf(people: string | readonly (string | Buffer)[]): Promise<(string | Buffer)[]> {
  const given = typeof people === 'string' ? await filesIn(people) : people;
  return await Promise.all(given.map((one) => pemOf(one, 'certificate')));
}

/** PEM, the certificates in a directory, or a file. */
async function filesIn(path: string): Promise<readonly string[]> {
  if (path.includes('-----BEGIN ')) return [path];
  try {
    const names = await readdir(path);
    return names.filter((name) => /\.(?:crt|pem)$/.test(name)).map((name) => join(path, name));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOTDIR') return [path];
    throw new LocalError('CONFIGURATION', `certificates of people ${path}: ${describeFileError(cause)}`, { cause });
  }
}

/** What the application wants to be done to a content. */
export interface Sealed {
  readonly sign?: boolean;
  readonly encrypt?: boolean;
}

/** @throws LocalError ARGUMENT for content that is no part of its own, and as {@link Secure.seal} */
export function sealed(
  content: MadeContent,
  { sign, encrypt }: Sealed,
  from: string,
  to: readonly string[],
  by: Secure,
): MadeContent {
  if (sign !== true && encrypt !== true) return content;
  if (!('type' in content)) {
    throw new LocalError(
      'ARGUMENT',
      'only content that is a part of its own can be signed or encrypted: no xml, uri or inline message',
    );
  }
  return by.seal(content, { sign: sign === true, encrypt: encrypt === true, from, to });
}

/** What was in a content, and how it was protected. */
export interface OpenedContent {
  readonly content: Content;
  readonly signed: Signature | undefined;
  readonly encrypted: boolean;
}

/** @throws RemoteProtocolError as {@link Secure.open} */
export function unsealed(content: Content, originator: string, by: Secure): OpenedContent {
  if (content.kind !== 'part') return { content, signed: undefined, encrypted: false };
  const { entity, signed, encrypted } = by.open(content, originator);
  if (entity === content) return { content, signed, encrypted };
  const { headers, body } = entity;
  return {
    content: { kind: 'part', headers, type: headers.mediaType()?.type ?? 'text/plain', body },
    signed,
    encrypted,
  };
}
