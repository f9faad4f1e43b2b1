/** Options of an attach by which an application says what it wants of what arrives for its account. Peers that do not know them ignore them. */
import type { Option } from './operation.js';
import { newTransId } from './trans-id.js';

/** What an application has said with its attach. */
export interface AttachWishes {
  /**
   * D-CORE-49: it only sends, so it receives for no address but the one it attaches as, and its attachment makes nobody
   * present.
   */
  readonly sendOnly?: boolean;
  /** D-CORE-50: it shares what arrives for its account with the others that say so, each message to one of them. */
  readonly queueGroup?: boolean;
}

const NAMES: Readonly<Record<keyof AttachWishes, string>> = {
  sendOnly: 'urn:x-imxp:send-only',
  queueGroup: 'urn:x-imxp:queue-group',
};

/** Returns the options that say it. */
export function wishOptions({ sendOnly, queueGroup }: AttachWishes): Option[] {
  return [
    ...(sendOnly === true ? [optionNamed(NAMES.sendOnly)] : []),
    ...(queueGroup === true ? [optionNamed(NAMES.queueGroup)] : []),
  ];
}

/** Returns what the options of an attach say, without what they do not say. */
export function wishesOf(options: readonly Option[]): AttachWishes {
  const says = (name: string): boolean => options.some(({ external }) => external === name);
  return {
    ...(says(NAMES.sendOnly) ? { sendOnly: true } : {}),
    ...(says(NAMES.queueGroup) ? { queueGroup: true } : {}),
  };
}

function optionNamed(external: string): Option {
  return {
    internal: undefined,
    external,
    targetHop: 'final',
    seeNoEvil: true,
    transID: newTransId(),
    localize: 'i-default',
    inner: Buffer.alloc(0),
  };
}
