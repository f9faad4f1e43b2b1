/**
 * The encoder alone: form of the octets, and which are copied.
 */
import { expect } from 'chai';
import { Encoder } from '../../lib/beep/encoder.js';
import { ANS, MSG } from '../../lib/beep/frame.js';
import { Outgoing } from '../../lib/beep/outgoing.js';

describe('beep: encoder', () => {
  it('writes numbers of every length', () => {
    const encoder = new Encoder();
    const numbers = [
      0, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 99_999, 100_000, 999_999_999, 2_147_483_647, 4_294_967_295,
    ];
    for (const number of numbers) {
      encoder.seq(1, number, 0);
    }
    expect(Buffer.concat(encoder.finish()).toString()).to.equal(
      numbers.map((number) => `SEQ 1 ${number} 0\r\n`).join(''),
    );
  });

  it('joins small frames into one buffer', () => {
    const encoder = new Encoder();
    for (let msgno = 0; msgno < 3; msgno++) {
      encoder.frame(1, msgno, new Outgoing(MSG, msgno, 0, Buffer.from('x')), 1);
    }
    expect(encoder.octets).to.equal(3 * 21);
    const batch = encoder.finish();
    expect(batch.length).to.equal(1);
    expect(batch[0]?.toString()).to.equal(
      'MSG 1 0 . 0 1\r\nxEND\r\nMSG 1 1 . 1 1\r\nxEND\r\nMSG 1 2 . 2 1\r\nxEND\r\n',
    );
    expect(encoder.octets).to.equal(0);
  });

  it('puts a large payload between uncopied', () => {
    const encoder = new Encoder();
    const payload = Buffer.alloc(16_384, 'x');
    encoder.frame(1, 0, new Outgoing(ANS, 2, 3, payload), payload.length);
    const [header, body, trailer] = encoder.finish();
    expect(header?.toString()).to.equal('ANS 1 2 . 0 16384 3\r\n');
    expect(body?.buffer).to.equal(payload.buffer);
    expect(trailer?.toString()).to.equal('END\r\n');
  });

  it('never changes octets it has handed out', () => {
    const encoder = new Encoder();
    const batches: [Buffer, string][] = [];
    for (let round = 0; round < 600; round++) {
      const payload = Buffer.alloc(1000, round % 256);
      encoder.frame(1, 0, new Outgoing(MSG, round, 0, payload), payload.length);
      const batch = Buffer.concat(encoder.finish());
      encoder.frame(1, 0, new Outgoing(MSG, round, 0, payload), payload.length);
      for (const octets of encoder.finish()) {
        batches.push([octets, octets.toString('latin1')]);
      }
      expect(batch.length).to.be.greaterThan(1000);
    }
    for (const [octets, text] of batches) {
      expect(octets.toString('latin1') === text).to.equal(true);
    }
  });
});
