/** Answers to requests (`iq`) of XMPP clients and servers: what is here (XEP-0030), and pings (XEP-0199). Pure. */
import { childElements, stanza, type XmppElement, xmppElement } from './element.js';
import { parseJid } from './jid.js';
import { RECEIPTS } from './message-mapping.js';
import { stanzaErrorOf } from './stanza-error.js';

const DISCO_INFO = 'http://jabber.org/protocol/disco#info';
const DISCO_ITEMS = 'http://jabber.org/protocol/disco#items';
const PING = 'urn:xmpp:ping';

/** @returns undefined for an `iq` that is an answer itself */
export function answerToQuery(iq: XmppElement): XmppElement | undefined {
  const { type, id, from, to } = iq.attributes;
  if (type === 'result' || type === 'error') return undefined;
  const [request] = childElements(iq);
  const found = type === 'get' && request !== undefined ? resultOf(request, to ?? '') : undefined;
  if (found === undefined) {
    const refusal = stanzaErrorOf({ code: 504, text: 'the gateway to the mesh does not support this request' });
    return stanza('iq', { from: to, to: from, id, type: 'error' }, refusal);
  }
  return stanza('iq', { from: to, to: from, id, type: 'result' }, found === 'empty' ? undefined : found);
}

function resultOf({ name, namespace }: XmppElement, to: string): XmppElement | 'empty' | undefined {
  if (name === 'ping' && namespace === PING) return 'empty';
  if (name !== 'query') return undefined;
  if (namespace === DISCO_ITEMS) return xmppElement('query', DISCO_ITEMS);
  if (namespace !== DISCO_INFO) return undefined;
  const user = (parseJid(to)?.local ?? '') !== '';
  const identity = user
    ? { category: 'account', type: 'registered' }
    : { category: 'gateway', type: 'imxp', name: 'IMXP mesh' };
  // For users: clients ask for receipts only where they see that there are some.
  const features = [DISCO_INFO, PING, ...(user ? [RECEIPTS] : [])];
  return xmppElement(
    'query',
    DISCO_INFO,
    {},
    xmppElement('identity', DISCO_INFO, identity),
    ...features.map((feature) => xmppElement('feature', DISCO_INFO, { var: feature })),
  );
}
