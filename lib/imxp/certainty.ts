/**
 * Rule for messages without `ok`: every hop decides by it between 450 (certainly not delivered, safe to send again) and
 * 451 (unknown). Links, channels, siblings and the endpoint library use it. See docs/internals/delivery.md.
 */
import type { Reply } from '../errors.js';

/**
 * Reason why a message has no answer: `unsent` = no octet of it has left; `lost` = some octet may have left, and the
 * connection or the channel ended; `timeout` = no answer in time; `unreadable` = the answer was neither ok nor error.
 */
export type Unanswered = 'unsent' | 'lost' | 'timeout' | 'unreadable';

/** Certainly not delivered: safe to send again, or by another hop. */
export const NOT_DELIVERED = 450;
/** It may have been delivered, or may still be delivered. */
export const UNKNOWN = 451;

const SERVICE_NOT_AVAILABLE = 421;

/** Whether a message without an answer was certainly not delivered, because none of it has left. */
export function certainlyUnsent(why: Unanswered): boolean {
  return why === 'unsent';
}

/** Returns the code for a message without an answer. */
export function codeUnanswered(why: Unanswered): typeof NOT_DELIVERED | typeof UNKNOWN {
  return certainlyUnsent(why) ? NOT_DELIVERED : UNKNOWN;
}

/** Whether a refusal says that the message was certainly not delivered, so that another hop may be tried at once. */
export function mayTakeAnotherWay({ code }: Reply): boolean {
  return code === NOT_DELIVERED || code === SERVICE_NOT_AVAILABLE;
}

/** Whether a refusal leaves open whether the message was delivered. */
export function leavesOpen({ code }: Reply): boolean {
  return code >= 400 && code < 500 && code !== NOT_DELIVERED && code !== SERVICE_NOT_AVAILABLE;
}
