/**
 * What a peer can make a session hold.
 */
import { expect } from 'chai';
import { Reassembly } from '../../lib/beep/reassembly.js';
import { contiguous } from '../../lib/mime/payload.js';
import { only, SessionHarness } from './session-harness.js';

describe('beep: memory', () => {
  it('keeps a message in frames of one octet in few pieces, of at most twice its octets', () => {
    const told: number[] = [];
    const harness = new SessionHarness({
      limits: { messageOctets: 20_000 },
      reassemblyObserver: { reassembling: (octets) => told.push(octets) },
    }).ready(1);
    harness.session.window(1, 20_000);
    harness.heard();
    for (let octet = 1; octet < 10_000; octet++) {
      harness.say('MSG', 1, 0, 'x', { more: true });
    }
    const { payload } = only(harness.say('MSG', 1, 0, 'x'), 'message');
    expect(payload).to.deep.equal(Buffer.alloc(10_000, 'x'));
    expect(Math.max(...told)).to.be.at.most(20_000);
    expect(told.length, 'blocks, and the end of the message').to.be.at.most(10);
  });

  it('takes ever larger blocks up to 64 KiB, and copies nothing from one to the next', () => {
    const sizes: number[] = [];
    const message = new Reassembly({ count: (octets) => sizes.push(octets) });
    for (let octet = 0; octet < 300_000; octet += 1) message.read(Buffer.from([octet & 255]), 0, 1, 1);
    expect(sizes).to.deep.equal([
      64,
      64,
      128,
      256,
      512,
      1024,
      2048,
      4096,
      8192,
      16_384,
      32_768,
      ...Array(4).fill(65_536),
    ]);
    const payload = message.finish();
    expect(Buffer.isBuffer(payload) ? 1 : payload.length).to.equal(15);
    expect(contiguous(payload).every((octet, at) => octet === (at & 255))).to.equal(true);
    expect(
      sizes.reduce((a, b) => a + b, 0),
      'all of it was let go',
    ).to.equal(0);
  });

  it('keeps a view of a chunk that it nearly fills, and counts the whole chunk', () => {
    const sizes: number[] = [];
    const message = new Reassembly({ count: (octets) => sizes.push(octets) });
    const chunk = Buffer.alloc(65_536, 'a');
    message.read(Buffer.alloc(65_536, 'b'), 65_000, 65_536, 100_000);
    message.read(chunk, 30, 65_000, 99_464);
    message.read(Buffer.alloc(65_536, 'c'), 0, 20_000, 34_494);
    expect(sizes).to.deep.equal([65_536, 65_536]);
    const payload = message.finish();
    const pieces = Buffer.isBuffer(payload) ? [payload] : payload;
    expect(pieces.map(({ length }) => length)).to.deep.equal([536, 64_970, 20_000]);
    expect(pieces[1]?.buffer, 'not copied').to.equal(chunk.buffer);
    expect(pieces[0]?.buffer, 'one block').to.equal(pieces[2]?.buffer);
    expect(contiguous(payload).toString()).to.equal('b'.repeat(536) + 'a'.repeat(64_970) + 'c'.repeat(20_000));
  });

  it('returns a message of up to 16 KiB as one buffer', () => {
    const message = new Reassembly({ count: () => {} });
    for (let frame = 0; frame < 16; frame += 1) message.read(Buffer.alloc(1024, frame), 0, 1024, 1024);
    const payload = message.finish();
    expect(Buffer.isBuffer(payload) && payload.every((octet, at) => octet === at >> 10)).to.equal(true);
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
    expect(harness.session.channelInfo(1)).to.deep.equal({
      unsentOctets: 0,
      incompleteOctets: 0,
      owed: 0,
      awaiting: 1,
    });
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
