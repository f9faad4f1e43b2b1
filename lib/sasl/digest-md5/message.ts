/**
 * digest-challenge, digest-response and response-auth (RFC 2831 §2.1): reads and writes them, with the rules on how
 * often a directive occurs. Knows nothing of users and hashes.
 */

import { isUtf8 } from 'node:buffer';
import { QOPS, type Qop } from '../../config/sasl-names.js';
import { LocalError, RemoteProtocolError } from '../../errors.js';
import { malformedMessage, utf8Of } from '../fault.js';
import { CIPHERS, type Cipher, DEFAULT_MAXBUF } from '../settings.js';
import { Directives, parseDirectives, parseMaxbuf, parseTokens, quotedDirective } from './directive.js';

/** A challenge is shorter than this, in octets (RFC 2831 §2.1.1). */
export const CHALLENGE_LIMIT = 2048;
/** A response is shorter than this, in octets (RFC 2831 §2.1.2). */
export const RESPONSE_LIMIT = 4096;

export interface Challenge {
  readonly realms: readonly string[];
  readonly nonce: string;
  readonly qops: readonly Qop[];
  readonly stale: boolean;
  readonly maxbuf: number;
  /** True: user name and password may be UTF-8. False: ISO 8859-1. */
  readonly utf8: boolean;
  readonly ciphers: readonly Cipher[];
}

/** Strings hold octets one per character, since they are hashed as sent; `decodeText` makes text of them. */
export interface Response {
  readonly username: string;
  readonly realm: string | undefined;
  readonly nonce: string;
  readonly cnonce: string;
  readonly nc: string;
  /** As sent: its case is hashed. */
  readonly qop: string;
  readonly digestUri: string;
  readonly response: string;
  readonly maxbuf: number;
  readonly utf8: boolean;
  readonly cipher: string | undefined;
  readonly authzid: string | undefined;
}

/**
 * Text of a value by the charset in force. Without charset it should be ISO 8859-1, but Cyrus SASL sends UTF-8 then, too:
 * octets beyond ASCII that form valid UTF-8 are hardly ever meant as ISO 8859-1, so they count as UTF-8.
 *
 * @throws RemoteProtocolError SASL_INVALID
 */
export function decodeDirective(value: string, utf8: boolean, what: string): string {
  const octets = Buffer.from(value, 'latin1');
  return utf8 || isUtf8(octets) ? utf8Of(octets, what) : value;
}

function charset(directives: Directives): boolean {
  const value = directives.optional('charset');
  if (value !== undefined && value.toLowerCase() !== 'utf-8')
    throw malformedMessage('DIGEST-MD5: charset can only be utf-8');
  return value !== undefined;
}

function known<T extends string>(tokens: readonly string[], all: readonly T[]): T[] {
  return all.filter((candidate) => tokens.includes(candidate));
}

function offeredQops(directives: Directives): Qop[] {
  const value = directives.optional('qop');
  const qops = value === undefined ? (['auth'] satisfies Qop[]) : known(parseTokens(value), QOPS);
  // RFC 2831 §2.1.1: unrecognized options are ignored; when none is recognized, the client aborts.
  if (qops.length === 0) throw malformedMessage('DIGEST-MD5: none of the qualities of protection is supported here');
  return qops;
}

function offeredCiphers(directives: Directives, qops: readonly Qop[]): Cipher[] {
  if (!qops.includes('auth-conf')) return [];
  // RFC 2831 §2.1.1 cipher-opts: exactly once when auth-conf is offered; none recognized: abort.
  const ciphers = known(parseTokens(directives.required('cipher')), CIPHERS);
  if (ciphers.length === 0) throw malformedMessage('DIGEST-MD5: none of the ciphers is supported here');
  return ciphers;
}

/** Whether it is the server's last message, response-auth. @throws RemoteProtocolError SASL_INVALID */
export function isServerProof(octets: Buffer): boolean {
  return new Directives(parseDirectives(octets, CHALLENGE_LIMIT)).has('rspauth');
}

