/**
 * Option of an attach by which an application says that it only sends (D-CORE-49): it receives for no address but the one
 * it attaches as, and its attachment makes nobody present.
 */
import type { Option } from './operation.js';
import { newTransId } from './trans-id.js';

/** Peers that do not know the option ignore it. */
const SEND_ONLY = 'urn:x-imxp:send-only';

export function sendOnlyOption(): Option {
  return {
    internal: undefined,
    external: SEND_ONLY,
    targetHop: 'final',
    seeNoEvil: true,
    transID: newTransId(),
    localize: 'i-default',
    inner: Buffer.alloc(0),
  };
}

/** Whether the options of an attach say that its application only sends. */
export function isSendOnly(options: readonly Option[]): boolean {
  return options.some(({ external }) => external === SEND_ONLY);
}
