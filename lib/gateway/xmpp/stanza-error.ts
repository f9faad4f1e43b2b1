/** Stanza errors (RFC 6120 §8.3) as reply codes, and back. Pure. */
import type { Reply } from '../../errors.js';
import { beginningOf, legible } from '../../xml/write.js';
import { childElements, childOf, dataIn, type XmppElement, xmppElement } from './element.js';

const STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/** RFC 6120 §8.3.2. */
type ErrorType = 'auth' | 'cancel' | 'continue' | 'modify' | 'wait';

interface Condition {
  readonly condition: string;
  readonly type: ErrorType;
}

const UNKNOWN: Condition = { condition: 'undefined-condition', type: 'cancel' };

/** By reply code; others by their first digit. */
const CONDITIONS: ReadonlyMap<number, Condition> = new Map<number, Condition>([
  [421, { condition: 'remote-server-timeout', type: 'wait' }],
  [450, { condition: 'recipient-unavailable', type: 'wait' }],
  [451, { condition: 'remote-server-timeout', type: 'wait' }],
  [500, { condition: 'bad-request', type: 'modify' }],
  [501, { condition: 'bad-request', type: 'modify' }],
  [504, { condition: 'feature-not-implemented', type: 'cancel' }],
  [530, { condition: 'forbidden', type: 'auth' }],
  [534, { condition: 'policy-violation', type: 'cancel' }],
  [535, { condition: 'forbidden', type: 'auth' }],
  [537, { condition: 'forbidden', type: 'auth' }],
  [538, { condition: 'policy-violation', type: 'cancel' }],
  [550, { condition: 'item-not-found', type: 'cancel' }],
  [553, { condition: 'jid-malformed', type: 'modify' }],
]);

/** By condition; others by the type of the error. */
const CODES: ReadonlyMap<string, number> = new Map([
  ['bad-request', 501],
  ['conflict', 550],
  ['feature-not-implemented', 504],
  ['forbidden', 537],
  ['gone', 550],
  ['internal-server-error', 451],
  ['item-not-found', 550],
  ['jid-malformed', 553],
  ['not-acceptable', 550],
  ['not-allowed', 537],
  ['not-authorized', 537],
  ['policy-violation', 550],
  ['recipient-unavailable', 450],
  ['redirect', 550],
  ['registration-required', 537],
  ['remote-server-not-found', 550],
  ['remote-server-timeout', 451],
  ['resource-constraint', 450],
  // RFC 6121 §8.5: for users that do not exist, and for those who are away and for whom nothing is kept
  ['service-unavailable', 550],
  ['subscription-required', 537],
]);

const DEFAULT_CODES: Readonly<Record<ErrorType, number>> = {
  auth: 537,
  cancel: 550,
  continue: 550,
  modify: 550,
  wait: 450,
};

const WORDS: ReadonlyMap<string, string> = new Map([
  ['item-not-found', 'the XMPP server knows no such user'],
  ['recipient-unavailable', 'the XMPP user cannot be reached now; try again later'],
  ['remote-server-not-found', 'the XMPP server of that domain cannot be found'],
  ['remote-server-timeout', 'the XMPP server of that domain does not answer'],
  ['service-unavailable', 'the XMPP server has no such user, or the user is away and it keeps no messages'],
]);

/** Texts are for people; a longer one is not. */
const TEXT_CHARACTERS = 400;

/** Makes the `error` element for a reply. */
export function stanzaErrorOf({ code, text }: Reply): XmppElement {
  const { condition, type } = CONDITIONS.get(code) ?? (code < 500 ? { ...UNKNOWN, type: 'wait' } : UNKNOWN);
  const words = beginningOf(legible(`${code} ${text}`.trim()), TEXT_CHARACTERS);
  return xmppElement(
    'error',
    'jabber:component:accept',
    { type },
    xmppElement(condition, STANZAS),
    xmppElement('text', STANZAS, { 'xml:lang': 'en' }, words),
  );
}

/** The reply that a stanza of type `error` amounts to. */
export function replyOfStanzaError(stanza: XmppElement): Reply {
  const error = childOf(stanza, 'error');
  const conditions = conditionsIn(error);
  const condition = conditions.find(({ name }) => name !== 'text')?.name ?? UNKNOWN.condition;
  const said = dataIn(conditions.find(({ name }) => name === 'text'))?.trim() ?? '';
  const code = CODES.get(condition) ?? DEFAULT_CODES[typeOf(error)];
  const words = WORDS.get(condition) ?? `the XMPP side refused it: ${condition}`;
  return { code, text: beginningOf(legible(said === '' ? words : `${words} (${said})`), TEXT_CHARACTERS) };
}

/** Conditions with which a server answers in the name of another that it cannot reach (RFC 6120 §8.3.3). */
const UNREACHABLE = new Set(['remote-server-not-found', 'remote-server-timeout', 'internal-server-error']);

/** Whether a stanza of type `error` may come from a server on the way rather than from its sender. */
export function saysUnreachable(stanza: XmppElement): boolean {
  return conditionsIn(childOf(stanza, 'error')).some(({ name }) => UNREACHABLE.has(name));
}

function conditionsIn(error: XmppElement | undefined): XmppElement[] {
  return error === undefined ? [] : childElements(error).filter(({ namespace }) => namespace === STANZAS);
}

function typeOf(error: XmppElement | undefined): ErrorType {
  const type = error?.attributes['type'];
  return type !== undefined && isErrorType(type) ? type : 'cancel';
}

function isErrorType(type: string): type is ErrorType {
  return Object.hasOwn(DEFAULT_CODES, type);
}
