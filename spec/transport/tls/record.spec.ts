import { expect } from 'chai';
import fc from 'fast-check';
import { FRAGMENT_OCTETS, MessageJoiner, RecordReader, recordOf, TlsFault } from '../../../lib/transport/tls/record.js';

function recordsOf(chunks: readonly Buffer[]): string[] {
  const reader = new RecordReader();
  const found: string[] = [];
  for (const chunk of chunks) {
    reader.read(chunk, (type, minor, fragment) => found.push(`${type} ${minor} ${fragment.toString('hex')}`) > 0);
  }
  return found;
}

function messagesOf(fragments: readonly Buffer[]): string[] {
  const joiner = new MessageJoiner();
  const found: string[] = [];
  for (const fragment of fragments) joiner.join(fragment, (message) => found.push(message.toString('hex')) > 0);
  return found;
}

const cut = (octets: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(octets.length / size) }, (_, at) => octets.subarray(at * size, (at + 1) * size));

describe('transport/tls/record', () => {
  const contents = [Buffer.from('a'), Buffer.alloc(0), Buffer.alloc(FRAGMENT_OCTETS, 7), Buffer.from('the end')];
  const octets = Buffer.concat(contents.map((content, at) => recordOf(20 + at, 1, content)));
  const expected = contents.map((content, at) => `${20 + at} 1 ${content.toString('hex')}`);

  it('reads records whole, octet by octet and with trailing octets', () => {
    expect(recordsOf([octets])).to.deep.equal(expected);
    expect(recordsOf(cut(octets, 1))).to.deep.equal(expected);
    expect(recordsOf([Buffer.concat([octets, Buffer.from([23, 3])])])).to.deep.equal(expected);
  });

  it('reads records however they are cut', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), (size) => {
        expect(recordsOf(cut(octets, size))).to.deep.equal(expected);
      }),
      { numRuns: 50 },
    );
  });

  it('stops when told', () => {
    let count = 0;
    new RecordReader().read(octets, () => ++count < 2);
    expect(count).to.equal(2);
  });

  for (const [title, header, alert] of [
    ['above 18,432 octets', [23, 3, 1, 0x48, 0x01], 22],
    ['of an unknown type', [24, 3, 1, 0, 1], 10],
    ['of another protocol', [22, 2, 0, 0, 1], 70],
  ] as const) {
    it(`refuses a record ${title}`, () => {
      const fault = (): unknown => recordsOf([Buffer.from(header)]);
      expect(fault).to.throw(TlsFault).with.property('alert', alert);
      expect(fault).to.throw(TlsFault).with.property('code', 'TLS_FAILED');
    });
  }

  it('joins handshake messages split and packed in any way', () => {
    const messages = [
      [1, 0, 0, 3, 7, 8, 9],
      [14, 0, 0, 0],
      [11, 0, 1, 0, ...new Array<number>(256).fill(5)],
    ];
    const packed = Buffer.concat(messages.map((message) => Buffer.from(message)));
    const wanted = messages.map((message) => Buffer.from(message).toString('hex'));
    for (const size of [1, 2, 3, 4, 5, 7, 100, 1000]) expect(messagesOf(cut(packed, size))).to.deep.equal(wanted);
  });

  it('refuses handshake messages above the limit and empty records', () => {
    expect(() => messagesOf([Buffer.from([11, 0, 0xc0, 1])])).to.throw(TlsFault);
    expect(() => messagesOf([Buffer.alloc(0)])).to.throw(TlsFault);
  });
});
