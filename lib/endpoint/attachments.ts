/**
 * The addresses an endpoint wants to be attached as, and under which transaction identifiers it is on one connection. An
 * address counts as attached from the moment it is asked for: deliveries may overtake the processing of the relay's ok.
 */
import { LocalError } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import type { Attach, Option } from '../imxp/operation.js';
import { newTransId } from '../imxp/trans-id.js';
import { givenAddress } from './address.js';

/** Those that are wanted, in the order in which they were. */
export class Attachments {
  /** By normalised address. D-CORE-01: the domain is compared without regard to case. */
  readonly #byKey = new Map<string, string>();

  get addresses(): string[] {
    return [...this.#byKey.values()];
  }

  /** @throws LocalError ADDRESS_INVALID, or ARGUMENT when it is attached already */
  add(address: string): void {
    const { key } = givenAddress(address);
    if (this.#byKey.has(key)) throw new LocalError('ARGUMENT', `${address} is attached already`);
    this.#byKey.set(key, address);
  }

  remove(address: string): void {
    this.#byKey.delete(givenAddress(address).key);
  }
}

function overriding(): Option {
  return {
    internal: 'attachOverride',
    external: undefined,
    targetHop: 'final',
    seeNoEvil: true,
    transID: newTransId(),
    localize: 'i-default',
    inner: Buffer.alloc(0),
  };
}

/** Those that one connection has. */
export class SessionAttachments {
  readonly #byKey = new Map<string, { readonly address: string; readonly transID: number }>();

  /** Whether there is any. */
  get live(): boolean {
    return this.#byKey.size > 0;
  }

  get transIDs(): number[] {
    return [...this.#byKey.values()].map(({ transID }) => transID);
  }

  /**
   * The operation that attaches an address; it counts as attached from now on.
   *
   * @param override takes the place of another application (RFC 3342 §1)
   */
  attach(address: string, override = false): Attach {
    const transID = newTransId();
    this.#byKey.set(givenAddress(address).key, { address, transID });
    return { type: 'attach', endpoint: address, transID, options: override ? [overriding()] : [] };
  }

  /** It is attached no more, or never was. */
  remove(address: string): void {
    this.#byKey.delete(givenAddress(address).key);
  }

  transID(address: string): number | undefined {
    return this.#byKey.get(givenAddress(address).key)?.transID;
  }

  /** The relay ended an attachment. @returns its address */
  ended(transID: number): string | undefined {
    for (const [key, attachment] of this.#byKey) {
      if (attachment.transID !== transID) continue;
      this.#byKey.delete(key);
      return attachment.address;
    }
    return undefined;
  }

  /** Whether Data for an identity is for here. */
  has(identity: string): boolean {
    const key = addressOf(identity)?.key;
    return key !== undefined && this.#byKey.has(key);
  }
}
