/** Reply codes (core-01 §10, RFC 3342) and the meaning of their digits. Receivers tolerate any three-digit code. */
import type { Reply } from '../errors.js';

/** Every code that this project sends or knows, with the texts of the tables. */
export const REPLY_CODES: ReadonlyMap<number, string> = new Map([
  [250, 'transaction successful'],
  [350, 'transient success'],
  [421, 'service not available'],
  [450, 'requested action not taken'],
  [451, 'requested action aborted'],
  [454, 'temporary authentication failure'],
  [500, 'general syntax error'],
  [501, 'syntax error in parameters'],
  [503, 'owner does not match'],
  [504, 'parameter not implemented'],
  [530, 'authentication required'],
  [534, 'authentication mechanism insufficient'],
  [535, 'authentication failure'],
  [537, 'action not authorized for user'],
  [538, 'authentication mechanism requires encryption'],
  [550, 'requested action not taken'],
  [551, 'subscriber terminated the subscription'],
  [553, 'parameter invalid'],
  [554, 'transaction failed'],
  [555, 'transaction already in progress'],
  [556, 'attachment overridden'],
]);

/** Returns a reply with the text of the table unless another is given. */
export function replyOf(code: number, text?: string): Reply {
  return { code, text: text ?? REPLY_CODES.get(code) ?? '' };
}

/** 2xx and 3xx. */
export function isSuccess(code: number): boolean {
  return code >= 200 && code < 400;
}

/** 4xx: the same request may succeed later. */
export function isTransientCode(code: number): boolean {
  return code >= 400 && code < 500;
}
