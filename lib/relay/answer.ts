/**
 * Replies of the relay: its own texts, and the one reply to a Data operation whose recipients had different results
 * (core-01 §4.4.4.1 step 4, D-CORE-19).
 */
import type { Reply } from '../errors.js';
import { leavesOpen, UNKNOWN, type Unanswered } from '../imxp/certainty.js';
import { isTransientCode } from '../imxp/reply-code.js';

/** A recipient that failed, named as in the Data operation. */
export interface Failure {
  readonly identity: string;
  readonly reply: Reply;
}

/** Replies that a relay gives on its own behalf (D-CORE-19), as shared constants. */
export const REPLIES = {
  unknownEndpoint: { code: 550, text: 'unknown endpoint identity' },
  unknownService: { code: 550, text: 'unknown service' },
  notAttached: { code: 450, text: 'not attached' },
  accountDisabled: { code: 550, text: 'the account is disabled: ask the operator of the relay of its domain' },
  accessDenied: { code: 537, text: 'access denied' },
  noTransit: { code: 550, text: 'no relay for domain: this relay does not forward between foreign domains' },
  loop: { code: 550, text: 'no relay for domain: the next hop is the relay that the data came from' },
  relayUnavailable: { code: 450, text: 'relay unavailable' },
  addressInvalid: { code: 553, text: 'the recipient is not of the form local@domain' },
  uncommonName: {
    code: 553,
    text: 'a name cannot be written in the dialect of the next hop: IMXP and APEX differ in names',
  },
  busy: { code: 450, text: 'recipient busy' },
  tooManyData: { code: 450, text: 'you are sending data too fast: wait a second and send this again' },
  tooManyOctets: { code: 450, text: 'you are sending too many octets: wait some seconds and send this again' },
  tooManyAttach: { code: 450, text: 'you are attaching or binding too often: wait a second and try again' },
  relayBusy: { code: 450, text: 'relay busy: too many operations are waiting on this channel' },
  noAnswer: { code: 451, text: 'no answer in time' },
  endpointLost: { code: 451, text: 'the connection to the recipient was lost before it answered' },
  relayLost: { code: 451, text: 'the connection to the next relay was lost before it answered' },
  endpointUnsent: { code: 450, text: 'the connection to the recipient is closing' },
  relayUnsent: { code: 450, text: 'the connection to the next relay is closing' },
  answerInvalid: { code: 451, text: 'the answer of the recipient was not understood' },
  relayAnswerInvalid: { code: 451, text: 'the answer of the next relay was not understood' },
  lookupFailed: { code: 451, text: 'the recipient could not be looked up' },
  domainLookupFailed: { code: 450, text: 'the domain could not be looked up in the DNS: try again later' },
  expired: { code: 550, text: 'not delivered within its time limit' },
  delayed: { code: 350, text: 'delivery is taking longer than expected and continues' },
  hopsUsedUp: { code: 550, text: 'the hop limit was reached before the domain of the recipient' },
  heldEnough: {
    code: 450,
    text: 'the limit of messages held for this endpoint is reached: send again when it is attached',
  },
  heldShare: {
    code: 450,
    text: 'your share of the messages held by this relay is used up: send again when some have been delivered',
  },
  accountGone: { code: 550, text: 'the account that the message was held for no longer exists' },
  heldAll: { code: 450, text: 'the limit of messages held by this relay is reached: send again later' },
  heldTooLarge: {
    code: 550,
    text: 'the message is too large to be held for an endpoint: send it when the endpoint is attached',
  },
  heldUntimed: {
    code: 450,
    text: 'not attached, and messages are held here only with a time limit: send it with dataTiming',
  },
  heldTooLong: { code: 550, text: 'held for the longest time allowed, and the endpoint did not attach' },
  heldNotWritten: { code: 450, text: 'this relay could not store the message: send it again later' },
  heldFailed: { code: 451, text: 'this relay could not store the message, or does not know whether it has' },
  internal: { code: 451, text: 'requested action aborted: internal error of this relay' },
  ended: { code: 537, text: 'the operator ended this attachment' },
  shuttingDown: { code: 421, text: 'service not available: this relay is shutting down' },
} as const satisfies Record<string, Reply>;

const FROM_RELAY: Readonly<Record<Unanswered, Reply>> = {
  unsent: REPLIES.relayUnsent,
  lost: REPLIES.relayLost,
  timeout: REPLIES.noAnswer,
  unreadable: REPLIES.relayAnswerInvalid,
};

const FROM_ENDPOINT: Readonly<Record<Unanswered, Reply>> = {
  unsent: REPLIES.endpointUnsent,
  lost: REPLIES.endpointLost,
  timeout: REPLIES.noAnswer,
  unreadable: REPLIES.answerInvalid,
};

/**
 * Returns the reply for a Data operation that a relay or an application did not answer; the code follows from what is
 * certain.
 */
export function unanswered(why: Unanswered, relay: boolean): Reply {
  return (relay ? FROM_RELAY : FROM_ENDPOINT)[why];
}

/**
 * Number of failures that a combined text lists. A Data operation may name a thousand recipients of a thousand octets
 * each, and the answer should not be larger than most Data operations.
 */
const LISTED = 64;

/**
 * Returns the reply to a Data operation with no successful recipient: the code that all failures share; otherwise 451
 * if the delivery to any recipient is unknown, 450 if any failure is transient, and 550 if all are permanent.
 *
 * @param failures at least one
 */
export function combine(failures: readonly Failure[]): Reply {
  const [first] = failures;
  if (first === undefined) return REPLIES.internal;
  const { code, text } = first.reply;
  const sameCode = failures.every(({ reply }) => reply.code === code);
  if (sameCode && failures.every(({ reply }) => reply.text === text)) return first.reply;
  if (sameCode) return { code, text: listed(failures, ({ reply }) => reply.text) };
  return { code: combinedCode(failures), text: listed(failures, ({ reply }) => String(reply.code)) };
}

function combinedCode(failures: readonly Failure[]): number {
  // An expired message may already have reached the application.
  if (failures.some(({ reply }) => leavesOpen(reply) || reply === REPLIES.expired)) return UNKNOWN;
  return failures.some(({ reply }) => isTransientCode(reply.code)) ? 450 : 550;
}

function listed(failures: readonly Failure[], detail: (failure: Failure) => string): string {
  const lines = failures.slice(0, LISTED).map((failure) => `${failure.identity} ${detail(failure)}`);
  if (failures.length > LISTED) lines.push(`and ${failures.length - LISTED} more`);
  return lines.join('\n');
}
