/**
 * Option in which a subscriber proves who they are (D-PRES-21): a signed statement in base64, beside a `subscribe` or
 * `notify`, whose DTD leaves no room for it. Services pass it on as it came; peers that do not know it ignore it.
 */
import type { Option } from './operation.js';
import { newTransId } from './trans-id.js';

/** Name of the option. */
export const SUBSCRIBER_PROOF = 'urn:x-imxp:subscriber-proof';

const BASE64 = /^[A-Za-z0-9+/=\s]+$/;

/** Returns the option that carries a proof to a watcher. */
export function proofOption(proof: string): Option {
  return {
    internal: undefined,
    external: SUBSCRIBER_PROOF,
    targetHop: 'final',
    seeNoEvil: true,
    transID: newTransId(),
    localize: 'i-default',
    inner: Buffer.from(proof),
  };
}

/** Returns the text of the first proof among the options of a Data operation; undefined when there is none. */
export function proofAmong(options: readonly Option[]): string | undefined {
  return options.find(({ external }) => external === SUBSCRIBER_PROOF)?.inner.toString('latin1');
}

/** Whether a text can be a proof. */
export function isProof(text: string): boolean {
  return BASE64.test(text);
}
