import { expect } from 'chai';
import { type CpimResponse, responseTo } from '../../lib/gateway/cpim-service.js';
import { Shares } from '../../lib/gateway/shares.js';
import { XmppAddresses } from '../../lib/gateway/xmpp/addresses.js';
import { stanza, xmppElement } from '../../lib/gateway/xmpp/element.js';
import { XmppMessages } from '../../lib/gateway/xmpp/messages.js';
import { XmppPresence } from '../../lib/gateway/xmpp/presence.js';
import { fakes, PRESENCE, turn } from './xmpp/fakes.js';

const NAMESPACE = 'jabber:component:accept';
const addresses = new XmppAddresses({
  users: [{ mesh: 'xmpp.example', xmpp: 'slate.example' }],
  components: [{ mesh: 'example.com', xmpp: 'example.com' }],
  sourceRouted: 'gw.example',
});
/** Ten users of a domain that somebody has set up, of a domain below it, and one user of a listed domain. */
const CROWD = ['evil.example', 'more.evil.example'].flatMap((domain) =>
  Array.from({ length: 10 }, (_, index) => `u${index}@${domain}`),
);

describe('the shares of XMPP users', () => {
  it('are given back', () => {
    const shares = new Shares({ all: 4, perUser: 1 }, (domain) => domain === 'slate.example');
    const far = { domain: 'evil.example' };
    for (let round = 0; round < 3; round += 1) {
      expect(shares.hasRoom('a', far)).to.equal(true);
      shares.count('a', far, 1);
      expect([shares.hasRoom('a', far), shares.hasRoom('b', far)]).to.deep.equal([false, false]);
      expect(shares.hasRoom('b', { domain: 'slate.example' })).to.equal(true);
      shares.count('a', far, -1);
    }
  });

  it('leave room for messages of listed domains when many users of others write', async () => {
    const { link, mesh, context } = fakes();
    const limits = { outstanding: 8, outstandingPerUser: 2, stanzaOctets: 2000, confirmationTimeoutMs: 1 };
    const messages = new XmppMessages({ ...context, addresses }, { confirmation: 'receipt', ...limits });
    const waiting: (() => void)[] = [];
    mesh.answer = (one) =>
      new Promise<CpimResponse>((resolve) => void waiting.push(() => resolve(responseTo(one, 'success'))));
    const write = (from: string) =>
      messages.received(
        stanza('message', { from, to: 'fred@example.com', id: from }, xmppElement('body', NAMESPACE, {}, 'x')),
        link,
      );
    const writing = [...CROWD, 'romeo@slate.example'].map(write);
    await turn();
    expect(mesh.taken.map(({ source }) => source.replace(/^.*@/, ''))).to.deep.equal([
      ...Array.from({ length: 4 }, () => 'gw.example'),
      'xmpp.example',
    ]);
    expect(mesh.taken.filter(({ source }) => source.includes('%2F') && source.includes('more.'))).to.have.length(2);
    for (const answer of waiting) answer();
    await Promise.all(writing);
  });

  it('leave room for subscriptions of listed domains when many users of others subscribe', async () => {
    const { link, mesh, context } = fakes();
    const options = { ...PRESENCE, subscriptions: 8 };
    const presence = new XmppPresence({ ...context, addresses }, options, new AbortController().signal);
    for (const from of [...CROWD, 'romeo@slate.example'])
      await presence.received(stanza('presence', { from, to: 'fred@example.com', type: 'subscribe' }), link);
    expect(mesh.asked).to.have.length(5);
    expect(mesh.asked.at(-1)?.watcher).to.equal('pres:romeo@xmpp.example');
    expect(link.sent.filter(({ attributes: { type } }) => type === 'error')).to.have.length(16);
  });
});
