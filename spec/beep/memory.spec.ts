/**
 * What a peer can make a session hold.
 */
import { expect } from 'chai';
import { Reassembly } from '../../lib/beep/reassembly.js';
import { only, SessionHarness } from './session-harness.js';

describe('beep: memory', () => {
  it('keeps a message in frames of one octet in one buffer, not in pieces', () => {
    const harness = new SessionHarness({ limits: { messageOctets: 20_000 } }).ready(1);
    harness.session.window(1, 20_000);
    harness.heard();
    for (let octet = 1; octet < 10_000; octet++) {
      harness.say('MSG', 1, 0, 'x', { more: true });
    }
    const { payload } = only(harness.say('MSG', 1, 0, 'x'), 'message');
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

  it('reports how much of incomplete messages it holds, and when none', () => {
    const told: number[] = [];
    const harness = new SessionHarness({
      limits: { messageOctets: 6000 },
      reassemblyObserver: { reassembling: (octets) => told.push(octets) },
    }).ready(1);
    harness.session.window(1, 20_000);
    harness.heard();
    harness.say('MSG', 1, 0, 'x'.repeat(100), { more: true });
    expect(told).to.deep.equal([100]);
    harness.say('MSG', 1, 0, 'x'.repeat(900), { more: true });
    expect(told.at(-1)).to.equal(1000);
    harness.say('MSG', 1, 0, 'x');
    expect(told.at(-1)).to.equal(0);
    harness.say('MSG', 1, 1, 'x'.repeat(4000), { more: true });
    expect(told.at(-1)).to.equal(4000);
    only(harness.say('MSG', 1, 1, 'x'.repeat(4000), { more: true }), 'too-large');
    expect(told.at(-1), 'let go').to.equal(0);
  });

  it('allocates nothing for a size that the window does not allow', () => {
    const harness = new SessionHarness().ready(1);
    const before = process.memoryUsage().arrayBuffers;
    expect(() => harness.octets('MSG 1 0 . 0 2147483647\r\n'))
      .to.throw()
      .with.property('code', 'BEEP_WINDOW_EXCEEDED');
    expect(process.memoryUsage().arrayBuffers - before).to.be.lessThan(100_000_000);
  });

  it('holds whole messages up to the window, and no more until they are consumed', () => {
    const harness = new SessionHarness().ready(1);
    let msgno = 0;
    for (let room = 4096; room > 0; room -= 64) {
      only(harness.say('MSG', 1, msgno++, 'x'.repeat(64)), 'message');
    }
    expect(harness.seqs()).to.deep.equal([]);
    expect(() => harness.say('MSG', 1, msgno, 'x'))
      .to.throw()
      .with.property('code', 'BEEP_WINDOW_EXCEEDED');
  });

  it('releases a payload once it has left', () => {
    const harness = new SessionHarness().ready(1);
    harness.octets('SEQ 1 0 1000000\r\n');
    harness.sent(1, 'x'.repeat(100_000));
    expect(harness.session.channelInfo(1)).to.deep.equal({ unsentOctets: 0, owed: 0, awaiting: 1 });
  });

  it('remembers only so many closed numbers', () => {
    const harness = new SessionHarness().greet();
    harness.octets('SEQ 0 0 1000000\r\n');
    for (let number = 1; number <= 2 * 1025; number += 2) {
      harness.channel(number);
      harness.ask(`<close number='${number}' code='200' />`);
      harness.session.acceptClose(number);
      harness.heard();
      harness.events();
    }
    expect(harness.octets('SEQ 3 0 4096\r\n')).to.deep.equal([]);
    expect(() => harness.octets('SEQ 1 0 4096\r\n'))
      .to.throw()
      .with.property('code', 'BEEP_CHANNEL_UNKNOWN');
  });
});
