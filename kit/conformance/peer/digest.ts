/** The client side of DIGEST-MD5 (RFC 2831 §2.1) with qop=auth, computed with node:crypto only. */
import { createHash, randomBytes } from 'node:crypto';

export interface DigestLogin {
  readonly username: string;
  readonly password: string;
  /** `beep/<host>`. */
  readonly uri: string;
  /** One of those offered; default: the first. */
  readonly realm?: string;
  readonly authzid?: string;
  readonly cnonce?: string;
  /** How often the nonce has been used, this time included; 1 by default. */
  readonly count?: number;
}

export interface DigestAnswer {
  readonly response: string;
  /** What the server must prove: `rspauth=…`. */
  readonly rspauth: string;
}

const md5 = (...parts: (string | Buffer)[]): Buffer => {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const hex = (octets: Buffer): string => octets.toString('hex');

/** The directives of a challenge; a name may come several times (realm). */
export function directives(challenge: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, name = '', quoted, token] of challenge.matchAll(/([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]*))/g)) {
    const value = quoted === undefined ? (token ?? '') : quoted.replace(/\\(.)/g, '$1');
    found.set(name.toLowerCase(), [...(found.get(name.toLowerCase()) ?? []), value]);
  }
  return found;
}

export function digestAnswer(challenge: string, login: DigestLogin): DigestAnswer {
  const offered = directives(challenge);
  const nonce = offered.get('nonce')?.[0];
  if (nonce === undefined) throw new Error(`no nonce in challenge ${challenge}`);
  const realm = login.realm ?? offered.get('realm')?.[0] ?? '';
  const cnonce = login.cnonce ?? randomBytes(12).toString('base64');
  const { username, password, uri, authzid } = login;
  const secret = md5(`${username}:${realm}:${password}`);
  const ha1 = hex(md5(secret, `:${nonce}:${cnonce}`, authzid === undefined ? '' : `:${authzid}`));
  const nc = (login.count ?? 1).toString(16).padStart(8, '0');
  const value = (a2: string): string => hex(md5(`${ha1}:${nonce}:${nc}:${cnonce}:auth:${hex(md5(a2))}`));
  const quote = (text: string): string => `"${text.replace(/(["\\])/g, '\\$1')}"`;
  const parts = [
    offered.has('charset') ? 'charset=utf-8' : '',
    `username=${quote(username)}`,
    `realm=${quote(realm)}`,
    `nonce=${quote(nonce)}`,
    `nc=${nc}`,
    `cnonce=${quote(cnonce)}`,
    `digest-uri=${quote(uri)}`,
    `response=${value(`AUTHENTICATE:${uri}`)}`,
    'qop=auth',
    authzid === undefined ? '' : `authzid=${quote(authzid)}`,
  ];
  return {
    response: parts.filter((part) => part !== '').join(','),
    rspauth: `rspauth=${value(`:${uri}`)}`,
  };
}
