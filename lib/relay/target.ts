/**
 * The seam of the relay: everything that can take a Data implements {@link DeliveryTarget} (an attached application, a
 * service, the link to the next relay), so that routing never asks what kind of thing it has found.
 */

import type { Payload } from '../beep/payload.js';
import type { Reply } from '../errors.js';
import type { Data } from '../imxp/operation.js';

/** A Data on its way to one target: recipients narrowed to those for this target, options filtered for this hop. */
export interface OutboundDelivery {
  readonly data: Data;
  /** The octets for a channel of that dialect; the received ones, uncopied, whenever nothing changed. */
  payload(profile: string): Payload;
}

/** Told exactly once, possibly before `deliver` returns. */
export interface DeliverySink {
  /**
   * The target answered `ok`.
   *
   * @param later the target has taken over: whether it arrives shows later, and the target tells whoever asked
   */
  delivered(later?: boolean): void;
  failed(reply: Reply): void;
}

export interface DeliveryTarget {
  deliver(delivery: OutboundDelivery, sink: DeliverySink): void;
  /**
   * Where this target has several ways in parallel: the one for a recipient (normalised address), always the same while
   * any Data of the originator to it is unanswered. Recipients of one way may share a Data. Absent: there is one way, in order.
   */
  lane?(recipient: string, originator: string): DeliveryTarget;
  /** The domain of the relay it leads to, where known; Data is never sent back to the relay it came from. */
  readonly relay?: string | undefined;
}

/**
 * The ways to foreign domains. `toward` is asked for each Data and must be cheap.
 *
 * @returns a target, or the reply for recipients of that domain (550 no relay for domain, 450 relay unavailable).
 */
export interface Dialer {
  toward(domain: string): DeliveryTarget | Reply;
  /** Other relays of the domains served here; none unless given. */
  readonly siblings?: readonly DeliveryTarget[];
}

/** Answers questions about the endpoints of the local domains. */
export interface Directory {
  /** Whether an endpoint is known here, attached or not. Asked only when it is not attached. */
  known(address: string): Promise<boolean>;
  /** When an endpoint was given its account, milliseconds since 1970; what was held before is not for it. */
  created?(address: string): Promise<number | undefined>;
}

/** The action that an originator needs to be granted (access-01 §3). */
export const CORE_DATA = 'core:data';

/** Decides about a local recipient (the access service; core-01 §4.4.4.1 step 3.3). */
export interface AccessPolicy {
  /** Whether `owner` grants `action` (for instance `core:data`) to `actor`; a promise only where it must be looked up. */
  allowed(owner: string, actor: string, action: string): boolean | Promise<boolean>;
}
