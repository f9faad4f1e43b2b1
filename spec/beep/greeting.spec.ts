/**
 * The beginning of a session (RFC 3080 §2.3.1.1, §2.4), octet for octet.
 */
import { expect } from 'chai';
import { Session } from '../../lib/beep/session.js';
import { LocalError } from '../../lib/errors.js';
import { ECHO, Pair } from '../support/pair.js';
import { faults, Hand, only, XML } from './hand.js';

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
    const hand = new Hand();
    const { greeting } = only(
      hand.say(
        'RPY',
        0,
        0,
        `${XML}<greeting features='a x-b' localize='de  en'><profile uri='${TLS}'/>\r\n<profile uri='${ECHO}'/></greeting>`,
      ),
      'greeting',
    );
    expect(greeting).to.deep.equal({ profiles: [TLS, ECHO], features: ['a', 'x-b'], localize: ['de', 'en'] });
    expect(hand.session.peer).to.deep.equal(greeting);
    expect(hand.session.state).to.equal('ready');
  });

  it('takes no localize as i-default', () => {
    const { greeting } = only(new Hand().say('RPY', 0, 0, `${XML}<greeting />`), 'greeting');
    expect(greeting).to.deep.equal({ profiles: [], features: [], localize: ['i-default'] });
  });

  it('holds the greeting back until it is asked for', () => {
    const hand = new Hand({ greet: false });
    expect(hand.session.pending).to.equal(false);
    hand.say('RPY', 0, 0, `${XML}<greeting />`);
    expect(hand.session.pending).to.equal(false);
    hand.session.greet();
    expect(hand.messages().map(({ keyword }) => keyword)).to.deep.equal(['RPY']);
    hand.session.greet();
    expect(hand.messages()).to.deep.equal([]);
  });

  it('says nothing before the greeting, no SEQ either', () => {
    const hand = new Hand();
    hand.say('RPY', 0, 0, `${XML}<greeting />`);
    expect(hand.heard()[0]).to.include({ keyword: 'RPY', channel: 0, msgno: 0 });
  });

  it('takes a greeting in several frames, and a SEQ before it', () => {
    const hand = new Hand();
    hand.heard();
    hand.octets('SEQ 0 10 4096\r\n');
    expect(hand.say('RPY', 0, 0, `${XML}<greeti`, { more: true })).to.deep.equal([]);
    only(hand.say('RPY', 0, 0, 'ng />'), 'greeting');
  });

  it('REQ-BEEP-060 sends no more than 4,096 octets of a long greeting before a SEQ', () => {
    const profiles = Array.from({ length: 100 }, (_, index) => `http://example.com/profiles/${index}`);
    const hand = new Hand({ profiles });
    const octets = (): number => hand.messages().reduce((sum, { payload }) => sum + payload.length, 0);
    expect(octets()).to.equal(4096);
    hand.octets('SEQ 0 4096 100\r\n');
    expect(octets()).to.equal(100);
    hand.octets('SEQ 0 4196 4096\r\n');
    expect(octets()).to.be.greaterThan(100);
    expect(hand.session.pending).to.equal(false);
  });

  it('exchanges greetings longer than the window', () => {
    const profiles = Array.from({ length: 500 }, (_, index) => `http://example.com/profiles/${index}`);
    const pair = new Pair({ initiator: { profiles }, listener: { profiles } });
    const { initiator, listener } = pair.pump();
    expect(only(initiator, 'greeting').greeting.profiles).to.deep.equal(profiles);
    expect(only(listener, 'greeting').greeting.profiles).to.deep.equal(profiles);
  });

  describe('an unavailable listener', () => {
    it('REQ-BEEP-036 says ERR 0 0 instead of a greeting, ignores the peer and is done', () => {
      const hand = new Hand({ refuse: { code: 421, text: '' } });
      expect(hand.say('RPY', 0, 0, `${XML}<greeting />`)).to.deep.equal([]);
      expect(hand.session.state).to.equal('greeting');
      expect(hand.text()).to.equal(`ERR 0 0 . 0 60\r\n${XML}<error code='421' />\r\nEND\r\n`);
      expect(hand.session.state).to.equal('closed');
      expect(hand.octets('whatever')).to.deep.equal([]);
    });

    it('REQ-BEEP-036 REQ-BEEP-037 is told to the initiator with its code and text', () => {
      const hand = new Hand({ role: 'initiator' });
      const { reply } = only(hand.say('ERR', 0, 0, `${XML}<error code='421'>closed on Sundays</error>`), 'unavailable');
      expect(reply).to.deep.equal({ code: 421, text: 'closed on Sundays' });
      expect(hand.session.state).to.equal('closed');
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
      ['a MSG', (hand: Hand) => hand.say('MSG', 0, 1, greeting)],
      ['a RPY to another message', (hand: Hand) => hand.say('RPY', 0, 1, greeting)],
      ['an ANS', (hand: Hand) => hand.say('ANS', 0, 0, greeting, { ansno: 0 })],
      ['a NUL', (hand: Hand) => hand.say('NUL', 0, 0)],
      ['an ERR from the initiator', (hand: Hand) => hand.say('ERR', 0, 0, `${XML}<error code='421' />`)],
      ['another element', (hand: Hand) => hand.say('RPY', 0, 0, `${XML}<ok />`)],
      ['XML that is not well-formed', (hand: Hand) => hand.say('RPY', 0, 0, `${XML}<greeting>`)],
      ['no octets', (hand: Hand) => hand.say('RPY', 0, 0)],
      ['a profile without uri', (hand: Hand) => hand.say('RPY', 0, 0, `${XML}<greeting><profile /></greeting>`)],
      ['another content type', (hand: Hand) => hand.say('RPY', 0, 0, 'Content-Type: text/plain\r\n\r\n<greeting />')],
    ] as const) {
      it(what, () => {
        const hand = new Hand();
        hand.heard();
        faults(hand, 'BEEP_GREETING_INVALID', () => say(hand));
      });
    }

    it('D-BEEP-15 REQ-BEEP-025 a greeting past the limit', () => {
      const hand = new Hand({ limits: { managementOctets: 100 } });
      faults(hand, 'BEEP_GREETING_INVALID', () =>
        hand.say('RPY', 0, 0, `${XML}<greeting>${' '.repeat(100)}</greeting>`),
      );
    });
  });

  it('REQ-BEEP-054 accepts the application/beep+xml that RFC 3080 allows, and refuses what it forbids', () => {
    only(
      new Hand().say('RPY', 0, 0, `${XML}<greeting localize='&#100;e'><!-- a note --><?pi?></greeting>`),
      'greeting',
    );
    const hand = new Hand();
    faults(hand, 'BEEP_GREETING_INVALID', () => hand.say('RPY', 0, 0, `${XML}<!DOCTYPE greeting><greeting />`));
  });

  it('answers in the content type of the peer’s greeting', () => {
    const hand = new Hand({ role: 'initiator' });
    hand.say('RPY', 0, 0, "Content-Type: text/xml\r\n\r\n<?xml version='1.0'?><greeting />");
    hand.heard();
    hand.session.start({ profiles: [{ uri: ECHO }] });
    expect(hand.messages()[0]?.payload.toString()).to.match(/^Content-Type: text\/xml\r\n\r\n<start /);
  });

  it('refuses to act before the greetings', () => {
    const hand = new Hand({ role: 'initiator' });
    for (const action of [
      () => hand.session.start({ profiles: [{ uri: ECHO }] }),
      () => hand.session.close(0, 200),
      () => hand.session.send(1, { kind: 'MSG', payload: Buffer.alloc(0) }),
    ]) {
      expect(action).to.throw(LocalError).with.property('code', 'BEEP_STATE');
    }
  });
});
