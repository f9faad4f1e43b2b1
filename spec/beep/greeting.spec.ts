/**
 * The beginning of a session (RFC 3080 §2.3.1.1, §2.4), octet for octet.
 */
import { expect } from 'chai';
import { Session } from '../../lib/beep/session.js';
import { LocalError } from '../../lib/errors.js';
import { ECHO, Pair } from '../support/pair.js';
import { faults, only, SessionHarness, XML } from './session-harness.js';

const TLS = 'http://iana.org/beep/TLS';

describe('beep: greeting', () => {
  it('REQ-BEEP-034 greets at once, without waiting for the peer', () => {
    const session = new Session({ role: 'initiator', profiles: [] });
    expect(session.state).to.equal('greeting');
    expect(Buffer.concat(session.transmit(65_536)).toString()).to.equal(
      `RPY 0 0 . 0 52\r\n${XML}<greeting />\r\nEND\r\n`,
    );
  });

  it('REQ-BEEP-035 lists the profiles it serves, without content', () => {
    const session = new Session({ role: 'listener', profiles: [TLS] });
    expect(Buffer.concat(session.transmit(65_536)).toString()).to.equal(
      `RPY 0 0 . 0 110\r\n${XML}<greeting>\r\n   <profile uri='${TLS}' />\r\n</greeting>\r\nEND\r\n`,
    );
  });

  it('writes features and languages', () => {
    const session = new Session({
      role: 'listener',
      profiles: [],
      features: ['x-one', 'x-two'],
      localize: ['de', 'en'],
    });
    expect(Buffer.concat(session.transmit(65_536)).toString()).to.contain(
      "<greeting features='x-one x-two' localize='de en' />",
    );
  });

  it('REQ-BEEP-057 refuses to name an unregistered feature without the prefix x-', () => {
    expect(() => new Session({ role: 'listener', profiles: [], features: ['fast'] }))
      .to.throw(LocalError)
      .with.property('code', 'ARGUMENT');
  });

  it('D-BEEP-12 reads profiles, features and languages', () => {
    const harness = new SessionHarness();
    const { greeting } = only(
      harness.say(
        'RPY',
        0,
        0,
        `${XML}<greeting features='a x-b' localize='de  en'><profile uri='${TLS}'/>\r\n<profile uri='${ECHO}'/></greeting>`,
      ),
      'greeting',
    );
    expect(greeting).to.deep.equal({ profiles: [TLS, ECHO], features: ['a', 'x-b'], localize: ['de', 'en'] });
    expect(harness.session.peer).to.deep.equal(greeting);
    expect(harness.session.state).to.equal('ready');
  });

  it('takes the absence of localize as i-default', () => {
    const { greeting } = only(new SessionHarness().say('RPY', 0, 0, `${XML}<greeting />`), 'greeting');
    expect(greeting).to.deep.equal({ profiles: [], features: [], localize: ['i-default'] });
  });

  it('holds the greeting back until it is asked for', () => {
    const harness = new SessionHarness({ greet: false });
    expect(harness.session.pending).to.equal(false);
    harness.say('RPY', 0, 0, `${XML}<greeting />`);
    expect(harness.session.pending).to.equal(false);
    harness.session.greet();
    expect(harness.messages().map(({ keyword }) => keyword)).to.deep.equal(['RPY']);
    harness.session.greet();
    expect(harness.messages()).to.deep.equal([]);
  });

  it('sends nothing before the greeting, not even SEQ', () => {
    const harness = new SessionHarness();
    harness.say('RPY', 0, 0, `${XML}<greeting />`);
    expect(harness.heard()[0]).to.include({ keyword: 'RPY', channel: 0, msgno: 0 });
  });

  it('takes a greeting in several frames, and a SEQ before it', () => {
    const harness = new SessionHarness();
    harness.heard();
    harness.octets('SEQ 0 10 4096\r\n');
    expect(harness.say('RPY', 0, 0, `${XML}<greeti`, { more: true })).to.deep.equal([]);
    only(harness.say('RPY', 0, 0, 'ng />'), 'greeting');
  });

  it('REQ-BEEP-060 sends no more than 4,096 octets of a long greeting before a SEQ', () => {
    const profiles = Array.from({ length: 100 }, (_, index) => `http://example.com/profiles/${index}`);
    const harness = new SessionHarness({ profiles });
    const octets = (): number => harness.messages().reduce((sum, { payload }) => sum + payload.length, 0);
    expect(octets()).to.equal(4096);
    harness.octets('SEQ 0 4096 100\r\n');
    expect(octets()).to.equal(100);
    harness.octets('SEQ 0 4196 4096\r\n');
    expect(octets()).to.be.greaterThan(100);
    expect(harness.session.pending).to.equal(false);
  });

  it('exchanges greetings longer than the window', () => {
    const profiles = Array.from({ length: 500 }, (_, index) => `http://example.com/profiles/${index}`);
    const pair = new Pair({ initiator: { profiles }, listener: { profiles } });
    const { initiator, listener } = pair.pump();
    expect(only(initiator, 'greeting').greeting.profiles).to.deep.equal(profiles);
    expect(only(listener, 'greeting').greeting.profiles).to.deep.equal(profiles);
  });

  describe('an unavailable listener', () => {
    it('REQ-BEEP-036 sends ERR 0 0 instead of a greeting, ignores the peer and ends', () => {
      const harness = new SessionHarness({ refuse: { code: 421, text: '' } });
      expect(harness.say('RPY', 0, 0, `${XML}<greeting />`)).to.deep.equal([]);
      expect(harness.session.state).to.equal('greeting');
      expect(harness.text()).to.equal(`ERR 0 0 . 0 60\r\n${XML}<error code='421' />\r\nEND\r\n`);
      expect(harness.session.state).to.equal('closed');
      expect(harness.octets('whatever')).to.deep.equal([]);
    });

    it('REQ-BEEP-036 REQ-BEEP-037 is told to the initiator with its code and text', () => {
      const harness = new SessionHarness({ role: 'initiator' });
      const { reply } = only(
        harness.say('ERR', 0, 0, `${XML}<error code='421'>closed on Sundays</error>`),
        'unavailable',
      );
      expect(reply).to.deep.equal({ code: 421, text: 'closed on Sundays' });
      expect(harness.session.state).to.equal('closed');
    });

    it('REQ-BEEP-061 is what a listener without room for channel 0 can be', () => {
      const pair = new Pair({ listener: { refuse: { code: 421, text: 'no room' } } });
      only(pair.pump().initiator, 'unavailable');
      expect([pair.initiator.state, pair.listener.state]).to.deep.equal(['closed', 'closed']);
    });

    it('is not for initiators', () => {
      expect(() => new Session({ role: 'initiator', profiles: [], refuse: { code: 421, text: '' } })).to.throw(
        LocalError,
      );
    });
  });

  describe('anything else first ends the session', () => {
    const greeting = `${XML}<greeting />`;
    for (const [what, say] of [
      ['a MSG', (harness: SessionHarness) => harness.say('MSG', 0, 1, greeting)],
      ['a RPY to another message', (harness: SessionHarness) => harness.say('RPY', 0, 1, greeting)],
      ['an ANS', (harness: SessionHarness) => harness.say('ANS', 0, 0, greeting, { ansno: 0 })],
      ['a NUL', (harness: SessionHarness) => harness.say('NUL', 0, 0)],
      [
        'an ERR from the initiator',
        (harness: SessionHarness) => harness.say('ERR', 0, 0, `${XML}<error code='421' />`),
      ],
      ['another element', (harness: SessionHarness) => harness.say('RPY', 0, 0, `${XML}<ok />`)],
      ['XML that is not well-formed', (harness: SessionHarness) => harness.say('RPY', 0, 0, `${XML}<greeting>`)],
      ['no octets', (harness: SessionHarness) => harness.say('RPY', 0, 0)],
      [
        'a profile without uri',
        (harness: SessionHarness) => harness.say('RPY', 0, 0, `${XML}<greeting><profile /></greeting>`),
      ],
      [
        'another content type',
        (harness: SessionHarness) => harness.say('RPY', 0, 0, 'Content-Type: text/plain\r\n\r\n<greeting />'),
      ],
    ] as const) {
      it(what, () => {
        const harness = new SessionHarness();
        harness.heard();
        faults(harness, 'BEEP_GREETING_INVALID', () => say(harness));
      });
    }

    it('D-BEEP-15 REQ-BEEP-025 a greeting past the limit', () => {
      const harness = new SessionHarness({ limits: { managementOctets: 100 } });
      faults(harness, 'BEEP_GREETING_INVALID', () =>
        harness.say('RPY', 0, 0, `${XML}<greeting>${' '.repeat(100)}</greeting>`),
      );
    });
  });

  it('REQ-BEEP-054 accepts the application/beep+xml that RFC 3080 allows, and refuses what it forbids', () => {
    only(
      new SessionHarness().say('RPY', 0, 0, `${XML}<greeting localize='&#100;e'><!-- a note --><?pi?></greeting>`),
      'greeting',
    );
    const harness = new SessionHarness();
    faults(harness, 'BEEP_GREETING_INVALID', () => harness.say('RPY', 0, 0, `${XML}<!DOCTYPE greeting><greeting />`));
  });

  it('answers in the content type of the peer’s greeting', () => {
    const harness = new SessionHarness({ role: 'initiator' });
    harness.say('RPY', 0, 0, "Content-Type: text/xml\r\n\r\n<?xml version='1.0'?><greeting />");
    harness.heard();
    harness.session.start({ profiles: [{ uri: ECHO }] });
    expect(harness.messages()[0]?.payload.toString()).to.match(/^Content-Type: text\/xml\r\n\r\n<start /);
  });

  it('refuses to act before the greetings', () => {
    const harness = new SessionHarness({ role: 'initiator' });
    for (const action of [
      () => harness.session.start({ profiles: [{ uri: ECHO }] }),
      () => harness.session.close(0, 200),
      () => harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(0) }),
    ]) {
      expect(action).to.throw(LocalError).with.property('code', 'BEEP_STATE');
    }
  });
});
