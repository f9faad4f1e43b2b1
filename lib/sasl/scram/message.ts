/** The messages of SCRAM (RFC 5802 §5.1, §7): reads and writes them. Knows no keys and no users. */

import { RemoteProtocolError } from '../../errors.js';
import { malformedMessage, utf8Of } from '../fault.js';

/** Longest client message: two names of 255 octets, a nonce and channel binding fit. */
export const MESSAGE_LIMIT = 4096;

export interface ClientFirst {
  /**
   * `n`: no binding; `y`: the client supports it but believes that the server does not; otherwise the type of binding.
   */
  readonly binding: 'n' | 'y' | { readonly type: string };
  readonly authzid: string | undefined;
  readonly username: string;
  readonly nonce: string;
  /** The part before client-first-message-bare, which comes back in `c=`. */
  readonly gs2Header: string;
  readonly bare: string;
}

export interface ClientFinal {
  readonly binding: Buffer;
  readonly nonce: string;
  readonly proof: Buffer;
  readonly withoutProof: string;
}

export interface ServerFirst {
  readonly nonce: string;
  readonly salt: Buffer;
  readonly iterations: number;
}

// RFC 5802 §7: a saslname has no NUL and no comma, and `=` only as =2C or =3D; printable is visible ASCII without comma.
const NAME = '((?:[^\\0,=]|=2C|=3D)+)';
const PRINTABLE = '([!-+\\--~]+)';
const BASE64 = '((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)';
const MORE = '(?:,[A-Za-z]=[^\\0,]+)*';
const CLIENT_FIRST = new RegExp(
  `^((?:([ny])|p=([A-Za-z0-9.-]+)),(?:a=${NAME})?,)(n=${NAME},r=${PRINTABLE}${MORE})$`,
  'su',
);
const CLIENT_FINAL = new RegExp(`^(c=${BASE64},r=${PRINTABLE}${MORE}),p=${BASE64}$`, 'su');
const SERVER_FIRST = new RegExp(`^r=${PRINTABLE},s=${BASE64},i=([1-9][0-9]{0,8})${MORE}$`, 'su');
const SERVER_FINAL = new RegExp(`^v=${BASE64}${MORE}$`, 'su');

function textOf(octets: Buffer): string {
  if (octets.length > MESSAGE_LIMIT) throw malformedMessage('SCRAM: the message is too long');
  return utf8Of(octets, 'SCRAM: the message');
}

function decodeName(name: string): string {
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

/** Writes a saslname. */
export function encodeName(name: string): string {
  return name.replaceAll('=', '=3D').replaceAll(',', '=2C');
}

/** @throws RemoteProtocolError SASL_INVALID; also for a mandatory extension, none of which exists */
export function parseClientFirst(octets: Buffer): ClientFirst {
  const match = CLIENT_FIRST.exec(textOf(octets));
  if (match === null) throw malformedMessage('SCRAM: the first message is malformed');
  const [, gs2Header = '', flag, type = '', authzid, bare = '', username = '', nonce = ''] = match;
  return {
    binding: flag === 'n' || flag === 'y' ? flag : { type },
    authzid: authzid === undefined ? undefined : decodeName(authzid),
    username: decodeName(username),
    nonce,
    gs2Header,
    bare,
  };
}

/** @throws RemoteProtocolError SASL_INVALID */
export function parseClientFinal(octets: Buffer): ClientFinal {
  const match = CLIENT_FINAL.exec(textOf(octets));
  if (match === null) throw malformedMessage('SCRAM: the final message is malformed');
  const [, withoutProof = '', binding = '', nonce = '', proof = ''] = match;
  return {
    binding: Buffer.from(binding, 'base64'),
    nonce,
    proof: Buffer.from(proof, 'base64'),
    withoutProof,
  };
}

/** @throws RemoteProtocolError SASL_INVALID */
export function parseServerFirst(octets: Buffer): ServerFirst {
  const match = SERVER_FIRST.exec(textOf(octets));
  if (match === null) throw malformedMessage("SCRAM: the server's first message is malformed");
  const [, nonce = '', salt = '', iterations = ''] = match;
  return {
    nonce,
    salt: Buffer.from(salt, 'base64'),
    iterations: Number(iterations),
  };
}

/** The server's signature. @throws RemoteProtocolError SASL_SERVER_UNPROVEN, also for an `e=` */
export function parseServerFinal(octets: Buffer): Buffer {
  const signature = SERVER_FINAL.exec(textOf(octets))?.[1];
  if (signature === undefined) {
    throw new RemoteProtocolError('SASL_SERVER_UNPROVEN', "SCRAM: the server's final message contains no proof");
  }
  return Buffer.from(signature, 'base64');
}
