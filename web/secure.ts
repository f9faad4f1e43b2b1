/** End-to-end security is not there in a browser yet: whoever asks for it is told so, and not sent without. */
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

/** What is signed or encrypted is given to the application as it came. */
export function unsealed(content: Content): { content: Content; signed: undefined; encrypted: false } {
  return { content, signed: undefined, encrypted: false };
}

function missing(): LocalError {
  return new LocalError('ARGUMENT', 'messages cannot be signed or encrypted in a browser yet');
}
