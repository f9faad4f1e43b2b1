import { expect } from 'chai';
import { stanza, writeStanza, type XmppElement, xmppElement } from '../../../lib/gateway/xmpp/element.js';
import { XmppPeer } from '../../../lib/gateway/xmpp/peer.js';
import { XmppPresence } from '../../../lib/gateway/xmpp/presence.js';
import { fakes, PRESENCE } from './fakes.js';

const ADDRESSES = { from: 'romeo@slate.example/o', to: 'fred@example.com' };

/** What a peer answers to a stanza. */
function answers(element: XmppElement): string[] {
  const { link, context } = fakes();
  const presence = new XmppPresence(context, PRESENCE, new AbortController().signal);
  const peer = new XmppPeer(
    context,
    { confirmation: 'receipt', confirmationTimeoutMs: 10, stanzaOctets: 1000, outstanding: 1, outstandingPerUser: 1 },
    presence,
  );
  peer.received(element, link);
  return link.sent.map((one) => writeStanza(one));
}

const query = (name: string, namespace: string, to = ADDRESSES.to, type = 'get') =>
  stanza('iq', { ...ADDRESSES, to, type, id: 'q' }, xmppElement(name, namespace));

describe('an XMPP server as peer of a gateway', () => {
  it('discovers that the gateway supports receipts (XEP-0030, XEP-0184)', () => {
    const [user = ''] = answers(query('query', 'http://jabber.org/protocol/disco#info'));
    expect(user).to.contain("type='result'").and.contain("var='urn:xmpp:receipts'");
    const [domain = ''] = answers(query('query', 'http://jabber.org/protocol/disco#info', 'example.com'));
    expect(domain).to.contain("category='gateway' type='imxp'").and.not.contain('receipts');
  });

  it('gets an answer to a ping (XEP-0199), and an error to other requests', () => {
    expect(answers(query('ping', 'urn:xmpp:ping'))).to.deep.equal([
      "<iq from='fred@example.com' to='romeo@slate.example/o' id='q' type='result'/>",
    ]);
    expect(answers(query('vCard', 'vcard-temp'))[0]).to.contain('feature-not-implemented');
    expect(answers(query('ping', 'urn:xmpp:ping', ADDRESSES.to, 'set'))[0]).to.contain("type='error'");
    expect(answers(query('ping', 'urn:xmpp:ping', ADDRESSES.to, 'result'))).to.deep.equal([]);
  });
});
