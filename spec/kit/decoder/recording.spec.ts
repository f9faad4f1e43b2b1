import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { type Connection, connections } from '../../../kit/decoder/connections.js';
import { isRecording, packets, uncompressed } from '../../../kit/decoder/recording.js';
import { segments } from '../../../kit/decoder/segment.js';
import {
  LINK_LAYERS,
  type NextOptions,
  nextRecording,
  type Recorded,
  type RecordingOptions,
  recording,
} from '../../support/recording.js';

const I = '127.0.0.1:40000';
const L = '127.0.0.1:10913';

const decoded = (octets: Buffer, port?: number): Connection[] => connections(segments(packets(octets)), port);

const read = (list: readonly Recorded[], options?: RecordingOptions, port?: number): Connection[] =>
  decoded(recording(list, options), port);

const fixture = (name: string): Buffer => readFileSync(new URL(`../../fixtures/recordings/${name}`, import.meta.url));

/** What each side said, in order. */
function said({ chunks }: Connection): Record<string, string> {
  const text: Record<string, string> = { I: '', L: '' };
  for (const { side, octets } of chunks) text[side] += octets.toString();
  return text;
}

describe('imxp wire: recordings of packets', () => {
  const HANDSHAKE: readonly Recorded[] = [
    { from: I, to: L, sequence: 99, flags: 'S' },
    { from: L, to: I, sequence: 499, flags: 'SA' },
  ];

  it('are read from every link layer, in both byte orders and all record formats', () => {
    const list = [...HANDSHAKE, { from: I, to: L, sequence: 100, payload: 'hello' }];
    for (const link of LINK_LAYERS) {
      for (const bigEndian of [false, true]) {
        for (const kind of [{}, { nanoseconds: true }, { modified: true }]) {
          const [connection] = read(list, { link, bigEndian, ...kind });
          expect(connection, link).to.deep.include({ initiator: I, listener: L });
          expect(connection && said(connection)).to.deep.equal({ I: 'hello', L: '' });
          expect(connection?.chunks[0]?.time).to.equal(981_173_108);
        }
      }
    }
  });

  it('are read in pcapng: in either byte order, with any time resolution, packet block and number of interfaces', () => {
    const list = [...HANDSHAKE, { from: I, to: L, sequence: 100, payload: 'hello' }];
    const shapes: NextOptions[] = [
      {},
      { bigEndian: true },
      { resolution: 9 },
      { resolution: 0x80 + 20, bigEndian: true },
      { offset: 900_000_000 },
      { links: ['cooked', 'loopback', 'raw'] },
      { blocks: 'old' },
    ];
    for (const shape of shapes) {
      const [connection] = decoded(nextRecording(list, shape));
      expect(connection, JSON.stringify(shape)).to.deep.include({ initiator: I, listener: L });
      expect(connection && said(connection)).to.deep.equal({ I: 'hello', L: '' });
      expect(connection?.chunks[0]?.time).to.equal(981_173_108);
    }
    const [simple] = decoded(nextRecording(list, { blocks: 'simple' }));
    expect(simple && said(simple)).to.deep.equal({ I: 'hello', L: '' });
  });

  it('continue in further pcapng sections, which have interfaces of their own', () => {
    const first = nextRecording(HANDSHAKE, { links: ['cooked'] });
    const second = nextRecording([{ from: I, to: L, sequence: 100, payload: 'hello' }], {
      links: ['raw'],
      bigEndian: true,
    });
    const [connection] = decoded(Buffer.concat([first, second]));
    expect(connection && said(connection)).to.deep.equal({ I: 'hello', L: '' });
  });

  it('are read as dumpcap and tcpdump write them', () => {
    for (const name of ['dumpcap-4.0.pcapng', 'tcpdump-4.99-any.pcap']) {
      const [connection] = decoded(fixture(name), 10_913);
      expect(connection, name).to.deep.include({ listener: L, remarks: [] });
      const greeting = /^RPY 0 0 \. 0 52\r\nContent-Type: .*<greeting \/>\r\nEND\r\n$/s;
      const { I: initiator, L: listener } = connection === undefined ? {} : said(connection);
      expect(
        [initiator, listener].map((text) => greeting.test(text ?? '')),
        name,
      ).to.deep.equal([true, true]);
      expect(connection?.chunks[0]?.time).to.be.closeTo(Date.parse('2026-11-30T12:24:33.560Z') / 1000, 0.001);
    }
  });

  it('are read compressed with gzip, even while the file is still being written', () => {
    const whole = gzipSync(recording([...HANDSHAKE, { from: I, to: L, sequence: 100, payload: 'hello' }]));
    expect(decoded(uncompressed(whole)).map(said)).to.deep.equal([{ I: 'hello', L: '' }]);
    expect(uncompressed(whole.subarray(0, -12)).length).to.be.greaterThan(0);
    expect(() => uncompressed(Buffer.from('1f8b08ffffffffffffffffffff', 'hex'))).to.throw('cannot be decompressed');
    expect(() => uncompressed(Buffer.from('28b52ffd00', 'hex'))).to.throw('compressed with zstd: decompress it first');
    expect(uncompressed(Buffer.from('RPY'))).to.deep.equal(Buffer.from('RPY'));
  });

  it('are refused with the reason if they cannot be read', () => {
    const strange = recording(HANDSHAKE);
    strange.writeUInt32LE(147, 20);
    expect(() => decoded(strange)).to.throw('packets of link type 147 cannot be read');
    const damaged = recording(HANDSHAKE);
    damaged.writeUInt32LE(0x7fffffff, 32);
    expect(() => decoded(damaged)).to.throw('damaged at octet 24');
    const next = nextRecording(HANDSHAKE);
    next.writeUInt32LE(6, next.readUInt32LE(4) + 4);
    expect(() => decoded(next)).to.throw(/damaged at octet \d+: a block of 6 octets/);
  });

  it('are read in IPv6', () => {
    const [six, other] = ['[::1]:40000', '[::2]:10913'];
    const [connection] = read([{ from: six, to: other, sequence: 1, payload: 'hello' }], { link: 'raw' });
    expect(connection).to.deep.include({ initiator: six, listener: other });
  });

  it('are ordered: repeated octets count once, and both sides are merged by time', () => {
    const [connection] = read([
      ...HANDSHAKE,
      { from: I, to: L, sequence: 105, payload: 'world' },
      { from: L, to: I, sequence: 500, payload: 'first' },
      { from: I, to: L, sequence: 100, payload: 'hello' },
      { from: I, to: L, sequence: 100, payload: 'hello' },
      { from: I, to: L, sequence: 108, payload: 'ld again' },
    ]);
    expect(connection && said(connection)).to.deep.equal({ I: 'helloworld again', L: 'first' });
    expect(connection?.chunks.map(({ side }) => side).join('')).to.equal('LIII');
    expect(connection?.remarks).to.deep.equal([]);
  });

  it('continue where sequence numbers wrap', () => {
    const [connection] = read([
      { from: I, to: L, sequence: 0xfffffffe, payload: 'wrap' },
      { from: I, to: L, sequence: 2, payload: 'ped' },
    ]);
    expect(connection && said(connection)).to.deep.include({ I: 'wrapped' });
  });

  it('say how much is missing', () => {
    const [connection] = read([
      ...HANDSHAKE,
      { from: I, to: L, sequence: 100, payload: 'be' },
      { from: I, to: L, sequence: 105, payload: 'hind' },
    ]);
    expect(connection && said(connection)).to.deep.include({ I: 'behind' });
    expect(connection?.remarks).to.deep.equal(['3 octets of I are not in the recording']);
  });

  it('find the listener by the SYN, else by the given port, else by the lower port', () => {
    const middle = [{ from: L, to: I, sequence: 1, payload: 'x' }];
    expect(read(middle)[0]).to.deep.include({ initiator: I, listener: L });
    expect(read(middle, {}, 40_000)[0]).to.deep.include({ initiator: L, listener: I });
    const opened = [{ from: L, to: I, sequence: 0, flags: 'S' } as const, ...middle];
    expect(read(opened)[0]).to.deep.include({ initiator: L, listener: I });
  });

  it('keep connections apart, even those that use the same ports one after the other', () => {
    const again = (payload: string): Recorded[] => [
      { from: I, to: L, sequence: 99, flags: 'S' },
      { from: I, to: L, sequence: 100, payload },
      { from: I, to: L, sequence: 100 + payload.length, flags: 'F' },
    ];
    const list = [
      ...again('one'),
      { from: '127.0.0.1:1', to: '127.0.0.1:2', sequence: 1, payload: 'no' },
      ...again('two'),
    ];
    expect(read(list, {}, 10_913).map(said)).to.deep.equal([
      { I: 'one', L: '' },
      { I: 'two', L: '' },
    ]);
    expect(() => read(list, {}, 5)).to.throw('port 5');
  });

  it('keep connections apart that reuse ports, even if the end of the first was not recorded', () => {
    const begun = (initial: number, payload: string): Recorded[] => [
      { from: I, to: L, sequence: initial, flags: 'S' },
      { from: I, to: L, sequence: initial, flags: 'S' },
      { from: L, to: I, sequence: initial + 7, flags: 'SA' },
      { from: I, to: L, sequence: initial + 1, payload },
      { from: L, to: I, sequence: initial + 8, payload: payload.toUpperCase() },
    ];
    const list = [...begun(1000, 'one'), ...begun(900_000, 'two'), ...begun(5, 'three')];
    expect(read(list).map(said)).to.deep.equal([
      { I: 'one', L: 'ONE' },
      { I: 'two', L: 'TWO' },
      { I: 'three', L: 'THREE' },
    ]);
    const late: Recorded = { from: I, to: L, sequence: 3_000_000_000, payload: 'of another' };
    const [stray] = read([...begun(1000, 'one'), late]);
    expect(stray && said(stray)).to.deep.equal({ I: 'one', L: 'ONE' });
    expect(stray?.remarks).to.deep.equal(['1 packets of I are of another connection']);
    // Only one SYN was recorded, and the recording begins in the middle of an earlier connection.
    const middle: Recorded[] = [{ from: L, to: I, sequence: 77, payload: 'before' }, ...begun(1000, 'one')];
    expect(read(middle).map(said)).to.deep.equal([
      { I: '', L: 'before' },
      { I: 'one', L: 'ONE' },
    ]);
    const answered: Recorded[] = [...begun(1000, 'one'), ...begun(900_000, 'two').slice(2)];
    expect(read(answered).map(said), 'without the SYN of the second').to.deep.equal([
      { I: 'one', L: 'ONE' },
      { I: 'two', L: 'TWO' },
    ]);
    const swapped: Recorded[] = begun(500, 'four').map((one) => ({ ...one, from: one.to, to: one.from }));
    expect(read([...begun(1000, 'one'), ...swapped]).map(({ initiator }) => initiator)).to.deep.equal([I, L]);
  });

  it('include octets that come with the SYN, and segments recorded out of order', () => {
    const fast: Recorded[] = [
      { from: I, to: L, sequence: 99, flags: 'S', payload: 'hel' },
      { from: L, to: I, sequence: 500, payload: 'first' },
      { from: L, to: I, sequence: 499, flags: 'SA' },
      { from: I, to: L, sequence: 103, payload: 'lo' },
    ];
    expect(read(fast).map(said)).to.deep.equal([{ I: 'hello', L: 'first' }]);
  });

  it('are distinguished from octets', () => {
    expect(isRecording(recording([]))).to.equal(true);
    expect(isRecording(nextRecording([]))).to.equal(true);
    expect(isRecording(Buffer.from('RPY 0 0 . 0 52\r\n'))).to.equal(false);
    expect(isRecording(Buffer.alloc(2))).to.equal(false);
  });

  it('may end in the middle', () => {
    const list = [...HANDSHAKE, { from: I, to: L, sequence: 100, payload: 'hello' }];
    for (const whole of [recording(list), nextRecording(list), recording(list, { modified: true })]) {
      for (let end = 24; end < whole.length; end += 1) {
        expect(() => [...segments(packets(whole.subarray(0, end)))]).to.not.throw();
      }
    }
  });
});
