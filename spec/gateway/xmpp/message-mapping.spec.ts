import { expect } from 'chai';
import { RefusedError } from '../../../lib/errors.js';
import { isLoop, returnedIds } from '../../../lib/gateway/passed.js';
import { childOf, dataIn, stanza, writeStanza, xmppElement } from '../../../lib/gateway/xmpp/element.js';
import {
  asksForReceipt,
  contentOfStanza,
  hasText,
  maxForwardsOf,
  passedBy,
  stanzaOfText,
  xmppTextOf,
} from '../../../lib/gateway/xmpp/message-mapping.js';
import { writeCpim } from '../../../lib/message/cpim/document.js';
import { instantMessage } from '../../../lib/message/instant-message.js';
import { madeContent } from '../../../lib/message/write.js';

const NOW = Date.UTC(2026, 10, 30, 12);
const FRED = { local: 'fred', domain: 'example.com' };
const ROMEO = { local: 'romeo', domain: 'slate.example' };
const NAMESPACE = 'jabber:component:accept';

const part = (type: string, body: string | Buffer) => ({ type, headers: [], body: Buffer.from(body) });
const envelope = { from: FRED, to: ROMEO, id: 'abc', maxForwards: 7, now: NOW };
const data = (name: string, text: string) => xmppElement(name, NAMESPACE, {}, text);

