/**
 * Windows, SEQ, and whose turn it is (RFC 3081 §3.1).
 */
import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { Pair } from '../support/pair.js';
import { faults, Hand, only } from './hand.js';

const octetsOf = (messages: readonly { payload: Buffer }[]): number =>
  messages.reduce((sum, { payload }) => sum + payload.length, 0);

describe('beep: flow control', () => {
  describe('sending', () => {
    it('REQ-BEEP-060 REQ-BEEP-062 stops at 4,096 octets, and goes on as far as each SEQ allows', () => {
      const hand = new Hand().ready(1);
      hand.session.send(1, { kind: 'MSG', payload: Buffer.alloc(10_000) });
      expect(octetsOf(hand.messages())).to.equal(4096);
      expect(hand.session.pending).to.equal(false);
      hand.octets('SEQ 1 4096 1\r\n');
      expect(hand.session.pending).to.equal(true);
      expect(octetsOf(hand.messages())).to.equal(1);
      hand.octets('SEQ 1 4097 10000\r\n');
      const rest = hand.messages();
      expect([octetsOf(rest), rest.at(-1)?.more]).to.deep.equal([5903, '.']);
    });

    it('REQ-BEEP-062 gets a message through a window of one octet', () => {
      const hand = new Hand().ready(1);
      hand.octets('SEQ 1 0 1\r\n');
      const payload = Buffer.from('hello');
      hand.session.send(1, { kind: 'MSG', payload });
      const frames = hand.messages();
      for (let ackno = 1; ackno <= payload.length; ackno++) {
        hand.octets(`SEQ 1 ${ackno} 1\r\n`);
        frames.push(...hand.messages());
      }
      expect(frames.map(({ more, seqno, payload }) => `${more}${seqno}${payload}`)).to.deep.equal([
        '*0h',
        '*1e',
        '*2l',
        '*3l',
        '.4o',
      ]);
    });

    it('REQ-BEEP-062 obeys a window that shrinks, below what was sent too', () => {
      const hand = new Hand().ready(1);
      hand.session.send(1, { kind: 'MSG', payload: Buffer.alloc(100) });
      hand.heard();
      hand.octets('SEQ 1 50 10\r\n');
      hand.session.send(1, { kind: 'MSG', payload: Buffer.alloc(100) });
      expect(hand.messages()).to.deep.equal([]);
      hand.octets('SEQ 1 100 0\r\n');
      expect(hand.messages()).to.deep.equal([]);
      hand.octets('SEQ 1 100 30\r\n');
      expect(octetsOf(hand.messages())).to.equal(30);
    });

    it('sends a message without octets through a closed window', () => {
      const hand = new Hand().ready(1);
      hand.octets('SEQ 1 0 0\r\n');
      hand.session.send(1, { kind: 'MSG', payload: Buffer.alloc(0) });
      expect(hand.messages().length).to.equal(1);
    });

    it('REQ-BEEP-021 REQ-BEEP-062 keeps the window across the wrap of sequence numbers', () => {
      const origin = { seqno: 2 ** 32 - 1000, msgno: 0 };
      const pair = new Pair({ initiator: { origin }, listener: { origin } });
      const channel = pair.open();
      const payload = Buffer.alloc(50_000, 'x');
      pair.initiator.send(channel, { kind: 'MSG', payload });
      expect(only(pair.pump().listener, 'message').payload.equals(payload)).to.equal(true);
    });

    it('REQ-BEEP-063 leaves it to the caller how much to queue, and how long frames are', () => {
      const hand = new Hand({ frameOctets: 2000 }).ready(1);
      hand.session.send(1, { kind: 'MSG', payload: Buffer.alloc(5000) });
      expect(hand.session.channelInfo(1)?.unsentOctets).to.equal(5000);
      expect(hand.messages().map(({ payload }) => payload.length)).to.deep.equal([2000, 2000, 96]);
      expect(hand.session.channelInfo(1)?.unsentOctets).to.equal(904);
    });

    it('REQ-BEEP-066 makes frames of large messages no longer than 973 octets, and leaves small ones whole', () => {
      const hand = new Hand().ready(1);
      hand.session.send(1, { kind: 'MSG', payload: Buffer.alloc(973) });
      hand.session.send(1, { kind: 'MSG', payload: Buffer.alloc(974) });
      expect(hand.messages().map(({ payload, more }) => `${payload.length}${more}`)).to.deep.equal([
        '973.',
        '973*',
        '1.',
      ]);
    });

    it('REQ-BEEP-067 serves channels in turn, a frame each', () => {
      const hand = new Hand({ frameOctets: 100 }).ready(1).channel(3).channel(5);
      for (const channel of [1, 3, 5]) {
        hand.session.send(channel, { kind: 'MSG', payload: Buffer.alloc(300) });
      }
      expect(hand.messages().map(({ channel }) => channel)).to.deep.equal([1, 3, 5, 1, 3, 5, 1, 3, 5]);
    });

    it('REQ-BEEP-067 goes on with the next channel where the last batch ended', () => {
      const hand = new Hand({ frameOctets: 100 }).ready(1).channel(3);
      for (const channel of [1, 3]) {
        hand.session.send(channel, { kind: 'MSG', payload: Buffer.alloc(300) });
      }
      const order: number[] = [];
      for (let batch = hand.session.transmit(1); batch.length > 0; batch = hand.session.transmit(1)) {
        order.push(Number(Buffer.concat(batch).toString('latin1').split(' ')[1]));
      }
      expect(order).to.deep.equal([1, 3, 1, 3, 1, 3]);
    });

    it('REQ-BEEP-072 does not let a channel that cannot send hold up another', () => {
      const hand = new Hand().ready(1).channel(3);
      hand.session.send(1, { kind: 'MSG', payload: Buffer.alloc(100_000) });
      hand.heard();
      hand.session.send(3, { kind: 'MSG', payload: Buffer.from('gets through') });
      expect(hand.messages().map(({ channel }) => channel)).to.deep.equal([3]);
    });

    it('gives about as much as asked for', () => {
      const hand = new Hand().ready(1);
      hand.octets('SEQ 1 0 1000000\r\n');
      hand.session.send(1, { kind: 'MSG', payload: Buffer.alloc(100_000) });
      const octets = Buffer.concat(hand.session.transmit(10_000)).length;
      expect(octets).to.be.within(10_000, 11_100);
      expect(hand.session.pending).to.equal(true);
    });
  });

  describe('SEQ received', () => {
    it('REQ-BEEP-065 ends the session on a SEQ for octets never sent', () => {
      const hand = new Hand().ready(1);
      hand.sent(1, '12345');
      faults(hand, 'BEEP_SEQ_INVALID', () => hand.octets('SEQ 1 6 4096\r\n'));
    });

    it('REQ-BEEP-065 ends the session on a SEQ that takes an acknowledgement back', () => {
      const hand = new Hand().ready(1);
      hand.sent(1, '12345');
      hand.octets('SEQ 1 5 4096\r\n');
      faults(hand, 'BEEP_SEQ_INVALID', () => hand.octets('SEQ 1 4 4096\r\n'));
    });

    for (const octets of [
      'SEQ 1 0\r\n',
      'SEQ 1 0 x\r\n',
      'SEQ 1 4294967296 1\r\n',
      'SEQ 1 0 2147483648\r\n',
      'SEQ 1 0 1 \r\n',
    ]) {
      it(`REQ-BEEP-065 ends the session on ${JSON.stringify(octets)}`, () => {
        const hand = new Hand().ready(1);
        faults(hand, 'BEEP_HEADER_INVALID', () => hand.octets(octets));
      });
    }

    it('REQ-BEEP-065 ends the session on a SEQ for a channel that never was', () => {
      const hand = new Hand().ready(1);
      faults(hand, 'BEEP_CHANNEL_UNKNOWN', () => hand.octets('SEQ 3 0 4096\r\n'));
    });
  });

  describe('receiving', () => {
    it('D-BEEP-03 ends the session on a payload beyond the window, before its octets come', () => {
      const hand = new Hand().ready(1);
      faults(hand, 'BEEP_WINDOW_EXCEEDED', () => hand.octets('MSG 1 0 . 0 4097\r\n'));
      const second = new Hand().ready(1);
      second.say('MSG', 1, 0, 'x'.repeat(4000));
      faults(second, 'BEEP_WINDOW_EXCEEDED', () => second.octets('MSG 1 1 . 4000 97\r\n'));
    });

    it('REQ-BEEP-064 REQ-BEEP-068 says SEQ when the application consumed, and half of the space is free', () => {
      const hand = new Hand().ready(1);
      hand.say('MSG', 1, 0, 'x'.repeat(4096));
      expect(hand.seqs()).to.deep.equal([]);
      hand.session.consume(1, 2047);
      expect(hand.seqs()).to.deep.equal([]);
      hand.session.consume(1, 1);
      expect(hand.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 4096, window: 2048 }]);
      hand.session.consume(1, 2048);
      expect(hand.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 4096, window: 4096 }]);
    });

    it('REQ-BEEP-068 says SEQ after each frame of a message in progress', () => {
      const hand = new Hand().ready(1);
      hand.say('MSG', 1, 0, 'x'.repeat(100), { more: true });
      expect(hand.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 100, window: 4096 }]);
    });

    it('takes a message larger than the window, and holds the credit back once it is whole', () => {
      const hand = new Hand().ready(1);
      let seqs = 0;
      for (let frame = 0; frame < 9; frame++) {
        hand.say('MSG', 1, 0, 'x'.repeat(1000), { more: true });
        seqs += hand.seqs().length;
      }
      expect(seqs).to.equal(9);
      only(hand.say('MSG', 1, 0, 'x'.repeat(1000)), 'message');
      expect(hand.seqs()).to.deep.equal([]);
      hand.session.consume(1, 10_000);
      expect(hand.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 10_000, window: 4096 }]);
    });

    it('REQ-BEEP-069 says one SEQ for several frames that came together', () => {
      const hand = new Hand().ready(1);
      hand.octets(Buffer.concat([0, 1, 2].map((msgno) => hand.frame('MSG', 1, msgno, 'x'.repeat(100)))));
      hand.session.consume(1, 300);
      expect(hand.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 300, window: 4096 }]);
    });

    it('REQ-BEEP-070 says SEQ before messages', () => {
      const hand = new Hand().ready(1);
      hand.say('MSG', 1, 0, 'hello');
      hand.reply('RPY', 1, 0, 'answer');
      hand.session.consume(1, 5);
      expect(hand.heard().map(({ keyword }) => keyword)).to.deep.equal(['SEQ', 'RPY']);
    });

    it('REQ-BEEP-071 advertises what the buffer space leaves', () => {
      const hand = new Hand().ready(1);
      hand.session.window(1, 1_048_576);
      expect(hand.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 0, window: 1_048_576 }]);
      hand.say('MSG', 1, 0, 'x'.repeat(1000));
      hand.say('MSG', 1, 1, 'x'.repeat(1000));
      hand.session.consume(1, 1000);
      expect(hand.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 2000, window: 1_047_576 }]);
    });

    it('REQ-BEEP-074 never moves the right edge to the left, nor says the same again', () => {
      const hand = new Hand().ready(1);
      hand.session.window(1, 10_000);
      hand.heard();
      hand.session.window(1, 4096);
      hand.session.window(1, 10_000);
      expect(hand.seqs()).to.deep.equal([]);
      hand.session.window(1, 1);
      hand.say('MSG', 1, 0, 'x'.repeat(9999));
      hand.session.consume(1, 9999);
      expect(hand.seqs()).to.deep.equal([]);
      hand.say('MSG', 1, 1, 'x');
      hand.session.consume(1, 1);
      expect(hand.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 10_000, window: 1 }]);
    });

    it('credits at once what it lets go', () => {
      const hand = new Hand({ limits: { messageOctets: 10 } }).ready(1);
      only(hand.say('MSG', 1, 0, 'x'.repeat(4096), { more: true }), 'too-large');
      expect(hand.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 4096, window: 4096 }]);
      expect(() => hand.session.consume(1, 1)).to.throw(LocalError);
    });

    it('credits what comes on channel 0 itself', () => {
      const hand = new Hand().greet();
      hand.ask('<nothing />');
      expect(hand.seqs().map(({ channel, window }) => [channel, window])).to.deep.equal([[0, 4096]]);
    });

    it('refuses to consume more than is held, and ignores channels that are gone', () => {
      const hand = new Hand().ready(1);
      hand.say('MSG', 1, 0, 'hello');
      expect(() => hand.session.consume(1, 6))
        .to.throw(LocalError)
        .with.property('code', 'ARGUMENT');
      hand.session.consume(9, 1);
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
      expect(events.map((event) => event.type === 'message' && event.payload.equals(payload))).to.deep.equal([
        true,
        true,
        true,
      ]);
    }
  });
});
