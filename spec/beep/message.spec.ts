/**
 * Messages of several frames, one-to-many replies, pipelining and pre-emptive replies (RFC 3080 §2.2.1.1, §2.6).
 */
import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { ECHO, Pair } from '../support/pair.js';
import { faults, only, SessionHarness } from './session-harness.js';

describe('beep: messages', () => {
  describe('inbound', () => {
    it('joins the frames of a message, empty ones included', () => {
      const harness = new SessionHarness().ready(1);
      expect(harness.say('MSG', 1, 0, 'one ', { more: true })).to.deep.equal([]);
      expect(harness.say('MSG', 1, 0, '', { more: true })).to.deep.equal([]);
      expect(harness.say('MSG', 1, 0, 'two', { more: true })).to.deep.equal([]);
      expect(only(harness.say('MSG', 1, 0, '.'), 'message').payload.toString()).to.equal('one two.');
    });

    it('REQ-BEEP-023 finds entity headers in the whole message, wherever its frames end', () => {
      const harness = new SessionHarness();
      harness.say('RPY', 0, 0, 'Content-Type: appli', { more: true });
      harness.say('RPY', 0, 0, 'cation/beep+xml\r', { more: true });
      only(harness.say('RPY', 0, 0, '\n\r\n<greeting />'), 'greeting');
    });

    it('REQ-BEEP-022 accepts a message without headers or without octets', () => {
      const harness = new SessionHarness().ready(1);
      expect(only(harness.say('MSG', 1, 0, '\r\nbody'), 'message').payload.toString()).to.equal('\r\nbody');
      expect(only(harness.say('MSG', 1, 1), 'message').payload.length).to.equal(0);
    });

    it('REQ-BEEP-006 collates interleaved answers by their number', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.sent(1);
      harness.say('ANS', 1, msgno, 'slow answer, part 1', { more: true, ansno: 0 });
      const quick = only(harness.say('ANS', 1, msgno, 'quick answer', { ansno: 1 }), 'answer');
      const slow = only(harness.say('ANS', 1, msgno, ', part 2', { ansno: 0 }), 'answer');
      only(harness.say('NUL', 1, msgno), 'nul');
      expect([quick.ansno, quick.payload.toString()]).to.deep.equal([1, 'quick answer']);
      expect([slow.ansno, slow.payload.toString()]).to.deep.equal([0, 'slow answer, part 1, part 2']);
    });

    it('D-BEEP-18 takes an answer number again for a new answer', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.sent(1);
      for (const text of ['one', 'two']) {
        expect(only(harness.say('ANS', 1, msgno, text, { ansno: 0 }), 'answer').payload.toString()).to.equal(text);
      }
    });

    it('takes a NUL alone: a reply of no answers', () => {
      const harness = new SessionHarness().ready(1);
      only(harness.say('NUL', 1, harness.sent(1)), 'nul');
    });

    it('takes a MSG between complete answers, and between replies', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.sent(1);
      harness.say('ANS', 1, msgno, 'one', { ansno: 0 });
      only(harness.say('MSG', 1, 0, 'a question between'), 'message');
      only(harness.say('ANS', 1, msgno, 'two', { ansno: 1 }), 'answer');
    });

    it('REQ-BEEP-031 lets a peer that only asks answer a MSG with an error', () => {
      const harness = new SessionHarness({ role: 'initiator' }).ready(1);
      only(harness.say('MSG', 1, 0, 'surprise'), 'message');
      harness.reply('ERR', 1, 0, 'not expected');
      expect(harness.messages()[0]).to.include({ keyword: 'ERR', channel: 1, msgno: 0 });
    });

    it('ends the session when a peer pipelines without bound', () => {
      const harness = new SessionHarness({ limits: { pipelined: 2 } }).ready(1);
      harness.say('MSG', 1, 0);
      harness.say('MSG', 1, 1);
      faults(harness, 'BUSY', () => harness.say('MSG', 1, 2));
    });
  });

  describe('outbound', () => {
    it('REQ-BEEP-003 numbers MSGs so that no two outstanding ones are the same, also where numbers wrap', () => {
      const harness = new SessionHarness({ origin: { seqno: 0, msgno: 2147483646 } }).ready(1);
      const numbers = [harness.sent(1), harness.sent(1), harness.sent(1)];
      expect(numbers).to.deep.equal([2147483646, 2147483647, 0]);
    });

    it('REQ-BEEP-003 skips a number that is still outstanding when the numbers come round', () => {
      const harness = new SessionHarness({ role: 'initiator', origin: { seqno: 0, msgno: 2147483647 } }).greet();
      // channel 0 was at 2147483647 with this start; 0 is the greeting's and is free again, 1 follows
      harness.session.start({ profiles: [{ uri: ECHO }] });
      harness.session.start({ profiles: [{ uri: ECHO }] });
      harness.session.start({ profiles: [{ uri: ECHO }] });
      expect(harness.messages().map(({ msgno }) => msgno)).to.deep.equal([2147483647, 0, 1]);
    });

    it('REQ-BEEP-001 writes what an independent reader of the grammar accepts', () => {
      const harness = new SessionHarness({ frameOctets: 10 }).ready(1);
      harness.say('MSG', 1, 0);
      harness.session.send(1, { kind: 'ANS', msgno: 0, ansno: 2147483647, payload: Buffer.from('a longer answer') });
      harness.session.send(1, { kind: 'NUL', msgno: 0 });
      expect(harness.heard()).to.deep.equal([
        { ...frameOf('ANS', '*', 0, 'a longer a'), ansno: 2147483647 },
        { ...frameOf('ANS', '.', 10, 'nswer'), ansno: 2147483647 },
        frameOf('NUL', '.', 15, ''),
      ]);
    });

    it('REQ-BEEP-004 states the exact size of each payload, 0 included', () => {
      const harness = new SessionHarness().ready(1);
      for (const payload of ['', 'x', 'ä']) {
        harness.session.send(1, { kind: 'MSG', payload: Buffer.from(payload) });
      }
      expect(harness.text()).to.equal('MSG 1 0 . 0 0\r\nEND\r\nMSG 1 1 . 0 1\r\nxEND\r\nMSG 1 2 . 1 2\r\näEND\r\n');
    });

    it('REQ-BEEP-006 sends the frames of a message without another message of the channel between', () => {
      const harness = new SessionHarness({ frameOctets: 4 }).ready(1);
      harness.session.send(1, { kind: 'MSG', payload: Buffer.from('12345678') });
      harness.session.send(1, { kind: 'MSG', payload: Buffer.from('abcdefgh') });
      expect(harness.messages().map(({ msgno, more, payload }) => `${msgno}${more}${payload}`)).to.deep.equal([
        '0*1234',
        '0.5678',
        '1*abcd',
        '1.efgh',
      ]);
    });

    it('REQ-BEEP-005 never has two answers of one number in progress', () => {
      const harness = new SessionHarness({ frameOctets: 4 }).ready(1);
      harness.say('MSG', 1, 0);
      harness.session.send(1, { kind: 'ANS', msgno: 0, ansno: 7, payload: Buffer.from('123456') });
      harness.session.send(1, { kind: 'ANS', msgno: 0, ansno: 7, payload: Buffer.from('abcdef') });
      expect(harness.messages().map(({ ansno, more, payload }) => `${ansno}${more}${payload}`)).to.deep.equal([
        '7*1234',
        '7.56',
        '7*abcd',
        '7.ef',
      ]);
    });

    it('sends a payload of several buffers as one message', () => {
      const harness = new SessionHarness({ frameOctets: 5 }).ready(1);
      const payload = ['ab', '', 'cdefg', 'h'].map((text) => Buffer.from(text));
      harness.session.send(1, { kind: 'MSG', payload });
      expect(harness.messages().map((message) => message.payload.toString())).to.deep.equal(['abcde', 'fgh']);
    });

    it('REQ-BEEP-027 sends replies in the order of the MSGs, whatever order they are given in', () => {
      const harness = new SessionHarness().ready(1);
      for (const msgno of [7, 3, 5]) {
        harness.say('MSG', 1, msgno);
      }
      harness.reply('RPY', 1, 5, 'third');
      harness.reply('ERR', 1, 3, 'second');
      expect(harness.messages()).to.deep.equal([]);
      harness.reply('RPY', 1, 7, 'first');
      expect(harness.messages().map(({ msgno, payload }) => `${msgno} ${payload}`)).to.deep.equal([
        '7 first',
        '3 second',
        '5 third',
      ]);
    });

    it('REQ-BEEP-027 holds the answers to a MSG until the one-to-many reply before it has its NUL', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 0);
      harness.say('MSG', 1, 1);
      harness.session.send(1, { kind: 'ANS', msgno: 1, ansno: 0, payload: Buffer.from('early') });
      harness.session.send(1, { kind: 'ANS', msgno: 0, ansno: 0, payload: Buffer.from('in turn') });
      expect(harness.messages().map(({ payload }) => payload.toString())).to.deep.equal(['in turn']);
      harness.session.send(1, { kind: 'NUL', msgno: 0 });
      expect(harness.messages().map(({ keyword }) => keyword)).to.deep.equal(['NUL', 'ANS']);
      harness.session.send(1, { kind: 'NUL', msgno: 1 });
      expect(harness.messages().map(({ keyword }) => keyword)).to.deep.equal(['NUL']);
    });

    it('REQ-BEEP-028 sends many MSGs before the first reply, on several channels', () => {
      const pair = new Pair();
      const channels = [pair.open(), pair.open()];
      for (let count = 0; count < 20; count++) {
        for (const channel of channels) {
          pair.initiator.send(channel, { kind: 'MSG', payload: Buffer.from(`${count}`) });
        }
      }
      const messages = pair.pump().listener.filter((event) => event.type === 'message');
      expect(messages.length).to.equal(40);
      expect(pair.initiator.channelInfo(channels[0] ?? 0)?.awaiting).to.equal(20);
      expect(pair.listener.channelInfo(channels[0] ?? 0)?.owed).to.equal(20);
    });

    it('refuses replies that are not owed, given twice, or mixed', () => {
      const harness = new SessionHarness().ready(1);
      const refused = (action: () => unknown): void => {
        expect(action).to.throw(LocalError).with.property('code', 'BEEP_STATE');
      };
      refused(() => harness.reply('RPY', 1, 0));
      harness.say('MSG', 1, 0);
      harness.say('MSG', 1, 1);
      harness.session.send(1, { kind: 'ANS', msgno: 0, ansno: 0, payload: Buffer.alloc(0) });
      refused(() => harness.reply('RPY', 1, 0));
      harness.reply('RPY', 1, 1);
      refused(() => harness.reply('ERR', 1, 1));
      refused(() => harness.reply('RPY', 9, 0));
      refused(() => harness.reply('RPY', 0, 0));
    });

    it('reports how much is queued and outstanding', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 0);
      harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(5000) });
      harness.heard();
      harness.reply('RPY', 1, 0, '12345');
      expect(harness.session.channelInfo(1)).to.deep.equal({
        unsentOctets: 909,
        incompleteOctets: 0,
        owed: 1,
        awaiting: 1,
      });
      expect(harness.session.channelInfo(3)).to.equal(undefined);
    });
  });

  it('reports how much of an incomplete message has arrived, frame by frame and within one', () => {
    const harness = new SessionHarness().ready(1);
    const arrived = () => harness.session.channelInfo(1)?.incompleteOctets;
    harness.say('MSG', 1, 0, '12345', { more: true });
    expect(arrived()).to.equal(5);
    harness.octets('MSG 1 0 . 5 10\r\n678');
    expect(arrived()).to.equal(8);
    harness.octets('90abcdeEND\r\n');
    expect(arrived()).to.equal(0);
  });

  describe('pre-emptive replies and limits', () => {
    it('REQ-BEEP-029 announces a MSG beyond the limit once, and discards the rest of it', () => {
      const harness = new SessionHarness({ limits: { messageOctets: 10 } }).ready(1);
      expect(harness.say('MSG', 1, 4, '12345678', { more: true })).to.deep.equal([]);
      const event = only(harness.say('MSG', 1, 4, 'abcdefgh', { more: true }), 'too-large');
      expect(event).to.include({ channel: 1, msgno: 4, limit: 10 });
      harness.reply('ERR', 1, 4, 'too large');
      expect(harness.messages()[0]).to.include({ keyword: 'ERR', msgno: 4 });
      expect(harness.say('MSG', 1, 4, 'more of it', { more: true })).to.deep.equal([]);
      expect(harness.say('MSG', 1, 4, '')).to.deep.equal([]);
      only(harness.say('MSG', 1, 4, 'the next'), 'message');
    });

    it('REQ-BEEP-029 answers one too large in its turn', () => {
      const harness = new SessionHarness({ limits: { messageOctets: 10 } }).ready(1);
      harness.say('MSG', 1, 0, 'before');
      only(harness.say('MSG', 1, 1, 'more than ten octets'), 'too-large');
      harness.reply('ERR', 1, 1);
      expect(harness.messages()).to.deep.equal([]);
      harness.reply('RPY', 1, 0);
      expect(harness.messages().map(({ keyword, msgno }) => `${keyword} ${msgno}`)).to.deep.equal(['RPY 0', 'ERR 1']);
    });

    it('REQ-BEEP-030 ends a MSG with an empty frame when ERR comes before its end', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(9000) });
      harness.heard();
      only(harness.say('ERR', 1, msgno, 'stop'), 'reply');
      expect(harness.messages()).to.deep.equal([{ ...frameOf('MSG', '.', 4096, ''), msgno }]);
      expect(harness.session.channelInfo(1)?.unsentOctets).to.equal(0);
      harness.octets('SEQ 1 4096 4096\r\n');
      expect(harness.messages()).to.deep.equal([]);
    });

    it('REQ-BEEP-030 ends the MSG at the first frame of the ERR', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(9000) });
      harness.heard();
      harness.say('ERR', 1, msgno, 'st', { more: true });
      expect(harness.messages().map(({ more, payload }) => `${more}${payload.length}`)).to.deep.equal(['.0']);
      expect(only(harness.say('ERR', 1, msgno, 'op'), 'reply').payload.toString()).to.equal('stop');
    });

    it('REQ-BEEP-029 REQ-BEEP-030 carry a pre-emptive reply between two sessions', () => {
      const pair = new Pair({ listener: { limits: { messageOctets: 3000 } } });
      const channel = pair.open();
      const msgno = pair.initiator.send(channel, { kind: 'MSG', payload: Buffer.alloc(1_000_000) });
      pair.carry('initiator');
      expect(pair.events.listener.at(-1)).to.include({ type: 'too-large', channel, msgno });
      pair.listener.send(channel, { kind: 'ERR', msgno, payload: Buffer.from('no') });
      const { initiator, listener } = pair.pump();
      expect(only(initiator, 'reply').kind).to.equal('ERR');
      expect(listener).to.deep.equal([]);
      pair.initiator.send(channel, { kind: 'MSG', payload: Buffer.from('smaller') });
      only(pair.pump().listener, 'message');
    });

    it('discards a reply beyond the limit, and says so once', () => {
      const harness = new SessionHarness({ limits: { messageOctets: 10 } }).ready(1);
      const msgno = harness.sent(1);
      harness.say('RPY', 1, msgno, '12345678', { more: true });
      expect(only(harness.say('RPY', 1, msgno, '9ab', { more: true }), 'reply-too-large').msgno).to.equal(msgno);
      expect(harness.say('RPY', 1, msgno, 'the end')).to.deep.equal([]);
      expect(harness.session.channelInfo(1)?.awaiting).to.equal(0);
    });

    it('discards all answers of a reply when together they exceed the limit', () => {
      const harness = new SessionHarness({ limits: { messageOctets: 10 } }).ready(1);
      const msgno = harness.sent(1);
      harness.say('ANS', 1, msgno, '123456', { more: true, ansno: 0 });
      only(harness.say('ANS', 1, msgno, '123456', { more: true, ansno: 1 }), 'reply-too-large');
      expect(harness.say('ANS', 1, msgno, 'x', { ansno: 0 })).to.deep.equal([]);
      expect(harness.say('ANS', 1, msgno, 'x', { ansno: 1 })).to.deep.equal([]);
      expect(harness.say('ANS', 1, msgno, 'x', { ansno: 2 })).to.deep.equal([]);
      expect(harness.say('NUL', 1, msgno)).to.deep.equal([]);
      expect(harness.session.channelInfo(1)?.awaiting).to.equal(0);
      only(harness.say('RPY', 1, harness.sent(1), 'as ever'), 'reply');
    });

    it('accepts another limit while it runs', () => {
      const harness = new SessionHarness({ limits: { messageOctets: 10 } }).ready(1);
      harness.session.messageOctets = 100;
      only(harness.say('MSG', 1, 0, 'more than ten octets'), 'message');
    });
  });
});

function frameOf(keyword: string, more: string, seqno: number, payload: string): Record<string, unknown> {
  return { keyword, channel: 1, msgno: 0, more, seqno, ansno: undefined, payload: Buffer.from(payload) };
}
