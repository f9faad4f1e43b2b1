/**
 * The decoder alone: where frames end, and what its payloads cost.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { Decoder } from '../../lib/beep/decoder.js';
import { Encoder } from '../../lib/beep/encoder.js';
import { ANS, type Header, KEYWORDS, NUL, SEQ } from '../../lib/beep/frame.js';
import { Outgoing } from '../../lib/beep/outgoing.js';
import { RemoteProtocolError } from '../../lib/errors.js';

interface Frame {
  readonly header: Header;
  readonly payload: Buffer;
}

/** All frames that are complete, by way of `take` where it can, else of `deliver`. */
function frames(decoder: Decoder, chunks: readonly Buffer[]): Frame[] {
  const found: Frame[] = [];
  let pieces: Buffer[] | undefined;
  for (const chunk of chunks) {
    decoder.push(chunk);
    while (pieces !== undefined || decoder.header()) {
      const header = { ...decoder.frame };
      if (header.keyword === SEQ) {
        found.push({ header, payload: Buffer.alloc(0) });
        continue;
      }
      const whole: Buffer | undefined = pieces === undefined ? decoder.take() : undefined;
      pieces ??= [];
      const read = (octets: Buffer, start: number, end: number): void => {
        pieces?.push(octets.subarray(start, end));
      };
      if (whole === undefined && !decoder.deliver({ read })) {
        break;
      }
      found.push({ header, payload: whole ?? Buffer.concat(pieces) });
      pieces = undefined;
    }
  }
  return found;
}

function cut(octets: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (let index = 0; at < octets.length; index++) {
    const size = sizes[index % sizes.length] ?? octets.length;
    chunks.push(Buffer.from(octets.subarray(at, at + size)));
    at += size;
  }
  return chunks;
}

const number31 = fc.oneof(fc.nat(12), fc.integer({ min: 0, max: 2147483647 }), fc.constant(2147483647));
const number32 = fc.oneof(fc.nat(12), fc.integer({ min: 0, max: 4294967295 }), fc.constant(4294967295));
const anyFrame = fc
  .record({
    keyword: fc.integer({ min: 0, max: 5 }),
    channel: number31,
    msgno: number31,
    more: fc.boolean(),
    seqno: number32,
    ansno: number31,
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ minLength: 4000, maxLength: 20_000, size: 'max' }),
    ),
    window: number31,
  })
  .map(({ payload, window, ...rest }) => ({ ...rest, window, payload: Buffer.from(payload) }));

/** The octets of a frame, by the encoder. */
function encode(encoder: Encoder, frame: typeof anyFrame extends fc.Arbitrary<infer T> ? T : never): Buffer {
  const { keyword, channel, msgno, more, seqno, ansno, payload, window } = frame;
  if (keyword === SEQ) {
    encoder.seq(channel, seqno, window);
  } else {
    const body = keyword === NUL ? Buffer.alloc(0) : payload;
    const message = new Outgoing(keyword, msgno, ansno, body);
    // One octet more to come makes a frame an intermediate one.
    message.octets += more ? 1 : 0;
    encoder.frame(channel, seqno, message, body.length);
  }
  return Buffer.concat(encoder.finish());
}

