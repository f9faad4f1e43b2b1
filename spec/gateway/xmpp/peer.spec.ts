import { expect } from 'chai';
import { LocalPeer } from '../../../lib/gateway/local-peer.js';
import { XmppAddresses } from '../../../lib/gateway/xmpp/addresses.js';
import { stanza, writeStanza, type XmppElement, xmppElement } from '../../../lib/gateway/xmpp/element.js';
import { XmppPeer } from '../../../lib/gateway/xmpp/peer.js';
import { pause } from '../../../lib/transport/backoff.js';

const ADDRESSES = { from: 'romeo@slate.example/o', to: 'fred@example.com' };

/** What a peer answers to a stanza. */
function answers(element: XmppElement): string[] {
  const sent: string[] = [];
  const link = {
    domain: 'example.com',
    online: new AbortController().signal,
    send: async (one: XmppElement) => void sent.push(writeStanza(one)),
  };
  const addresses = new XmppAddresses({ users: [], components: [{ mesh: 'example.com', xmpp: 'example.com' }] });
  const gateway = new LocalPeer();
  const peer = new XmppPeer(
    { addresses, linkOf: () => link, gateway: () => gateway, wait: pause, now: Date.now },
    { confirmation: 'receipt', confirmationTimeoutMs: 10, stanzaOctets: 1000, outstanding: 1, outstandingPerUser: 1 },
  );
  peer.received(element, link);
  return sent;
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

  it('receives a refusal for presence subscriptions, which the gateway does not carry', () => {
    expect(answers(stanza('presence', { ...ADDRESSES, type: 'subscribe' }))).to.deep.equal([
      "<presence from='fred@example.com' to='romeo@slate.example/o' type='unsubscribed'/>",
    ]);
    expect(answers(stanza('presence', ADDRESSES))).to.deep.equal([]);
  });
});
