/**
 * What to answer for a Data when its recipients came out differently (core-01 §4.4.4.1 step 4, D-CORE-19). Owns the combining
 * of replies and the texts the relay itself gives; refuses to know how a recipient was reached.
 */
import type { Reply } from '../errors.js';
import { leavesOpen, UNKNOWN, type Unanswered } from '../imxp/certainty.js';
import { isTransientCode } from '../imxp/reply-code.js';

/** A recipient that failed, named as it was in the Data. */
export interface Failure {
  readonly identity: string;
  readonly reply: Reply;
}

/** The replies a relay gives of its own accord (D-CORE-19); shared constants. */
export const REPLIES = {
  unknownEndpoint: { code: 550, text: 'unknown endpoint identity' },
  unknownService: { code: 550, text: 'unknown service' },
  notAttached: { code: 450, text: 'not attached' },
  accountDisabled: { code: 550, text: 'the account is disabled: ask whoever runs the relay of its domain' },
  accessDenied: { code: 537, text: 'access denied' },
  noTransit: { code: 550, text: 'no relay for domain: this relay does not forward between foreign domains' },
  loop: { code: 550, text: 'no relay for domain: the way leads back to where the data came from' },
  relayUnavailable: { code: 450, text: 'relay unavailable' },
  addressInvalid: { code: 553, text: 'the recipient is not of the form local@domain' },
  uncommonName: {
    code: 553,
    text: 'a name cannot be said in the dialect of the next hop: IMXP and APEX differ in names',
  },
  busy: { code: 450, text: 'recipient busy' },
  tooManyData: { code: 450, text: 'you send data too fast: wait a second and send this one again' },
  tooManyOctets: { code: 450, text: 'you send too many octets at a time: wait some seconds and send this one again' },
  tooManyAttach: { code: 450, text: 'you attach or bind too often: wait a second and try again' },
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
  delayed: { code: 350, text: 'delivery takes longer than expected, and goes on' },
  hopsUsedUp: { code: 550, text: 'more relays on the way than its hop limit allows' },
  heldEnough: {
    code: 450,
    text: 'as many messages are held for this endpoint as may be: send again when it is attached',
  },
  heldAll: { code: 450, text: 'this relay holds as many messages as it may: send again later' },
  heldTooLarge: {
    code: 550,
    text: 'the message is larger than what may be held for an endpoint: send it when it is attached',
  },
  heldUntimed: {
    code: 450,
    text: 'not attached, and messages are held here only with a time limit: send it with dataTiming',
  },
  heldTooLong: { code: 550, text: 'held as long as messages may be held, and the endpoint did not attach' },
  heldFailed: { code: 451, text: 'the message could not be stored: try again later' },
  internal: { code: 451, text: 'requested action aborted: fault in this relay' },
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

/** The reply for a Data that a relay, or an application, did not answer; its code is that of the one rule. */
export function unanswered(why: Unanswered, relay: boolean): Reply {
  return (relay ? FROM_RELAY : FROM_ENDPOINT)[why];
}

/**
 * How many failures a combined text lists. A Data may name a thousand recipients of a thousand octets each, and the
 * answer should not be larger than what most Data are.
 */
const LISTED = 64;

/**
 * The one reply for a Data none of whose recipients succeeded: the code all failures share, otherwise 451 when it is unknown of
 * any of them whether it was delivered, 450 when any of them is transient, and 550 when all are permanent.
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
  // What has expired may have been with the application by then.
  if (failures.some(({ reply }) => leavesOpen(reply) || reply === REPLIES.expired)) return UNKNOWN;
  return failures.some(({ reply }) => isTransientCode(reply.code)) ? 450 : 550;
}

function listed(failures: readonly Failure[], detail: (failure: Failure) => string): string {
  const lines = failures.slice(0, LISTED).map((failure) => `${failure.identity} ${detail(failure)}`);
  if (failures.length > LISTED) lines.push(`and ${failures.length - LISTED} more`);
  return lines.join('\n');
}
