/**
 * The few answers all mechanisms share. Owns their wording, so that an unknown user, a wrong password and a decoy cannot
 * be told apart by it.
 */

import { timingSafeEqual } from 'node:crypto';
import { RemoteProtocolError, type Reply } from '../errors.js';
import type { ServerStep } from './mechanism.js';

/** One text for every reason a credential is not accepted. */
export const NOT_ACCEPTED: Reply = Object.freeze({
  code: 535,
  text: 'user name or password not accepted',
});

/** The octets of a mechanism do not follow its grammar; the text may say what is wrong, for it judges no secret. */
export function malformedMessage(what: string): RemoteProtocolError {
  return new RemoteProtocolError('SASL_INVALID', what, {
    reply: { code: 535, text: what },
  });
}

/** The credentials are not accepted; `reason` is for the log only. */
export function notAccepted(reason: string): ServerStep {
  return { type: 'failure', reply: NOT_ACCEPTED, reason };
}

/** Any other refusal, with words for the peer. */
export function failure(code: number, text: string, reason = text): ServerStep {
  return { type: 'failure', reply: { code, text }, reason };
}

/** Compares secrets in a time that tells only whether their lengths differ. */
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
