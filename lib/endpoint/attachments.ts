/**
 * The addresses an endpoint wants to be attached as, and under which transaction identifiers. An address counts as attached
 * from the moment it is asked for: deliveries may overtake the processing of the relay's ok.
 */
import { LocalError } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import type { Attach } from '../imxp/operation.js';
import { newTransId } from '../imxp/trans-id.js';
import { givenAddress } from './address.js';

interface Attachment {
  readonly address: string;
  /** Undefined while there is no connection or the relay has ended it. */
  transID: number | undefined;
}

export class Attachments {
  readonly #byKey = new Map<string, Attachment>();

  get addresses(): string[] {
    return [...this.#byKey.values()].map(({ address }) => address);
  }

  /** Whether any address is attached at present. */
  get live(): boolean {
    for (const { transID } of this.#byKey.values()) if (transID !== undefined) return true;
    return false;
  }

  /** @throws LocalError ADDRESS_INVALID, or ARGUMENT when it is attached already */
  add(address: string): void {
    const key = keyOf(address);
    if (this.#byKey.has(key)) throw new LocalError('ARGUMENT', `${address} is attached already`);
    this.#byKey.set(key, { address, transID: undefined });
  }

  /** The operation that attaches an address; it counts as attached from now on. */
  attach(address: string): Attach {
    const transID = newTransId();
    const attachment = this.#byKey.get(keyOf(address));
    if (attachment !== undefined) attachment.transID = transID;
    return { type: 'attach', endpoint: address, transID, options: [] };
  }

  transID(address: string): number | undefined {
    return this.#byKey.get(keyOf(address))?.transID;
  }

  remove(address: string): void {
    this.#byKey.delete(keyOf(address));
  }

  /** The relay ended an attachment. @returns its address */
  ended(transID: number): string | undefined {
    for (const attachment of this.#byKey.values()) {
      if (attachment.transID !== transID) continue;
      attachment.transID = undefined;
      return attachment.address;
    }
    return undefined;
  }

  /** The connection is gone. */
  lose(): void {
    for (const attachment of this.#byKey.values()) attachment.transID = undefined;
  }

  /** Whether Data for an identity is for here. */
  has(identity: string): boolean {
    const key = addressOf(identity)?.key;
    return key !== undefined && this.#byKey.get(key)?.transID !== undefined;
  }
}

/** IMXP core §2: the domain is compared without regard to case. */
function keyOf(address: string): string {
  return givenAddress(address).key;
}