/** @throws RemoteProtocolError SASL_INVALID: the client must abort */
export function parseChallenge(octets: Buffer): Challenge {
  const directives = new Directives(parseDirectives(octets, CHALLENGE_LIMIT));
  const nonce = directives.required('nonce');
  if (directives.required('algorithm').toLowerCase() !== 'md5-sess') {
    throw malformedMessage('DIGEST-MD5: the algorithm is not md5-sess');
  }
  const qops = offeredQops(directives);
  const utf8 = charset(directives);
  return {
    realms: directives.all('realm').map((realm) => decodeDirective(realm, utf8, 'realm')),
    nonce,
    qops,
    stale: directives.optional('stale')?.toLowerCase() === 'true',
    maxbuf: parseMaxbuf(directives.optional('maxbuf'), DEFAULT_MAXBUF),
    utf8,
    ciphers: offeredCiphers(directives, qops),
  };
}

export function formatChallenge(challenge: Challenge): Buffer {
  const layered = challenge.qops.some((qop) => qop !== 'auth');
  const parts = challenge.realms.map(
    (realm) => `realm=${quotedDirective(Buffer.from(realm, 'utf8').toString('latin1'))}`,
  );
  parts.push(`nonce=${quotedDirective(challenge.nonce)}`, `qop="${challenge.qops.join(',')}"`);
  if (challenge.qops.includes('auth-conf')) parts.push(`cipher="${challenge.ciphers.join(',')}"`);
  if (layered) parts.push(`maxbuf=${challenge.maxbuf}`);
  if (challenge.stale) parts.push('stale=true');
  parts.push('algorithm=md5-sess');
  if (challenge.utf8) parts.push('charset=utf-8');
  return Buffer.from(parts.join(','), 'latin1');
}

/** @throws RemoteProtocolError SASL_INVALID (535): a directive is missing, repeated or not well-formed */
export function parseResponse(octets: Buffer): Response {
  const directives = new Directives(parseDirectives(octets, RESPONSE_LIMIT));
  const nc = directives.required('nc');
  if (!/^[0-9a-f]{8}$/i.test(nc)) throw malformedMessage('DIGEST-MD5: nc is not eight hexadecimal digits');
  const response = directives.required('response');
  // RFC 2831 §2.1.2 LHEX: lower case only.
  if (!/^[0-9a-f]{32}$/.test(response))
    throw malformedMessage('DIGEST-MD5: response is not 32 lower-case hexadecimal digits');
  return {
    username: directives.required('username'),
    realm: directives.optional('realm'),
    nonce: directives.required('nonce'),
    cnonce: directives.required('cnonce'),
    nc,
    qop: directives.optional('qop') ?? 'auth',
    digestUri: directives.required('digest-uri'),
    response,
    maxbuf: parseMaxbuf(directives.optional('maxbuf'), DEFAULT_MAXBUF),
    utf8: charset(directives),
    cipher: directives.optional('cipher')?.toLowerCase(),
    authzid: directives.optional('authzid'),
  };
}

/** @throws LocalError ARGUMENT when it would reach {@link RESPONSE_LIMIT} */
export function formatResponse(response: Response): Buffer {
  const parts = response.utf8 ? ['charset=utf-8'] : [];
  parts.push(`username=${quotedDirective(response.username)}`);
  if (response.realm !== undefined) parts.push(`realm=${quotedDirective(response.realm)}`);
  parts.push(
    `nonce=${quotedDirective(response.nonce)}`,
    `nc=${response.nc}`,
    `cnonce=${quotedDirective(response.cnonce)}`,
    `digest-uri=${quotedDirective(response.digestUri)}`,
    `response=${response.response}`,
    `qop=${response.qop}`,
  );
  if (response.cipher !== undefined) parts.push(`cipher=${response.cipher}`);
  if (response.qop !== 'auth') parts.push(`maxbuf=${response.maxbuf}`);
  if (response.authzid !== undefined) parts.push(`authzid=${quotedDirective(response.authzid)}`);
  const octets = Buffer.from(parts.join(','), 'latin1');
  if (octets.length >= RESPONSE_LIMIT) throw new LocalError('ARGUMENT', 'the names are too long for DIGEST-MD5');
  return octets;
}

/** The server's proof, 32 hexadecimal digits. @throws RemoteProtocolError SASL_SERVER_UNPROVEN */
export function parseServerProof(octets: Buffer): string {
  const value = new Directives(parseDirectives(octets, CHALLENGE_LIMIT)).optional('rspauth');
  if (value === undefined || !/^[0-9a-f]{32}$/.test(value)) {
    throw new RemoteProtocolError('SASL_SERVER_UNPROVEN', 'the server sent no usable rspauth');
  }
  return value;
}

export function formatServerProof(proof: string): Buffer {
  return Buffer.from(`rspauth=${proof}`, 'latin1');
}