describe('messages through the XMPP gateway', () => {
  it('are converted to stanzas with body, subject, thread, language, ID and a receipt request', () => {
    const message = instantMessage({
      subject: 'Bowling',
      text: 'Tonight at <eight>?\nBring the ball.',
      lang: 'en-GB',
      messageId: '<1@example.com>',
      date: new Date(NOW),
      fields: [{ namespace: 'jabber:client', name: 'thread', value: 'games', lang: undefined, seeNoEvil: true }],
    });
    for (const form of ['nested', 'part'] as const) {
      const made = madeContent(message, form, 'example.com');
      if (!('type' in made)) throw new Error('not an entity');
      expect(writeStanza(stanzaOfText(xmppTextOf({ ...made, headers: [] }), envelope)), form).to.equal(
        "<message from='fred@example.com/imxp' to='romeo@slate.example' id='abc' type='chat' xml:lang='en-GB'>" +
          '<subject>Bowling</subject><body>Tonight at &lt;eight&gt;?\nBring the ball.</body><thread>games</thread>' +
          "<request xmlns='urn:xmpp:receipts'/><origin-id xmlns='urn:xmpp:sid:0' id='1@example.com'/>" +
          "<headers xmlns='http://jabber.org/protocol/shim'><header name='Max-Forwards'>7</header>" +
          "<header name='X-IMXP-Gateway'>example.com;id=abc</header></headers></message>",
      );
    }
  });

  it('may be plain text or message/cpim', () => {
    expect(xmppTextOf(part('text/plain; charset=iso-8859-1', Buffer.from([0xe9, 0x0d, 0x0a]))).body).to.equal(
      '\u00e9\n',
    );
    const cpim = writeCpim({
      from: { phrase: undefined, uri: 'im:fred@example.com' },
      to: [{ phrase: undefined, uri: 'im:romeo@slate.example' }],
      subject: 'Bowling',
      dateTime: new Date(NOW),
      content: { type: 'text/plain; charset=UTF-8', body: Buffer.from('eight') },
    });
    const { body, subject } = xmppTextOf(part('message/cpim', cpim));
    expect([body, subject]).to.deep.equal(['eight', 'Bowling']);
  });

  it('are refused with a code unless they are text', () => {
    for (const content of [part('image/png', 'x'), part('text/html', '<p>x</p>'), part('text/xml', '<x/>')]) {
      expect(() => xmppTextOf(content), content.type)
        .to.throw(RefusedError)
        .with.nested.property('reply.code', 550);
    }
    expect(() => writeStanza(stanzaOfText(xmppTextOf(part('text/plain', 'a\u0007b')), envelope))).to.throw(
      'a character that XML cannot carry',
    );
  });

  it('carry a delay stamp if they were written some time ago (XEP-0203)', () => {
    const text = {
      body: 'x',
      subject: undefined,
      thread: undefined,
      lang: undefined,
      messageId: undefined,
      passed: [],
    };
    const delay = (ms: number) =>
      childOf(stanzaOfText({ ...text, date: new Date(NOW - ms) }, envelope), 'delay', 'urn:xmpp:delay');
    expect(delay(59_000)).to.equal(undefined);
    expect(delay(3_600_000)?.attributes).to.deep.equal({ from: 'example.com', stamp: '2026-11-30T11:00:00.000Z' });
  });

  it('are converted from stanzas without losing what the stanza says', () => {
    const message = stanza(
      'message',
      { from: 'romeo@slate.example/orchard', to: 'fred@example.com', type: 'chat', id: 'a 1', 'xml:lang': 'de' },
      data('subject', 'Kegeln\n heute'),
      data('body', 'Um acht? <&>\nBring die Kugel mit.'),
      data('thread', 'games'),
      xmppElement('request', 'urn:xmpp:receipts'),
      xmppElement('delay', 'urn:xmpp:delay', { stamp: '2026-11-29T10:00:00Z' }),
    );
    const content = contentOfStanza(message, 'romeo@xmpp.example', 'fred@example.com', 'example.com', NOW);
    expect(content.type).to.match(/^multipart\/related/i);
    const { body, ...rest } = xmppTextOf(content);
    expect(body).to.equal('Um acht? <&>\nBring die Kugel mit.');
    expect(rest).to.deep.equal({
      subject: 'Kegeln heute',
      thread: 'games',
      lang: 'de',
      messageId: '<a%201@xmpp.example>',
      passed: ['example.com'],
      date: new Date(Date.UTC(2026, 10, 29, 10)),
    });
  });

  it('omit invalid IDs, threads and languages', () => {
    const message = stanza(
      'message',
      { id: 'x'.repeat(300), 'xml:lang': "de' x='" },
      data('body', 'x'),
      data('thread', 'y'.repeat(300)),
    );
    const { messageId, thread, lang, date } = xmppTextOf(
      contentOfStanza(message, 'romeo@xmpp.example', 'fred@example.com', 'example.com', NOW),
    );
    expect([messageId, thread, lang, date]).to.deep.equal([undefined, undefined, undefined, new Date(NOW)]);
  });

  it('name the gateways that they have passed, in both directions', () => {
    const message = stanza(
      'message',
      { id: 'a' },
      data('body', 'x'),
      xmppElement(
        'headers',
        'http://jabber.org/protocol/shim',
        {},
        xmppElement('header', 'http://jabber.org/protocol/shim', { name: 'X-IMXP-Gateway' }, 'other.example'),
      ),
    );
    const text = xmppTextOf(contentOfStanza(message, 'romeo@xmpp.example', 'fred@example.com', 'mesh.example', NOW));
    expect(text.passed).to.deep.equal(['other.example', 'mesh.example']);
    expect(passedBy(stanzaOfText(text, envelope))).to.deep.equal([
      'other.example',
      'mesh.example',
      `example.com;id=${envelope.id}`,
    ]);
    expect(isLoop(['other.example', 'Example.com'], 'example.com')).to.equal(true);
    expect(isLoop(['other.example', 'Example.com;id=a1'], 'example.com')).to.equal(true);
    expect(returnedIds(['other.example;id=b2', 'Example.com;id=a1', 'example.com'], 'example.com')).to.deep.equal([
      'a1',
    ]);
    expect(isLoop(['other.example'], 'example.com')).to.equal(false);
    expect(
      isLoop(
        Array.from({ length: 16 }, (_, index) => `${index}.example`),
        'example.com',
      ),
    ).to.equal(true);
  });

  it('are stanzas with a body only, not chat states, markers or receipts', () => {
    expect(hasText(stanza('message', {}, data('body', 'x')))).to.equal(true);
    for (const child of [
      xmppElement('composing', 'http://jabber.org/protocol/chatstates'),
      xmppElement('displayed', 'urn:xmpp:chat-markers:0', { id: 'a' }),
      xmppElement('received', 'urn:xmpp:receipts', { id: 'a' }),
      xmppElement('sent', 'urn:xmpp:carbons:2', {}, xmppElement('body', 'jabber:client', {}, 'x')),
      data('body', ''),
    ])
      expect(hasText(stanza('message', {}, child)), child.name).to.equal(false);
    expect(asksForReceipt(stanza('message', {}, xmppElement('request', 'urn:xmpp:receipts')))).to.equal(true);
    expect(asksForReceipt(stanza('message', {}, xmppElement('request', 'urn:other')))).to.equal(false);
  });

  it('carry the number of gateways that they may still pass (XEP-0131)', () => {
    const made = stanzaOfText(xmppTextOf(part('text/plain', 'x')), envelope);
    expect(maxForwardsOf(made)).to.equal(7);
    expect(maxForwardsOf(stanza('message', {}))).to.equal(undefined);
    const odd = xmppElement('header', 'http://jabber.org/protocol/shim', { name: 'Max-Forwards' }, '-1');
    expect(maxForwardsOf(stanza('message', {}, xmppElement('headers', odd.namespace, {}, odd)))).to.equal(undefined);
    expect(dataIn(childOf(made, 'body'))).to.equal('x');
  });
});
