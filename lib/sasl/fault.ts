/**
 * Answers shared by all mechanisms, worded so that an unknown user, a wrong password and a decoy cannot be told apart.
 */

import { timingSafeEqual } from 'node:crypto';
import { RemoteProtocolError, type Reply } from '../errors.js';
import type { ServerStep } from './mechanism.js';

/** The same text for every reason why credentials are not accepted. */
export const NOT_ACCEPTED: Reply = Object.freeze({
  code: 535,
  text: 'user name or password not accepted',
});

/** The message violates the grammar of the mechanism. The text may say how, since no secret is involved. */
export function malformedMessage(what: string): RemoteProtocolError {
  return new RemoteProtocolError('SASL_INVALID', what, {
    reply: { code: 535, text: what },
  });
}

/** The credentials are not accepted; `reason` is for the log only. */
export function notAccepted(reason: string): ServerStep {
  return { type: 'failure', reply: NOT_ACCEPTED, reason };
}

/** Any other refusal, with a text for the peer. */
export function failure(code: number, text: string, reason = text): ServerStep {
  return { type: 'failure', reply: { code, text }, reason };
}

/** Compares secrets in constant time; only a difference in length is observable. */
export function equalSecrets(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes UTF-8 strictly. @throws RemoteProtocolError SASL_INVALID */
export function utf8Of(octets: Buffer, what: string): string {
  try {
    return STRICT_UTF8.decode(octets);
  } catch (cause) {
    throw new RemoteProtocolError('SASL_INVALID', `${what} is not UTF-8`, {
      reply: { code: 535, text: `${what} is not UTF-8` },
      cause,
    });
  }
}
