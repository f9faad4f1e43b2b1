/**
 * Errors of instant messages: not valid, or requiring something that is not understood here. Only endpoints detect
 * them; relays never look into messages (message-service-01 §3.1).
 */
import { RemoteProtocolError } from '../errors.js';

/** @returns an error to throw: reply 501. */
export function invalidMessage(what: string): RemoteProtocolError {
  return new RemoteProtocolError('MESSAGE_INVALID', what, { reply: { code: 501, text: what } });
}

/** @returns an error to throw when a mandatory item is not understood: reply 504. */
export function notUnderstood(what: string): RemoteProtocolError {
  return new RemoteProtocolError('MESSAGE_NOT_UNDERSTOOD', what, { reply: { code: 504, text: what } });
}

/** @returns an error to throw when a reference names nothing in the message: reply 501. */
export function unresolved(what: string): RemoteProtocolError {
  return new RemoteProtocolError('CONTENT_UNRESOLVED', what, { reply: { code: 501, text: what } });
}

/** Text from a peer, shortened and quoted for an error message. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
