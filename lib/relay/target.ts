/**
 * Interfaces between routing and delivery. Everything that accepts Data operations implements {@link DeliveryTarget}
 * (an attached application, a service, the link to the next relay), so that routing does not depend on its kind.
 */

import type { Reply } from '../errors.js';
import type { Data } from '../imxp/operation.js';
import { type Payload, payloadOctets } from '../mime/payload.js';

/** A Data operation on its way to one target, with the recipients of this target and the options of this hop. */
export interface OutboundDelivery {
  readonly data: Data;
  /** Returns the payload for a channel of a dialect: the received one, uncopied, if nothing changed. */
  payload(profile: string): Payload;
}

/** Returns the octets of a Data as it was received, for limits; 0 for one that was made here. */
export function receivedOctets({ data }: OutboundDelivery): number {
  return payloadOctets(data.source?.payload);
}

/** Told exactly once, possibly before `deliver` returns. */
export interface DeliverySink {
  /**
   * The target answered `ok`.
   *
   * @param later the target took over: the result shows later, and the target reports it
   */
  delivered(later?: boolean): void;
  failed(reply: Reply): void;
}

/** Told the answer to a Data operation before the sink is. */
export interface AnswerListener {
  /** @param ok whether the answer was ok */
  answered(ok: boolean): void;
}

export interface DeliveryTarget {
  deliver(delivery: OutboundDelivery, sink: DeliverySink): void;
  /**
   * Returns, for a target with several parallel lanes, the lane of a recipient (normalized address). It stays the same
   * while any operation of the originator to the recipient is unanswered; recipients of one lane may share a Data
   * operation. Absent: there is one lane, in order.
   */
  lane?(recipient: string, originator: string): DeliveryTarget;
  /**
   * Domain of the relay that the target leads to, if known. An operation is never sent back to the relay that it came
   * from.
   */
  readonly relay?: string | undefined;
}

/**
 * Links to foreign domains. `toward` is called for each Data operation and must be cheap.
 *
 * @returns a target, or the reply for recipients of that domain (550 no relay for domain, 450 relay unavailable)
 */
export interface Dialer {
  toward(domain: string): DeliveryTarget | Reply;
  /** Other relays of the domains served here; default: none. */
  readonly siblings?: readonly DeliveryTarget[];
}

/** Directory of the endpoints of the local domains. */
export interface Directory {
  /** Whether an endpoint has an account here. Asked only if it is not attached. */
  known(address: string): Promise<boolean>;
  /**
   * What tells the account of an endpoint from earlier and later ones of the same name; undefined when it has none. What was
   * held for an earlier one is not for it.
   */
  generation?(address: string): Promise<string | undefined>;
}

/** The action that an originator must be granted (access-01 §3). */
export const CORE_DATA = 'core:data';

/** Decides about access to a local recipient (the access service; core-01 §4.4.4.1 step 3.3). */
export interface AccessPolicy {
  /**
   * Whether `owner` grants `action` (for instance `core:data`) to `actor`; a promise only if that must be looked up.
   */
  allowed(owner: string, actor: string, action: string): boolean | Promise<boolean>;
}
