/**
 * Creating channels (RFC 3080 §2.3.1.2).
 */
import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { elementsOf, parseXml, textOf } from '../../lib/xml/parse.js';
import { ECHO, Pair } from '../support/pair.js';
import { documentOf, faults, only, SessionHarness, TUNING, XML } from './session-harness.js';

const start = (number: number, inside = `<profile uri='${ECHO}' />`, more = ''): string =>
  `<start number='${number}'${more}>${inside}</start>`;

/** The error a start is answered with. */
function refused(harness: SessionHarness, document: string): string {
  expect(harness.ask(document)).to.deep.equal([]);
  const [message] = harness.messages();
  expect(message?.keyword).to.equal('ERR');
  return documentOf(message);
}

describe('beep: start', () => {
  describe('asked by the peer', () => {
    it('D-BEEP-14 proposes what the peer offers, in its order', () => {
      const harness = new SessionHarness().greet();
      const event = only(
        harness.ask(start(1, `<profile uri='${ECHO}'><![CDATA[<x />]]></profile> <profile uri='${TUNING}' />`)),
        'start',
      );
      expect(event).to.deep.include({ msgno: 1, channel: 1 });
      expect(event.proposals).to.deep.equal([
        { uri: ECHO, base64: false, content: Buffer.from('<x />') },
        { uri: TUNING, base64: false },
      ]);
    });

    it('REQ-BEEP-043 answers with exactly the chosen profile', () => {
      const harness = new SessionHarness().greet();
      const event = only(harness.ask(start(1)), 'start');
      harness.session.acceptStart(event, ECHO);
      const [message] = harness.messages();
      expect(message).to.include({ keyword: 'RPY', msgno: 1 });
      expect(message?.payload.toString()).to.equal(`${XML}<profile uri='${ECHO}' />\r\n`);
    });

    it('REQ-BEEP-043 REQ-BEEP-053 answers a refused start with an error', () => {
      const harness = new SessionHarness().greet();
      harness.session.refuseStart(only(harness.ask(start(1)), 'start'), {
        code: 550,
        text: 'all <requested> profiles & more',
      });
      const [message] = harness.messages();
      expect(message?.keyword).to.equal('ERR');
      expect(documentOf(message)).to.equal("<error code='550'>all &lt;requested&gt; profiles &amp; more</error>");
      faults(harness, 'BEEP_CHANNEL_UNKNOWN', () => harness.say('MSG', 1, 0));
    });

    it('REQ-BEEP-044 carries the answer to the initialization message, and has the channel even if that failed', () => {
      const harness = new SessionHarness().greet();
      const event = only(harness.ask(start(1, `<profile uri='${ECHO}'><![CDATA[<attach />]]></profile>`)), 'start');
      harness.session.acceptStart(event, ECHO, "<error code='537'>no ]]> here</error>");
      expect(harness.messages()[0]?.payload.toString()).to.equal(
        `${XML}<profile uri='${ECHO}'><![CDATA[<error code='537'>no ]]]]><![CDATA[> here</error>]]></profile>\r\n`,
      );
      only(harness.say('MSG', 1, 0, 'goes on'), 'message');
    });

    it('REQ-BEEP-045 begins at seqno 0 in both directions, and msgno 0', () => {
      const harness = new SessionHarness().ready(1);
      only(harness.octets('MSG 1 0 . 0 1\r\nxEND\r\n'), 'message');
      harness.session.send(1, { kind: 'MSG', payload: Buffer.from('y') });
      expect(harness.messages()[0]).to.include({ channel: 1, msgno: 0, seqno: 0 });
    });

    it('sends nothing on a channel before the reply that grants it', () => {
      const harness = new SessionHarness().greet();
      const first = only(harness.ask(start(1)), 'start');
      const second = only(harness.ask(start(3)), 'start');
      harness.heard();
      harness.session.acceptStart(second, ECHO);
      harness.session.window(3, 65_536);
      harness.session.send(3, { kind: 'MSG', payload: Buffer.from('eager') });
      expect(harness.session.pending).to.equal(false);
      expect(harness.heard()).to.deep.equal([]);
      harness.session.acceptStart(first, ECHO);
      const heard = harness.heard();
      expect(heard.map(({ keyword, channel }) => `${keyword} ${channel}`)).to.deep.equal([
        'RPY 0',
        'RPY 0',
        'SEQ 3',
        'MSG 3',
      ]);
    });

    it('D-BEEP-21 REQ-BEEP-041 undoes base64, white space in it included', () => {
      const harness = new SessionHarness().greet();
      const octets = Buffer.from([0, 1, 254, 255, 13, 10, 13]);
      const text = octets.toString('base64').replace(/.{4}/g, '$&\r\n  ');
      const event = only(harness.ask(start(1, `<profile uri='${ECHO}' encoding='base64'>${text}</profile>`)), 'start');
      expect(event.proposals).to.deep.equal([{ uri: ECHO, base64: true, content: octets }]);
    });

    it('REQ-BEEP-041 takes encoding none, and escaped content', () => {
      const harness = new SessionHarness().greet();
      const event = only(
        harness.ask(start(1, `<profile uri='${ECHO}' encoding='none'>&lt;x /&gt;</profile>`)),
        'start',
      );
      expect(event.proposals[0]?.content?.toString()).to.equal('<x />');
    });

    it('takes child markup as its serialization, as the drafts wrote it', () => {
      const harness = new SessionHarness().greet();
      const event = only(
        harness.ask(start(1, `<profile uri='${ECHO}'>\r\n  <x a='1'> <y /></x>\r\n</profile>`)),
        'start',
      );
      expect(event.proposals[0]?.content?.toString()).to.equal("<x a='1'> <y /></x>");
    });

    it('D-BEEP-05 REQ-BEEP-040 takes content of 4,096 octets and refuses more', () => {
      const harness = new SessionHarness().greet();
      harness.session.window(0, 16_384);
      harness.heard();
      const of = (octets: number): string =>
        `<profile uri='${ECHO}'>\r\n<![CDATA[${'x'.repeat(octets)}]]>\r\n</profile>`;
      expect(only(harness.ask(start(1, of(4096))), 'start').proposals[0]?.content?.length).to.equal(4096);
      expect(refused(new HandWithRoom(), start(1, of(4097)))).to.contain("code='501'");
    });

    const invalid: readonly [string, string, number][] = [
      ['REQ-BEEP-024 XML that is not well-formed', '<start number="1">', 500],
      ['REQ-BEEP-024 an element that is not expected', '<greeting />', 501],
      ['REQ-BEEP-024 an unknown element', '<begin />', 501],
      ['REQ-BEEP-024 a DOCTYPE', '<!DOCTYPE start><start />', 501],
      ['REQ-BEEP-053 a start without number', `<start><profile uri='${ECHO}' /></start>`, 501],
      ['REQ-BEEP-053 a number that is none', `<start number='one'><profile uri='${ECHO}' /></start>`, 501],
      ['REQ-BEEP-053 number 0', start(0), 501],
      ['REQ-BEEP-053 a number out of range', start(2147483649), 501],
      ['REQ-BEEP-039 an even number from the initiator', start(2), 501],
      ['REQ-BEEP-053 no profile', start(1, ''), 501],
      ['REQ-BEEP-053 a profile without uri', start(1, '<profile />'), 501],
      ['REQ-BEEP-053 text between profiles', start(1, `<profile uri='${ECHO}' />and`), 501],
      ['REQ-BEEP-053 another child', start(1, '<profil />'), 501],
      ['REQ-BEEP-041 an unknown encoding', start(1, `<profile uri='${ECHO}' encoding='hex' />`), 501],
      ['REQ-BEEP-041 content that is not base64', start(1, `<profile uri='x' encoding='base64'>?</profile>`), 501],
      ['REQ-BEEP-041 base64 cut short', start(1, `<profile uri='x' encoding='base64'>abc</profile>`), 501],
    ];
    for (const [what, document, code] of invalid) {
      it(`${what}: ${code}, and the session goes on`, () => {
        const harness = new SessionHarness().greet();
        expect(refused(harness, document)).to.match(new RegExp(`^<error code='${code}'>.+</error>$`));
        only(harness.ask(start(1)), 'start');
      });
    }

    it('REQ-BEEP-039 refuses an odd number from the listener', () => {
      const harness = new SessionHarness({ role: 'initiator' }).greet();
      expect(refused(harness, start(3))).to.equal(
        "<error code='501'>number attribute in start element must be even-valued</error>",
      );
      only(harness.ask(start(2)), 'start');
    });

    it('D-BEEP-06 REQ-BEEP-053 refuses a number in use, open or being started', () => {
      const harness = new SessionHarness().ready(1);
      expect(refused(harness, start(1))).to.contain("code='550'");
      only(harness.ask(start(3)), 'start');
      expect(harness.ask(start(3))).to.deep.equal([]);
    });

    it('REQ-BEEP-061 declines a channel past the limit', () => {
      const harness = new SessionHarness({ limits: { channels: 1 } }).ready(1);
      expect(refused(harness, start(3))).to.contain("code='550'");
    });

    it('REQ-BEEP-033 has 1,024 channels open at once', () => {
      const harness = new SessionHarness().greet();
      harness.octets('SEQ 0 0 1000000\r\n');
      for (let number = 1; number < 2048; number += 2) {
        harness.channel(number);
      }
      only(harness.say('MSG', 2047, 0, 'the last'), 'message');
      expect(refused(harness, start(2049))).to.contain("code='550'");
    });

    it('REQ-BEEP-042 keeps the serverName of the first successful start', () => {
      const harness = new SessionHarness().greet();
      const named = (number: number, name: string): string =>
        start(number, `<profile uri='${ECHO}' />`, ` serverName='${name}'`);
      const refusedOne = only(harness.ask(named(1, 'rubble.com')), 'start');
      expect(refusedOne.serverName).to.equal('rubble.com');
      harness.session.refuseStart(refusedOne, { code: 550, text: 'not served here' });
      expect(harness.session.serverName).to.equal(undefined);
      const accepted = only(harness.ask(named(1, 'example.com')), 'start');
      expect(accepted.serverName).to.equal('example.com');
      harness.session.acceptStart(accepted, ECHO);
      expect(harness.session.serverName).to.equal('example.com');
      expect(only(harness.ask(named(3, 'rubble.com')), 'start').serverName).to.equal('example.com');
    });

    it('REQ-BEEP-042 ignores a serverName after a first successful start without one', () => {
      const harness = new SessionHarness().ready(1);
      const event = only(harness.ask(start(3, `<profile uri='${ECHO}' />`, " serverName='example.com'")), 'start');
      expect(event).not.to.have.property('serverName');
      harness.session.acceptStart(event, ECHO);
      expect(harness.session.serverName).to.equal(undefined);
    });

    it('REQ-BEEP-042 keeps the serverName over a tuning reset', () => {
      const harness = new SessionHarness({ serverName: 'example.com' }).greet();
      expect(only(harness.ask(start(1)), 'start').serverName).to.equal('example.com');
    });

    it('REQ-BEEP-056 refuses a second tuning channel, and offers the other profiles only', () => {
      const harness = new SessionHarness().ready(1, TUNING);
      expect(refused(harness, start(3, `<profile uri='${TUNING}' />`))).to.contain("code='550'");
      const both = only(harness.ask(start(3, `<profile uri='${TUNING}' /><profile uri='${ECHO}' />`)), 'start');
      expect(both.proposals.map(({ uri }) => uri)).to.deep.equal([ECHO]);
    });

    it('REQ-BEEP-056 refuses a tuning channel while another is being started', () => {
      const harness = new SessionHarness().greet();
      only(harness.ask(start(1, `<profile uri='${TUNING}' />`)), 'start');
      expect(harness.ask(start(3, `<profile uri='${TUNING}' />`))).to.deep.equal([]);
    });

    it('REQ-BEEP-056 lets the initiator’s tuning start go ahead when both sides ask at once', () => {
      const isTuning = (uri: string): boolean => uri === TUNING;
      const pair = new Pair({ initiator: { isTuning }, listener: { isTuning } });
      pair.pump();
      pair.initiator.start({ profiles: [{ uri: TUNING }] });
      const number = pair.listener.start({ profiles: [{ uri: TUNING }] });
      const { initiator, listener } = pair.pump();
      expect(initiator).to.deep.equal([]);
      expect(listener.map((event) => event.type)).to.have.members(['start', 'start-refused']);
      expect(listener.find((event) => event.type === 'start-refused')?.channel).to.equal(number);
    });

    it('refuses to answer a start twice, or with a profile that was not proposed', () => {
      const harness = new SessionHarness().greet();
      const event = only(harness.ask(start(1)), 'start');
      expect(() => harness.session.acceptStart(event, TUNING))
        .to.throw(LocalError)
        .with.property('code', 'ARGUMENT');
      expect(() => harness.session.acceptStart(event, ECHO, 'x'.repeat(4097))).to.throw(LocalError);
      harness.session.acceptStart(event, ECHO);
      expect(() => harness.session.acceptStart(event, ECHO))
        .to.throw(LocalError)
        .with.property('code', 'BEEP_STATE');
      expect(() => harness.session.refuseStart(event, { code: 550, text: '' })).to.throw(LocalError);
    });
  });

  describe('asked by us', () => {
    it('REQ-BEEP-039 numbers channels oddly as initiator and evenly as listener', () => {
      for (const [role, numbers] of [
        ['initiator', [1, 3, 5]],
        ['listener', [2, 4, 6]],
      ] as const) {
        const harness = new SessionHarness({ role }).greet();
        expect(numbers.map(() => harness.session.start({ profiles: [{ uri: ECHO }] }))).to.deep.equal(numbers);
      }
    });

    it('writes profiles on lines of their own, as RFC 3080 prints them', () => {
      const harness = new SessionHarness({ role: 'initiator' }).greet();
      harness.session.start({
        serverName: 'example.com',
        profiles: [{ uri: ECHO }, { uri: TUNING, content: '<ready />' }],
      });
      const [message] = harness.messages();
      expect(message).to.include({ keyword: 'MSG', channel: 0, msgno: 1 });
      expect(message?.payload.toString()).to.equal(
        `${XML}<start number='1' serverName='example.com'>\r\n` +
          `   <profile uri='${ECHO}' />\r\n` +
          `   <profile uri='${TUNING}'><![CDATA[<ready />]]></profile>\r\n` +
          '</start>\r\n',
      );
    });

    it('REQ-BEEP-041 writes base64 when asked, and when XML cannot carry the content', () => {
      for (const profile of [
        { uri: ECHO, content: 'plain', base64: true },
        { uri: ECHO, content: 'a\u0000b' },
      ]) {
        const pair = new Pair();
        pair.pump();
        pair.initiator.start({ profiles: [profile] });
        const event = only(pair.pump().listener, 'start');
        expect(event.proposals).to.deep.equal([{ uri: ECHO, base64: true, content: Buffer.from(profile.content) }]);
      }
    });

    // Peers that read `profile` as (#PCDATA) compare `<proceed />`, parse XML or decode base64 without trimming first.
    for (const [how, content, base64, inner] of [
      ['XML', '<ready />', false, '<ready />'],
      ['base64', 'plain', true, 'cGxhaW4='],
      ['control characters', 'a\u0000b', false, 'YQBi'],
    ] as const) {
      it(`REQ-BEEP-041 writes no white space around content (${how}), in a start and in its answer`, () => {
        const asking = new SessionHarness({ role: 'initiator' }).greet();
        asking.session.start({ profiles: [{ uri: ECHO, content, base64 }] });
        const asked = parseXml(Buffer.from(documentOf(asking.messages()[0])));
        expect(elementsOf(asked).map(textOf)).to.deep.equal([inner]);
        const answering = new SessionHarness().greet();
        const event = only(
          answering.ask(start(1, `<profile uri='${ECHO}'${base64 ? " encoding='base64'" : ''}>eA==</profile>`)),
          'start',
        );
        answering.session.acceptStart(event, ECHO, content);
        const answered = parseXml(Buffer.from(documentOf(answering.messages()[0])));
        expect(textOf(answered)).to.equal(base64 ? content : inner);
      });
    }

    it('REQ-BEEP-040 refuses to send more than 4,096 octets of content', () => {
      const harness = new SessionHarness({ role: 'initiator' }).greet();
      const offer = (octets: number): number =>
        harness.session.start({ profiles: [{ uri: ECHO, content: 'x'.repeat(octets) }] });
      expect(() => offer(4097))
        .to.throw(LocalError)
        .with.property('code', 'ARGUMENT');
      expect(offer(4096)).to.equal(3);
    });

    it('reports the channel created, with the content of the answer', () => {
      const pair = new Pair();
      pair.pump();
      const channel = pair.initiator.start({ profiles: [{ uri: ECHO, content: '<ready />' }] });
      const event = only(pair.pump().listener, 'start');
      pair.listener.acceptStart(event, ECHO, '<proceed />');
      expect(only(pair.pump().initiator, 'started')).to.deep.equal({
        type: 'started',
        channel,
        uri: ECHO,
        content: Buffer.from('<proceed />'),
      });
    });

    it('reports a refusal, whatever its code, and can try again', () => {
      const harness = new SessionHarness({ role: 'initiator' }).greet();
      for (const code of [550, 554]) {
        const channel = harness.session.start({ profiles: [{ uri: ECHO }] });
        const [message] = harness.messages();
        const event = only(
          harness.say('ERR', 0, message?.msgno ?? -1, `${XML}<error code='${code}'>no</error>`),
          'start-refused',
        );
        expect(event).to.deep.equal({ type: 'start-refused', channel, reply: { code, text: 'no' } });
      }
    });

    it('refuses a second tuning channel and channels past the limit', () => {
      const harness = new SessionHarness({ role: 'initiator', limits: { channels: 2 } }).ready(1, TUNING);
      expect(() => harness.session.start({ profiles: [{ uri: TUNING }] }))
        .to.throw(LocalError)
        .with.property('code', 'BEEP_STATE');
      harness.session.start({ profiles: [{ uri: ECHO }] });
      expect(() => harness.session.start({ profiles: [{ uri: ECHO }] }))
        .to.throw(LocalError)
        .with.property('code', 'BEEP_STATE');
      expect(() => harness.session.start({ profiles: [] }))
        .to.throw(LocalError)
        .with.property('code', 'ARGUMENT');
    });

    for (const [what, keyword, document] of [
      ['XML that is not well-formed', 'RPY', '<profile'],
      ['another element', 'RPY', '<ok />'],
      ['a profile not proposed', 'RPY', `<profile uri='${TUNING}' />`],
      ['a RPY with an error', 'RPY', "<error code='550' />"],
      ['an ERR without error', 'ERR', `<profile uri='${ECHO}' />`],
      ['an error without code', 'ERR', '<error />'],
      ['an error with an impossible code', 'ERR', "<error code='600' />"],
    ] as const) {
      it(`REQ-BEEP-025 ends the session on a poorly formed reply on channel 0: ${what}`, () => {
        const harness = new SessionHarness({ role: 'initiator' }).greet();
        harness.session.start({ profiles: [{ uri: ECHO }] });
        harness.heard();
        faults(harness, 'BEEP_MANAGEMENT_REPLY_INVALID', () => harness.say(keyword, 0, 1, `${XML}${document}`));
      });
    }

    it('REQ-BEEP-025 ends the session on a one-to-many reply on channel 0', () => {
      const harness = new SessionHarness({ role: 'initiator' }).greet();
      harness.session.start({ profiles: [{ uri: ECHO }] });
      harness.heard();
      faults(harness, 'BEEP_MANAGEMENT_REPLY_INVALID', () => harness.say('NUL', 0, 1));
    });
  });

  it('REQ-BEEP-024 answers a message on channel 0 past the limit before it is complete', () => {
    const harness = new SessionHarness({ limits: { managementOctets: 100 } }).greet();
    expect(harness.say('MSG', 0, 1, 'x'.repeat(101), { more: true })).to.deep.equal([]);
    expect(documentOf(harness.messages()[0])).to.contain("code='501'");
    harness.say('MSG', 0, 1, 'x');
    expect(harness.messages()).to.deep.equal([]);
  });
});

/** A peer of a session whose channel 0 takes more than 4,096 octets at once. */
class HandWithRoom extends SessionHarness {
  constructor() {
    super();
    this.greet();
    this.session.window(0, 16_384);
    this.heard();
  }
}
