/**
 * Closing channels and releasing the session (RFC 3080 §2.3.1.3, §2.4).
 */
import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { ECHO, Pair } from '../support/pair.js';
import { documentOf, only, SessionHarness, XML } from './session-harness.js';

const CLOSE = "<close number='1' code='200' />";
const RELEASE = "<close code='200' />";

function stateError(action: () => unknown): void {
  expect(action).to.throw(LocalError).with.property('code', 'BEEP_STATE');
}

describe('beep: close', () => {
  describe('asked by the peer', () => {
    it('reports number, code and text, and answers ok', () => {
      const harness = new SessionHarness().ready(1);
      const event = only(harness.ask("<close number='1' code='421' xml:lang='en'>for &lt;now&gt;</close>"), 'close');
      expect(event).to.deep.equal({ type: 'close', channel: 1, code: 421, text: 'for <now>' });
      harness.session.acceptClose(1);
      const [message] = harness.messages();
      expect(message).to.include({ keyword: 'RPY', channel: 0, msgno: 2 });
      expect(message?.payload.toString()).to.equal(`${XML}<ok />\r\n`);
      expect(only(harness.events(), 'closed').channel).to.equal(1);
      expect(harness.session.channelInfo(1)).to.equal(undefined);
      stateError(() => harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(0) }));
    });

    it('REQ-BEEP-050 can be refused at any time', () => {
      const harness = new SessionHarness().ready(1);
      harness.ask(CLOSE);
      harness.session.refuseClose(1, { code: 550, text: 'still working' });
      expect(documentOf(harness.messages()[0])).to.equal("<error code='550'>still working</error>");
      only(harness.say('MSG', 1, 0, 'goes on'), 'message');
      only(harness.ask(CLOSE), 'close');
    });

    it('REQ-BEEP-049 sends its queued MSGs before the ok, and awaits their replies (a) (b)', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(5000) });
      harness.heard();
      harness.ask(CLOSE);
      harness.session.acceptClose(1);
      expect(harness.messages()).to.deep.equal([]);
      harness.octets('SEQ 1 4096 4096\r\n');
      expect(harness.messages().map(({ channel, more }) => `${channel}${more}`)).to.deep.equal(['1.']);
      expect(harness.say('RPY', 1, 0, 'part ', { more: true })).to.deep.equal([]);
      expect(harness.messages()).to.deep.equal([]);
      expect(harness.say('RPY', 1, 0, 'whole').map(({ type }) => type)).to.deep.equal(['reply', 'closed']);
      expect(documentOf(harness.messages()[0])).to.equal('<ok />');
    });

    it('REQ-BEEP-049 sends every reply it owes before the ok (c)', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 0);
      harness.say('MSG', 1, 1);
      harness.ask(CLOSE);
      harness.session.acceptClose(1);
      harness.reply('RPY', 1, 1, 'x'.repeat(5000));
      harness.reply('RPY', 1, 0, 'first');
      expect(harness.messages().every(({ channel }) => channel === 1)).to.equal(true);
      expect(harness.events()).to.deep.equal([]);
      harness.octets('SEQ 1 4096 4096\r\n');
      const heard = harness.messages();
      expect(heard.map(({ channel, more }) => `${channel}${more}`)).to.deep.equal(['1.', '0.']);
      only(harness.events(), 'closed');
    });

    it('REQ-BEEP-049 waits for the rest of a MSG that was answered before its end', () => {
      const harness = new SessionHarness({ limits: { messageOctets: 10 } }).ready(1);
      harness.say('MSG', 1, 0, 'more than ten', { more: true });
      harness.reply('ERR', 1, 0);
      harness.heard();
      harness.ask(CLOSE);
      harness.session.acceptClose(1);
      expect(harness.messages()).to.deep.equal([]);
      harness.say('MSG', 1, 0, '');
      expect(documentOf(harness.messages()[0])).to.equal('<ok />');
    });

    it('sends no new MSG after accepting', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 0);
      harness.ask(CLOSE);
      harness.session.acceptClose(1);
      stateError(() => harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(0) }));
      harness.reply('RPY', 1, 0);
      harness.heard();
      only(harness.events(), 'closed');
    });

    it('REQ-BEEP-053 refuses a close for a channel that does not exist, or a second one', () => {
      const harness = new SessionHarness().ready(1);
      harness.ask("<close number='9' code='200' />");
      expect(documentOf(harness.messages()[0])).to.contain("code='550'");
      harness.say('MSG', 1, 0);
      harness.ask(CLOSE);
      expect(harness.ask(CLOSE)).to.deep.equal([]);
      harness.session.refuseClose(1, { code: 550, text: '' });
      expect(harness.messages().map(documentOf)).to.deep.equal([
        "<error code='550' />",
        "<error code='550'>channel 1 is already being closed</error>",
      ]);
    });

    for (const [what, document] of [
      ['no code', "<close number='1' />"],
      ['a code that is none', "<close number='1' code='20' />"],
      ['a code out of range', "<close number='1' code='600' />"],
      ['a number that is none', "<close number='-1' code='200' />"],
    ] as const) {
      it(`REQ-BEEP-053 answers a close with ${what} by an error`, () => {
        const harness = new SessionHarness().ready(1);
        expect(harness.ask(document)).to.deep.equal([]);
        expect(documentOf(harness.messages()[0])).to.contain("code='501'");
      });
    }

    it('lets a closed number be used again, from seqno 0', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 0, 'hello');
      harness.reply('RPY', 1, 0, 'hello');
      harness.heard();
      harness.ask(CLOSE);
      harness.session.acceptClose(1);
      harness.heard();
      harness.events();
      harness.channel(1);
      only(harness.say('MSG', 1, 0, 'again', { seqno: 0 }), 'message');
    });

    it('refuses answers to closes nobody asked for', () => {
      const harness = new SessionHarness().ready(1);
      stateError(() => harness.session.acceptClose(1));
      stateError(() => harness.session.refuseClose(1, { code: 550, text: '' }));
    });
  });

  describe('asked by us', () => {
    it('writes the document as RFC 3080 prints it', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.close(1, 200);
      expect(documentOf(harness.messages()[0])).to.equal(CLOSE);
      only(harness.say('RPY', 0, 1, `${XML}<ok />`), 'closed');
    });

    it('REQ-BEEP-046 waits until every MSG of ours there is acknowledged by the first frame of its reply', () => {
      const harness = new SessionHarness().ready(1);
      const [one, two] = [harness.sent(1), harness.sent(1)];
      harness.session.close(1, 200);
      expect(harness.messages()).to.deep.equal([]);
      harness.say('RPY', 1, one, 'whole');
      expect(harness.messages()).to.deep.equal([]);
      harness.say('RPY', 1, two, 'only the first frame', { more: true });
      expect(documentOf(harness.messages()[0])).to.equal(CLOSE);
    });

    it('REQ-BEEP-047 sends no MSG there until the answer, and may after a refusal', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.close(1, 200);
      harness.heard();
      stateError(() => harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(0) }));
      stateError(() => harness.session.close(1, 200));
      const refused = only(harness.say('ERR', 0, 1, `${XML}<error code='550'>still working</error>`), 'close-refused');
      expect(refused).to.deep.equal({ type: 'close-refused', channel: 1, reply: { code: 550, text: 'still working' } });
      expect(harness.sent(1)).to.equal(0);
      harness.session.close(1, 200);
    });

    it('REQ-BEEP-048 accepts and answers MSGs there until the ok', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.close(1, 200);
      harness.heard();
      only(harness.say('MSG', 1, 0, 'crossed your close'), 'message');
      harness.reply('RPY', 1, 0, 'answered');
      expect(harness.messages()[0]).to.include({ keyword: 'RPY', channel: 1 });
      only(harness.say('RPY', 0, 1, `${XML}<ok />`), 'closed');
    });

    it('D-BEEP-04 ignores a SEQ that crossed the ok, and ends the session on one for a channel that never was', () => {
      const harness = new SessionHarness().ready(1);
      harness.ask(CLOSE);
      harness.session.acceptClose(1);
      harness.heard();
      harness.events();
      expect(harness.octets('SEQ 1 0 4096\r\n')).to.deep.equal([]);
      expect(() => harness.octets('SEQ 3 0 4096\r\n'))
        .to.throw()
        .with.property('code', 'BEEP_CHANNEL_UNKNOWN');
    });

    it('answers the peer’s close when asked to close what the peer wants closed', () => {
      const harness = new SessionHarness().ready(1);
      harness.ask(CLOSE);
      harness.session.close(1, 200);
      expect(harness.messages().map(documentOf)).to.deep.equal(['<ok />']);
      only(harness.events(), 'closed');
    });

    it('closes a channel of ours, closing and opening many times, with a new number each time', () => {
      const pair = new Pair();
      const numbers = Array.from({ length: 5 }, () => {
        const channel = pair.open();
        pair.initiator.close(channel, 200);
        pair.pump();
        pair.listener.acceptClose(channel);
        pair.pump();
        return channel;
      });
      expect(numbers).to.deep.equal([1, 3, 5, 7, 9]);
    });
  });

  it('D-BEEP-07 answers ok on both sides when closes cross', () => {
    const pair = new Pair();
    const channel = pair.open();
    pair.initiator.close(channel, 200);
    pair.listener.close(channel, 200);
    const { initiator, listener } = pair.pump();
    expect(only(initiator, 'closed').channel).to.equal(channel);
    expect(only(listener, 'closed').channel).to.equal(channel);
    expect(pair.text('initiator').match(/<ok \/>/g)?.length).to.equal(1);
    expect(pair.text('listener').match(/<ok \/>/g)?.length).to.equal(1);
  });

  it('answers ok after its replies when closes cross', () => {
    const pair = new Pair();
    const channel = pair.open();
    const msgno = pair.initiator.send(channel, { kind: 'MSG', payload: Buffer.from('slow') });
    pair.pump();
    pair.initiator.close(channel, 200);
    pair.listener.close(channel, 200);
    expect(pair.pump()).to.deep.equal({ initiator: [], listener: [] });
    pair.listener.send(channel, { kind: 'RPY', msgno, payload: Buffer.from('done') });
    const { initiator, listener } = pair.pump();
    expect(initiator.map(({ type }) => type)).to.deep.equal(['reply', 'closed']);
    expect(listener.map(({ type }) => type)).to.deep.equal(['closed']);
  });

  it('keeps a number taken while our own close of it is not answered', () => {
    const harness = new SessionHarness().ready(1);
    harness.session.close(1, 200);
    harness.heard();
    harness.ask(CLOSE);
    only(harness.events().concat({ type: 'closed', channel: 1 }), 'closed');
    harness.heard();
    harness.ask(`<start number='1'><profile uri='${ECHO}' /></start>`);
    expect(documentOf(harness.messages()[0])).to.contain("code='550'");
    expect(harness.say('RPY', 0, 1, `${XML}<ok />`)).to.deep.equal([]);
    only(harness.ask(`<start number='1'><profile uri='${ECHO}' /></start>`), 'start');
  });

  it('does not close a channel before the peer knows of it', () => {
    const harness = new SessionHarness().greet();
    const first = only(harness.ask(`<start number='1'><profile uri='${ECHO}' /></start>`), 'start');
    const second = only(harness.ask(`<start number='3'><profile uri='${ECHO}' /></start>`), 'start');
    harness.session.acceptStart(second, ECHO);
    harness.session.close(3, 200);
    expect(harness.messages()).to.deep.equal([]);
    harness.session.acceptStart(first, ECHO);
    expect(harness.messages().map(documentOf)).to.deep.equal([
      `<profile uri='${ECHO}' />`,
      `<profile uri='${ECHO}' />`,
      "<close number='3' code='200' />",
    ]);
  });

  describe('release', () => {
    it('REQ-BEEP-051 takes a close without number as one of the session, and is closed once its ok has left', () => {
      const harness = new SessionHarness().ready(1);
      expect(only(harness.ask(RELEASE), 'close').channel).to.equal(0);
      harness.session.acceptClose(0);
      expect(harness.session.state).to.equal('releasing');
      expect(documentOf(harness.messages()[0])).to.equal('<ok />');
      expect(harness.session.state).to.equal('closed');
      only(harness.events(), 'released');
      expect(harness.octets('SEQ 0 0 4096\r\n')).to.deep.equal([]);
    });

    it('REQ-BEEP-051 REQ-BEEP-059 asks for number 0, and is closed when the ok comes', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.close(0, 200, 'good night');
      expect(documentOf(harness.messages()[0])).to.equal("<close number='0' code='200'>good night</close>");
      expect(harness.session.state).to.equal('releasing');
      only(harness.say('RPY', 0, 1, `${XML}<ok />`), 'released');
      expect(harness.session.state).to.equal('closed');
    });

    it('REQ-BEEP-052 continues as before when the release is declined', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.close(0, 200);
      harness.heard();
      stateError(() => harness.session.start({ profiles: [{ uri: ECHO }] }));
      stateError(() => harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(0) }));
      expect(only(harness.say('ERR', 0, 1, `${XML}<error code='550' />`), 'close-refused').channel).to.equal(0);
      expect(harness.session.state).to.equal('ready');
      harness.sent(1);
      harness.session.start({ profiles: [{ uri: ECHO }] });
    });

    it('REQ-BEEP-050 can decline a release', () => {
      const harness = new SessionHarness().ready(1);
      harness.ask(RELEASE);
      harness.session.refuseClose(0, { code: 550, text: 'still working' });
      expect(harness.messages()[0]).to.include({ keyword: 'ERR', msgno: 2 });
      expect(harness.session.state).to.equal('ready');
      harness.sent(1);
    });

    it('REQ-BEEP-049 accepts only when nothing is outstanding on any channel', () => {
      const harness = new SessionHarness().ready(1).channel(3);
      harness.say('MSG', 1, 0);
      const msgno = harness.sent(3);
      harness.ask(RELEASE);
      harness.session.acceptClose(0);
      expect(harness.messages()).to.deep.equal([]);
      harness.reply('RPY', 1, 0);
      expect(harness.messages().map(({ channel }) => channel)).to.deep.equal([1]);
      only(harness.say('RPY', 3, msgno), 'reply');
      expect(harness.messages().map(({ channel }) => channel)).to.deep.equal([0]);
      only(harness.events(), 'released');
    });

    it('REQ-BEEP-046 waits with its own until all MSGs are acknowledged', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.sent(1);
      harness.session.close(0, 200);
      expect(harness.messages()).to.deep.equal([]);
      harness.say('RPY', 1, msgno);
      expect(harness.messages().map(({ channel }) => channel)).to.deep.equal([0]);
    });

    it('REQ-BEEP-053 refuses a start meanwhile', () => {
      const harness = new SessionHarness().ready(1);
      harness.ask(RELEASE);
      harness.ask(`<start number='3'><profile uri='${ECHO}' /></start>`);
      harness.session.refuseClose(0, { code: 550, text: '' });
      expect(harness.messages().map(documentOf)).to.deep.equal([
        "<error code='550' />",
        "<error code='550'>the session is being released</error>",
      ]);
    });

    it('ends on both sides when releases cross', () => {
      const pair = new Pair();
      pair.open();
      pair.initiator.close(0, 200);
      pair.listener.close(0, 200);
      const { initiator, listener } = pair.pump();
      expect([pair.initiator.state, pair.listener.state]).to.deep.equal(['closed', 'closed']);
      expect([...initiator, ...listener].map(({ type }) => type)).to.deep.equal(['released', 'released']);
    });

    it('answers a release that comes while ours still waits', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.sent(1);
      harness.session.close(0, 200);
      expect(harness.ask(RELEASE)).to.deep.equal([]);
      harness.say('RPY', 1, msgno);
      expect(harness.messages().map(documentOf)).to.deep.equal(['<ok />']);
      only(harness.events(), 'released');
    });
  });

  it('REQ-BEEP-055 decides by codes and elements, never by a text', () => {
    const harness = new SessionHarness().ready(1);
    const event = only(harness.ask("<close number='1' code='550'>ok</close>"), 'close');
    expect([event.code, event.text]).to.deep.equal([550, 'ok']);
    harness.session.refuseClose(1, { code: 550, text: '\u0000 not <well-formed> \ud800' });
    expect(documentOf(harness.messages()[0])).to.equal(
      "<error code='550'>\ufffd not &lt;well-formed&gt; \ufffd</error>",
    );
  });

  describe('REQ-BEEP-038 names the language of a text', () => {
    for (const [localize, lang] of [
      ['i-default', ''],
      ['en de', ''],
      ['de en', " xml:lang='en'"],
      ['en-US', " xml:lang='en'"],
    ] as const) {
      it(`for a peer that wants ${localize}`, () => {
        const harness = new SessionHarness().greet(`<greeting localize='${localize}' />`).channel(1);
        harness.ask(CLOSE);
        harness.session.refuseClose(1, { code: 550, text: 'still working' });
        expect(documentOf(harness.messages()[0])).to.equal(`<error code='550'${lang}>still working</error>`);
        harness.session.close(1, 200, 'done');
        expect(documentOf(harness.messages()[0])).to.equal(`<close number='1' code='200'${lang}>done</close>`);
      });
    }

    it('not where there is no text', () => {
      const harness = new SessionHarness().greet("<greeting localize='de' />").channel(1);
      harness.session.close(1, 200);
      expect(documentOf(harness.messages()[0])).to.equal(CLOSE);
    });
  });
});
