/** Parses addresses given by the application. A wrong one is the application's fault, not a peer's. */
import { LocalError } from '../errors.js';
import { type Address, parseAddress } from '../imxp/address.js';

/** @throws LocalError ADDRESS_INVALID */
export function givenAddress(text: string): Address {
  try {
    return parseAddress(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LocalError('ADDRESS_INVALID', `${JSON.stringify(text)} is ${why}`, { cause });
  }
}
