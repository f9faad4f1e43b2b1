/**
 * Attachments of an endpoint: the addresses the application wants, and on each session their transIDs. An address
 * counts as attached as soon as the attach is sent, since a delivery can be processed before the relay's `ok`.
 */
import { LocalError } from '../errors.js';
import { addressOf, wholeDomain } from '../imxp/address.js';
import { type AttachWishes, wishOptions } from '../imxp/attach-options.js';
import type { Attach, Option } from '../imxp/operation.js';
import { newTransId } from '../imxp/trans-id.js';
import { givenAddress } from './address.js';

/** Addresses that the application wants to be attached as, in the order of the requests. */
export class Attachments {
  /** By normalised address. D-CORE-01: the domain is compared without regard to case. */
  readonly #byKey = new Map<string, string>();

  get addresses(): string[] {
    return [...this.#byKey.values()];
  }

  /** @throws LocalError ADDRESS_INVALID, or ARGUMENT when it is attached already */
  add(address: string): void {
    const { key } = givenAddress(address);
    if (this.#byKey.has(key)) throw new LocalError('ARGUMENT', `this endpoint is already attached as ${address}`);
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

export interface AttachConditions extends AttachWishes {
  readonly override?: boolean;
}

/** Attachments on one session. */
export class SessionAttachments {
  readonly #byKey = new Map<string, { readonly address: string; readonly transID: number }>();

  /** Whether any address is attached. */
  get live(): boolean {
    return this.#byKey.size > 0;
  }

  get transIDs(): number[] {
    return [...this.#byKey.values()].map(({ transID }) => transID);
  }

  /**
   * Returns the operation that attaches an address, which counts as attached from now on.
   *
   * @param override replaces another application that is attached as this address (RFC 3342 §1)
   */
  attach(address: string, { override, ...wishes }: AttachConditions = {}): Attach {
    const transID = newTransId();
    this.#byKey.set(givenAddress(address).key, { address, transID });
    const options = [...(override === true ? [overriding()] : []), ...wishOptions(wishes)];
    return { type: 'attach', endpoint: address, transID, options };
  }

  /** Forgets an attachment that has ended or was refused. */
  remove(address: string): void {
    this.#byKey.delete(givenAddress(address).key);
  }

  transID(address: string): number | undefined {
    return this.#byKey.get(givenAddress(address).key)?.transID;
  }

  /** Removes an attachment that the relay has ended. @returns its address */
  ended(transID: number): string | undefined {
    for (const [key, attachment] of this.#byKey) {
      if (attachment.transID !== transID) continue;
      this.#byKey.delete(key);
      return attachment.address;
    }
    return undefined;
  }

  /**
   * Whether a Data operation for this identity is for this endpoint: for it alone, for one of its whole domain, or for the
   * account of which this is a program (D-CORE-48).
   */
  has(identity: string): boolean {
    const name = addressOf(identity);
    if (name === undefined) return false;
    if (this.#byKey.has(name.key) || this.#byKey.has(wholeDomain(name.domain))) return true;
    if (name.key !== name.base) return false;
    for (const key of this.#byKey.keys()) if (addressOf(key)?.base === name.base) return true;
    return false;
  }
}
