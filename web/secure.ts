/**
 * Replacement of end-to-end security, which is not available in browsers yet: requests for it fail instead of sending
 * without it.
 */
import type { Sealed } from '../lib/endpoint/secure.js';
import { LocalError } from '../lib/errors.js';
import type { Content, MadeContent } from '../lib/imxp/content.js';

export async function secureOf(given: unknown): Promise<undefined> {
  if (given !== undefined) throw missing();
}

export function sealed(content: MadeContent, { sign, encrypt }: Sealed): MadeContent {
  if (sign === true || encrypt === true) throw missing();
  return content;
}

/** Signed or encrypted content is passed to the application unchanged. */
export function unsealed(content: Content): { content: Content; signed: undefined; encrypted: false } {
  return { content, signed: undefined, encrypted: false };
}

/** Nothing is remembered. */
export function forgotten(): void {}

/** Presence cannot be signed, and signatures are not verified. */
export function securedPresence(): never {
  throw missing();
}

export function openedPresence(): undefined {}

function missing(): LocalError {
  return new LocalError('ARGUMENT', 'messages cannot be signed or encrypted in a browser yet');
}
