import { expect } from 'chai';
import { childOf, stanza, writeStanza, xmppElement } from '../../../lib/gateway/xmpp/element.js';
import { replyOfStanzaError, stanzaErrorOf } from '../../../lib/gateway/xmpp/stanza-error.js';

const STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

describe('stanza errors', () => {
  it('represent replies of the mesh (RFC 6120 §8.3)', () => {
    expect(writeStanza(stanzaErrorOf({ code: 550, text: 'no such <endpoint>' }))).to.equal(
      `<error type='cancel'><item-not-found xmlns='${STANZAS}'/><text xmlns='${STANZAS}' xml:lang='en'>550 no such &lt;endpoint&gt;</text></error>`,
    );
    for (const [code, type, condition] of [
      [421, 'wait', 'remote-server-timeout'],
      [450, 'wait', 'recipient-unavailable'],
      [451, 'wait', 'remote-server-timeout'],
      [454, 'wait', 'undefined-condition'],
      [501, 'modify', 'bad-request'],
      [504, 'cancel', 'feature-not-implemented'],
      [537, 'auth', 'forbidden'],
      [553, 'modify', 'jid-malformed'],
      [554, 'cancel', 'undefined-condition'],
    ] as const) {
      const error = stanzaErrorOf({ code, text: 'x' });
      expect(error.attributes, String(code)).to.deep.equal({ type });
      expect(childOf(error, condition, STANZAS), String(code)).not.to.equal(undefined);
    }
  });

  it('are well-formed for any text', () => {
    const long = `${'a'.repeat(399 - '550 '.length)}\u{1f3b3}`;
    expect(writeStanza(stanzaErrorOf({ code: 550, text: long }))).to.contain(`550 ${long.slice(0, -2)}<`);
    expect(writeStanza(stanzaErrorOf({ code: 550, text: 'a\u0000b\ud800' }))).to.contain('550 a\ufffdb\ufffd');
  });

  it('are converted to replies of the mesh', () => {
    const error = (type: string, condition: string, text?: string) =>
      stanza(
        'message',
        { type: 'error' },
        xmppElement(
          'error',
          'jabber:component:accept',
          { type },
          xmppElement(condition, STANZAS),
          text === undefined ? undefined : xmppElement('text', STANZAS, {}, text),
        ),
      );
    for (const [type, condition, code] of [
      ['cancel', 'item-not-found', 550],
      ['cancel', 'service-unavailable', 550],
      ['wait', 'recipient-unavailable', 450],
      ['wait', 'resource-constraint', 450],
      ['wait', 'remote-server-timeout', 451],
      ['cancel', 'remote-server-not-found', 550],
      ['auth', 'forbidden', 537],
      ['modify', 'jid-malformed', 553],
      ['wait', 'made-up', 450],
      ['auth', 'made-up', 537],
      ['odd', 'made-up', 550],
    ] as const)
      expect(replyOfStanzaError(error(type, condition)).code, `${type} ${condition}`).to.equal(code);
    expect(replyOfStanzaError(error('cancel', 'item-not-found', 'nobody here')).text).to.equal(
      'the XMPP server knows no such user (nobody here)',
    );
    expect(replyOfStanzaError(stanza('message', { type: 'error' })).code).to.equal(550);
  });
});
