/**
 * What a peer can make a session hold.
 */
import { expect } from 'chai';
import { Reassembly } from '../../lib/beep/reassembly.js';
import { Hand, only } from './hand.js';

describe('beep: memory', () => {
  it('keeps a message in frames of one octet in one buffer, not in pieces', () => {
    const hand = new Hand({ limits: { messageOctets: 20_000 } }).ready(1);
    hand.session.window(1, 20_000);
    hand.heard();
    for (let octet = 1; octet < 10_000; octet++) {
      hand.say('MSG', 1, 0, 'x', { more: true });
    }
    const { payload } = only(hand.say('MSG', 1, 0, 'x'), 'message');
    expect(payload.length).to.equal(10_000);
    expect(payload.buffer.byteLength).to.be.at.most(20_000);
  });

  it('grows by doubling, never past the limit', () => {
    const message = new Reassembly();
    const sizes = new Set<number>();
    while (message.octets < 10_000) {
      message.reserve(1, 10_000, { count: () => {} });
      message.octets += 1;
      sizes.add(message.buffer.length);
    }
    expect([...sizes]).to.deep.equal([64, 128, 256, 512, 1024, 2048, 4096, 8192, 10_000]);
  });

  it('tells how much of messages it holds that are not complete, and when no more', () => {
    const told: number[] = [];
    const hand = new Hand({
      limits: { messageOctets: 6000 },
      reassemblyObserver: { reassembling: (octets) => told.push(octets) },
    }).ready(1);
    hand.session.window(1, 20_000);
    hand.heard();
    hand.say('MSG', 1, 0, 'x'.repeat(100), { more: true });
    expect(told).to.deep.equal([100]);
    hand.say('MSG', 1, 0, 'x'.repeat(900), { more: true });
    expect(told.at(-1)).to.equal(1000);
    hand.say('MSG', 1, 0, 'x');
    expect(told.at(-1)).to.equal(0);
    hand.say('MSG', 1, 1, 'x'.repeat(4000), { more: true });
    expect(told.at(-1)).to.equal(4000);
    only(hand.say('MSG', 1, 1, 'x'.repeat(4000), { more: true }), 'too-large');
    expect(told.at(-1), 'let go').to.equal(0);
  });

  it('allocates nothing for a size that the window does not allow', () => {
    const hand = new Hand().ready(1);
    const before = process.memoryUsage().arrayBuffers;
    expect(() => hand.octets('MSG 1 0 . 0 2147483647\r\n'))
      .to.throw()
      .with.property('code', 'BEEP_WINDOW_EXCEEDED');
    expect(process.memoryUsage().arrayBuffers - before).to.be.lessThan(100_000_000);
  });

  it('holds whole messages up to the window, and no more until they are consumed', () => {
    const hand = new Hand().ready(1);
    let msgno = 0;
    for (let room = 4096; room > 0; room -= 64) {
      only(hand.say('MSG', 1, msgno++, 'x'.repeat(64)), 'message');
    }
    expect(hand.seqs()).to.deep.equal([]);
    expect(() => hand.say('MSG', 1, msgno, 'x'))
      .to.throw()
      .with.property('code', 'BEEP_WINDOW_EXCEEDED');
  });

  it('lets go of a payload once it has left', () => {
    const hand = new Hand().ready(1);
    hand.octets('SEQ 1 0 1000000\r\n');
    hand.sent(1, 'x'.repeat(100_000));
    expect(hand.session.channelInfo(1)).to.deep.equal({ unsentOctets: 0, owed: 0, awaiting: 1 });
  });

  it('remembers only so many closed numbers', () => {
    const hand = new Hand().greet();
    hand.octets('SEQ 0 0 1000000\r\n');
    for (let number = 1; number <= 2 * 1025; number += 2) {
      hand.channel(number);
      hand.ask(`<close number='${number}' code='200' />`);
      hand.session.acceptClose(number);
      hand.heard();
      hand.events();
    }
    expect(hand.octets('SEQ 3 0 4096\r\n')).to.deep.equal([]);
    expect(() => hand.octets('SEQ 1 0 4096\r\n'))
      .to.throw()
      .with.property('code', 'BEEP_CHANNEL_UNKNOWN');
  });
});
