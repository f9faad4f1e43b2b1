/**
 * The two ways an instant message can be wrong: it is not valid, or it demands what is not understood here. Both are for
 * the endpoint that reads it; relays never look (message-service-01 §3.1).
 */
import { RemoteProtocolError } from '../errors.js';

/** @returns an error to throw: reply 501. */
export function invalidMessage(what: string): RemoteProtocolError {
  return new RemoteProtocolError('MESSAGE_INVALID', what, { reply: { code: 501, text: what } });
}

/** @returns an error to throw: processing was abandoned because something must be understood and is not, reply 504. */
export function notUnderstood(what: string): RemoteProtocolError {
  return new RemoteProtocolError('MESSAGE_NOT_UNDERSTOOD', what, { reply: { code: 504, text: what } });
}

/** @returns an error to throw: the reference names nothing in the message, reply 501. */
export function unresolved(what: string): RemoteProtocolError {
  return new RemoteProtocolError('CONTENT_UNRESOLVED', what, { reply: { code: 501, text: what } });
}

/** What strangers wrote, short enough for an error. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
