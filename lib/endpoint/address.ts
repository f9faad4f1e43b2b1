/** Parses addresses given by the application. A wrong one is the application's fault, not a peer's. */
import { randomUUID } from 'node:crypto';
import { asciiAddress } from '../config/domain-name.js';
import { LocalError } from '../errors.js';
import { type Address, localOf, parseAddress, wordsOf } from '../imxp/address.js';

/**
 * Parses an address whose domain may be in U-labels.
 *
 * @throws LocalError ADDRESS_INVALID
 */
export function givenAddress(text: string): Address {
  try {
    return parseAddress(wireAddress(text));
  } catch (cause) {
    if (cause instanceof LocalError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LocalError('ADDRESS_INVALID', `${JSON.stringify(text)} is ${why}`, { cause });
  }
}

/**
 * Returns an address, or a pattern of addresses, as it goes on the wire: its domain in A-labels (RFC 5890 §2.3.2.1). Checks
 * nothing else.
 *
 * @throws LocalError ADDRESS_INVALID
 */
export function wireAddress(text: string): string {
  const address = asciiAddress(text);
  if (address !== undefined) return address;
  throw new LocalError(
    'ADDRESS_INVALID',
    `${JSON.stringify(text)} is not an address: what follows the "@" is not a domain name, not even an international one`,
  );
}

/**
 * Returns a subaddress that no other program has, in the form of RFC 2846 that core-01 §2.2 refers to: `fred/chat=1f…@domain`.
 *
 * @param use what the program does, for those who see the address
 * @throws LocalError ADDRESS_INVALID
 */
export function beside(address: string, use: string): string {
  const name = givenAddress(address);
  const random = randomUUID().replaceAll('-', '').slice(0, 16);
  return `${localOf(wordsOf(name).base, `${use}=${random}`)}@${name.domain}`;
}
