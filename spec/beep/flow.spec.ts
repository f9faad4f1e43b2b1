/**
 * Windows, SEQ, and whose turn it is (RFC 3081 §3.1).
 */

import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { contiguous } from '../../lib/mime/payload.js';
import { Pair } from '../support/pair.js';
import { faults, only, SessionHarness } from './session-harness.js';

const octetsOf = (messages: readonly { payload: Buffer }[]): number =>
  messages.reduce((sum, { payload }) => sum + payload.length, 0);

describe('beep: flow control', () => {
  describe('sending', () => {
    it('REQ-BEEP-060 REQ-BEEP-062 stops at 4,096 octets, and goes on as far as each SEQ allows', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(10_000) });
      expect(octetsOf(harness.messages())).to.equal(4096);
      expect(harness.session.pending).to.equal(false);
      harness.octets('SEQ 1 4096 1\r\n');
      expect(harness.session.pending).to.equal(true);
      expect(octetsOf(harness.messages())).to.equal(1);
      harness.octets('SEQ 1 4097 10000\r\n');
      const rest = harness.messages();
      expect([octetsOf(rest), rest.at(-1)?.more]).to.deep.equal([5903, '.']);
    });

    it('REQ-BEEP-062 sends a message through a window of one octet', () => {
      const harness = new SessionHarness().ready(1);
      harness.octets('SEQ 1 0 1\r\n');
      const payload = Buffer.from('hello');
      harness.session.send(1, { kind: 'MSG', payload });
      const frames = harness.messages();
      for (let ackno = 1; ackno <= payload.length; ackno++) {
        harness.octets(`SEQ 1 ${ackno} 1\r\n`);
        frames.push(...harness.messages());
      }
      expect(frames.map(({ more, seqno, payload }) => `${more}${seqno}${payload}`)).to.deep.equal([
        '*0h',
        '*1e',
        '*2l',
        '*3l',
        '.4o',
      ]);
    });

    it('REQ-BEEP-062 obeys a window that shrinks, even below what was sent', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(100) });
      harness.heard();
      harness.octets('SEQ 1 50 10\r\n');
      harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(100) });
      expect(harness.messages()).to.deep.equal([]);
      harness.octets('SEQ 1 100 0\r\n');
      expect(harness.messages()).to.deep.equal([]);
      harness.octets('SEQ 1 100 30\r\n');
      expect(octetsOf(harness.messages())).to.equal(30);
    });

    it('sends a message without octets through a closed window', () => {
      const harness = new SessionHarness().ready(1);
      harness.octets('SEQ 1 0 0\r\n');
      harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(0) });
      expect(harness.messages().length).to.equal(1);
    });

    it('REQ-BEEP-021 REQ-BEEP-062 keeps the window across the wrap of sequence numbers', () => {
      const origin = { seqno: 2 ** 32 - 1000, msgno: 0 };
      const pair = new Pair({ initiator: { origin }, listener: { origin } });
      const channel = pair.open();
      const payload = Buffer.alloc(50_000, 'x');
      pair.initiator.send(channel, { kind: 'MSG', payload });
      expect(contiguous(only(pair.pump().listener, 'message').payload).equals(payload)).to.equal(true);
    });

    it('REQ-BEEP-063 leaves it to the caller how much to queue, and how long frames are', () => {
      const harness = new SessionHarness({ frameOctets: 2000 }).ready(1);
      harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(5000) });
      expect(harness.session.channelInfo(1)?.unsentOctets).to.equal(5000);
      expect(harness.messages().map(({ payload }) => payload.length)).to.deep.equal([2000, 2000, 96]);
      expect(harness.session.channelInfo(1)?.unsentOctets).to.equal(904);
    });

    it('REQ-BEEP-066 makes frames of large messages no longer than 973 octets, and leaves small ones whole', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(973) });
      harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(974) });
      expect(harness.messages().map(({ payload, more }) => `${payload.length}${more}`)).to.deep.equal([
        '973.',
        '973*',
        '1.',
      ]);
    });

    it('REQ-BEEP-067 serves channels in turn, a frame each', () => {
      const harness = new SessionHarness({ frameOctets: 100 }).ready(1).channel(3).channel(5);
      for (const channel of [1, 3, 5]) {
        harness.session.send(channel, { kind: 'MSG', payload: Buffer.alloc(300) });
      }
      expect(harness.messages().map(({ channel }) => channel)).to.deep.equal([1, 3, 5, 1, 3, 5, 1, 3, 5]);
    });

    it('REQ-BEEP-067 goes on with the next channel where the last batch ended', () => {
      const harness = new SessionHarness({ frameOctets: 100 }).ready(1).channel(3);
      for (const channel of [1, 3]) {
        harness.session.send(channel, { kind: 'MSG', payload: Buffer.alloc(300) });
      }
      const order: number[] = [];
      for (let batch = harness.session.transmit(1); batch.length > 0; batch = harness.session.transmit(1)) {
        order.push(Number(Buffer.concat(batch).toString('latin1').split(' ')[1]));
      }
      expect(order).to.deep.equal([1, 3, 1, 3, 1, 3]);
    });

    it('REQ-BEEP-072 does not let a channel that cannot send hold up another', () => {
      const harness = new SessionHarness().ready(1).channel(3);
      harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(100_000) });
      harness.heard();
      harness.session.send(3, { kind: 'MSG', payload: Buffer.from('gets through') });
      expect(harness.messages().map(({ channel }) => channel)).to.deep.equal([3]);
    });

    it('returns about as many octets as asked for', () => {
      const harness = new SessionHarness().ready(1);
      harness.octets('SEQ 1 0 1000000\r\n');
      harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(100_000) });
      const octets = Buffer.concat(harness.session.transmit(10_000)).length;
      expect(octets).to.be.within(10_000, 11_100);
      expect(harness.session.pending).to.equal(true);
    });
  });

  describe('SEQ received', () => {
    it('REQ-BEEP-065 ends the session on a SEQ for octets never sent', () => {
      const harness = new SessionHarness().ready(1);
      harness.sent(1, '12345');
      faults(harness, 'BEEP_SEQ_INVALID', () => harness.octets('SEQ 1 6 4096\r\n'));
    });

    it('REQ-BEEP-065 ends the session on a SEQ that takes an acknowledgement back', () => {
      const harness = new SessionHarness().ready(1);
      harness.sent(1, '12345');
      harness.octets('SEQ 1 5 4096\r\n');
      faults(harness, 'BEEP_SEQ_INVALID', () => harness.octets('SEQ 1 4 4096\r\n'));
    });

    for (const octets of [
      'SEQ 1 0\r\n',
      'SEQ 1 0 x\r\n',
      'SEQ 1 4294967296 1\r\n',
      'SEQ 1 0 2147483648\r\n',
      'SEQ 1 0 1 \r\n',
    ]) {
      it(`REQ-BEEP-065 ends the session on ${JSON.stringify(octets)}`, () => {
        const harness = new SessionHarness().ready(1);
        faults(harness, 'BEEP_HEADER_INVALID', () => harness.octets(octets));
      });
    }

    it('REQ-BEEP-065 ends the session on a SEQ for a channel that never was', () => {
      const harness = new SessionHarness().ready(1);
      faults(harness, 'BEEP_CHANNEL_UNKNOWN', () => harness.octets('SEQ 3 0 4096\r\n'));
    });
  });

  describe('receiving', () => {
    it('D-BEEP-03 ends the session on a payload beyond the window, before its octets come', () => {
      const harness = new SessionHarness().ready(1);
      faults(harness, 'BEEP_WINDOW_EXCEEDED', () => harness.octets('MSG 1 0 . 0 4097\r\n'));
      const second = new SessionHarness().ready(1);
      second.say('MSG', 1, 0, 'x'.repeat(4000));
      faults(second, 'BEEP_WINDOW_EXCEEDED', () => second.octets('MSG 1 1 . 4000 97\r\n'));
    });

    it('REQ-BEEP-064 REQ-BEEP-068 sends SEQ when the application has consumed and half of the space is free', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 0, 'x'.repeat(4096));
      expect(harness.seqs()).to.deep.equal([]);
      harness.session.consume(1, 2047);
      expect(harness.seqs()).to.deep.equal([]);
      harness.session.consume(1, 1);
      expect(harness.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 4096, window: 2048 }]);
      harness.session.consume(1, 2048);
      expect(harness.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 4096, window: 4096 }]);
    });

    it('REQ-BEEP-068 sends SEQ after each frame of an incomplete message', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 0, 'x'.repeat(100), { more: true });
      expect(harness.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 100, window: 4096 }]);
    });

    it('accepts a message larger than the window, and withholds the credit once it is complete', () => {
      const harness = new SessionHarness().ready(1);
      let seqs = 0;
      for (let frame = 0; frame < 9; frame++) {
        harness.say('MSG', 1, 0, 'x'.repeat(1000), { more: true });
        seqs += harness.seqs().length;
      }
      expect(seqs).to.equal(9);
      only(harness.say('MSG', 1, 0, 'x'.repeat(1000)), 'message');
      expect(harness.seqs()).to.deep.equal([]);
      harness.session.consume(1, 10_000);
      expect(harness.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 10_000, window: 4096 }]);
    });

    it('REQ-BEEP-069 sends one SEQ for several frames that arrived together', () => {
      const harness = new SessionHarness().ready(1);
      harness.octets(Buffer.concat([0, 1, 2].map((msgno) => harness.frame('MSG', 1, msgno, 'x'.repeat(100)))));
      harness.session.consume(1, 300);
      expect(harness.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 300, window: 4096 }]);
    });

    it('REQ-BEEP-070 sends SEQ before messages', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 0, 'hello');
      harness.reply('RPY', 1, 0, 'answer');
      harness.session.consume(1, 5);
      expect(harness.heard().map(({ keyword }) => keyword)).to.deep.equal(['SEQ', 'RPY']);
    });

    it('REQ-BEEP-071 advertises what the buffer space leaves', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.window(1, 1_048_576);
      expect(harness.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 0, window: 1_048_576 }]);
      harness.say('MSG', 1, 0, 'x'.repeat(1000));
      harness.say('MSG', 1, 1, 'x'.repeat(1000));
      harness.session.consume(1, 1000);
      expect(harness.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 2000, window: 1_047_576 }]);
    });

    it('REQ-BEEP-074 never moves the right edge to the left, nor repeats a SEQ', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.window(1, 10_000);
      harness.heard();
      harness.session.window(1, 4096);
      harness.session.window(1, 10_000);
      expect(harness.seqs()).to.deep.equal([]);
      harness.session.window(1, 1);
      harness.say('MSG', 1, 0, 'x'.repeat(9999));
      harness.session.consume(1, 9999);
      expect(harness.seqs()).to.deep.equal([]);
      harness.say('MSG', 1, 1, 'x');
      harness.session.consume(1, 1);
      expect(harness.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 10_000, window: 1 }]);
    });

    it('credits at once what it discards', () => {
      const harness = new SessionHarness({ limits: { messageOctets: 10 } }).ready(1);
      only(harness.say('MSG', 1, 0, 'x'.repeat(4096), { more: true }), 'too-large');
      expect(harness.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 4096, window: 4096 }]);
      expect(() => harness.session.consume(1, 1)).to.throw(LocalError);
    });

    it('credits channel 0 without the application', () => {
      const harness = new SessionHarness().greet();
      harness.ask('<nothing />');
      expect(harness.seqs().map(({ channel, window }) => [channel, window])).to.deep.equal([[0, 4096]]);
    });

    it('refuses to consume more than is held, and ignores channels that are gone', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 0, 'hello');
      expect(() => harness.session.consume(1, 6))
        .to.throw(LocalError)
        .with.property('code', 'ARGUMENT');
      harness.session.consume(9, 1);
    });
  });

  it('REQ-BEEP-028 carries large messages both ways on several channels at once', () => {
    const pair = new Pair({ chunk: 1000 });
    const channels = [pair.open(), pair.open(), pair.open()];
    const payload = Buffer.alloc(30_000, 'abc');
    for (const channel of channels) {
      pair.initiator.send(channel, { kind: 'MSG', payload });
      pair.listener.send(channel, { kind: 'MSG', payload });
    }
    const { initiator, listener } = pair.pump();
    for (const events of [initiator, listener]) {
      expect(
        events.map((event) => event.type === 'message' && contiguous(event.payload).equals(payload)),
      ).to.deep.equal([true, true, true]);
    }
  });
});