describe('beep: decoder', () => {
  const octets = Buffer.from(
    'MSG 1 2 * 3 4\r\nbodyEND\r\nSEQ 1 7 4096\r\nANS 0 1 . 7 2 5\r\n\r\nEND\r\nNUL 0 1 . 9 0\r\nEND\r\n',
  );
  const expected = ['MSG 1 2 true 3 4 0 body', 'SEQ 1', 'ANS 0 1 false 7 2 5 \r\n', 'NUL 0 1 false 9 0 0 '];
  const shown = ({ header, payload }: Frame): string =>
    header.keyword === SEQ
      ? `SEQ ${header.channel}`
      : [
          KEYWORDS[header.keyword],
          ...[header.channel, header.msgno, header.more, header.seqno, header.size, header.ansno],
          payload,
        ].join(' ');

  it('reads frames that come at once', () => {
    expect(frames(new Decoder(), [octets]).map(shown)).to.deep.equal(expected);
  });

  it('reads frames that come octet by octet', () => {
    expect(frames(new Decoder(), cut(octets, [1])).map(shown)).to.deep.equal(expected);
  });

  it('retains octets that do not yet complete a frame', () => {
    const decoder = new Decoder();
    expect(frames(decoder, [Buffer.concat([octets, Buffer.from('MSG 1 3 . 7')])]).map(shown)).to.deep.equal(expected);
    expect(decoder.rest().toString()).to.equal('MSG 1 3 . 7');
  });

  it('accepts several chunks before it is asked for frames', () => {
    const decoder = new Decoder();
    for (const chunk of cut(octets, [3])) {
      decoder.push(chunk);
    }
    expect(frames(decoder, [Buffer.alloc(0)]).map(shown)).to.deep.equal(expected);
  });

  it('reads the longest header, wherever it is divided', () => {
    const longest = Buffer.from('ANS 2147483647 2147483647 . 4294967295 0000000001 4294967295\r\nxEND\r\n');
    expect(longest.indexOf('\r\n') + 2).to.equal(62);
    for (let at = 1; at < longest.length; at++) {
      const [frame] = frames(new Decoder(), [longest.subarray(0, at), longest.subarray(at)]);
      expect(frame?.header).to.include({ keyword: ANS, channel: 2147483647, seqno: 4294967295, ansno: 4294967295 });
    }
  });

  it('retains little memory for small payloads that are kept', () => {
    const chunk = Buffer.concat(
      Array.from({ length: 3000 }, (_, seqno) => Buffer.from(`MSG 1 0 . ${seqno} 1\r\nxEND\r\n`)),
    );
    const [first] = frames(new Decoder(), [chunk]);
    // Node's pool for small buffers, 8 KiB in Node 20 and 64 KiB in Node 26, aligned.
    expect(first?.payload.buffer.byteLength).to.be.at.most(Buffer.poolSize + 64);
    expect(first?.payload.buffer).not.to.equal(chunk.buffer);
  });

  it('passes on without a copy a payload that is most of its chunk', () => {
    const chunk = Buffer.concat([Buffer.from('MSG 1 0 . 0 60000\r\n'), Buffer.alloc(60_000), Buffer.from('END\r\n')]);
    const [frame] = frames(new Decoder(), [chunk]);
    expect(frame?.payload.buffer).to.equal(chunk.buffer);
  });

  it('discards a payload, however it is divided', () => {
    for (const sizes of [[1], [7], [1000]]) {
      const decoder = new Decoder();
      let reading = false;
      let done = 0;
      for (const chunk of cut(Buffer.from('MSG 1 0 . 0 10\r\n0123456789END\r\n'), sizes)) {
        decoder.push(chunk);
        reading ||= decoder.header();
        if (reading && decoder.skip()) {
          reading = false;
          done += 1;
        }
      }
      expect(done).to.equal(1);
    }
  });

  it('property: decode after encode is identity, and fragmentation is invisible', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1 }),
        (list, sizes) => {
          const encoder = new Encoder();
          const octets = Buffer.concat(list.map((frame) => encode(encoder, frame)));
          const found = frames(new Decoder(), cut(octets, sizes));
          expect(found.length).to.equal(list.length);
          found.forEach(({ header, payload }, index) => {
            const frame = list[index];
            if (frame === undefined) {
              throw new Error('a frame too many');
            }
            expect(header.keyword).to.equal(frame.keyword);
            expect(header.channel).to.equal(frame.channel);
            expect(header.seqno).to.equal(frame.seqno);
            if (frame.keyword === SEQ) {
              expect(header.size).to.equal(frame.window);
              return;
            }
            expect(header.msgno).to.equal(frame.msgno);
            expect(header.more).to.equal(frame.more);
            expect(header.ansno).to.equal(frame.keyword === ANS ? frame.ansno : 0);
            expect(payload.equals(frame.keyword === NUL ? Buffer.alloc(0) : frame.payload)).to.equal(true);
          });
        },
      ),
      { numRuns: 150 },
    );
  });

  it('property: any octets are frames or a fault', () => {
    const pieces = fc.oneof(
      fc.constantFrom('MSG ', 'SEQ ', 'ANS ', 'RPY', '0', ' ', '1 0 . 0 0', '\r\n', 'END\r\n', '*', '4294967296'),
      fc.string({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), fc.integer({ min: 1, max: 9 }), (parts, size) => {
        try {
          frames(new Decoder(), cut(Buffer.from(parts.join('')), [size]));
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
