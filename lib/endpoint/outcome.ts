/** Result of a message for one recipient. */
import { type ImxpError, RefusedError } from '../errors.js';
import { leavesOpen } from '../imxp/certainty.js';

export interface Outcome {
  /** The address as given by the caller. */
  readonly recipient: string;
  /** Whether the recipient's application answered `ok`. */
  readonly accepted: boolean;
  /** 250, or the code of the refusal; undefined when there was no answer. */
  readonly code: number | undefined;
  readonly text: string;
  /** Milliseconds until the answer. */
  readonly ms: number;
  /** The error, unless it was accepted. */
  readonly error?: ImxpError;
}

export function acceptedBy(recipient: string, ms: number): Outcome {
  return { recipient, accepted: true, code: 250, text: 'accepted', ms };
}

export function failedFor(recipient: string, ms: number, error: ImxpError): Outcome {
  const { code, text } = error instanceof RefusedError ? error.reply : { code: undefined, text: error.message };
  return { recipient, accepted: false, code, text, ms, error };
}

/** Whether a message that failed with this error certainly was not delivered: it is safe to send it again. */
export function certainlyNotDelivered(error: ImxpError): boolean {
  return error instanceof RefusedError ? !leavesOpen(error.reply) : error.fields['sent'] === false;
}
