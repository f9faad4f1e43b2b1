import { expect } from 'chai';
import { type Connection, connections } from '../../../kit/decoder/connections.js';
import { isPcap, segments } from '../../../kit/decoder/pcap.js';
import { type Recorded, type RecordingOptions, recording } from '../../support/recording.js';

const I = '127.0.0.1:40000';
const L = '127.0.0.1:10913';

const read = (list: readonly Recorded[], options?: RecordingOptions, port?: number): Connection[] =>
  connections(segments(recording(list, options)), port);

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

  it('are read from every link layer, in both byte orders', () => {
    const list = [...HANDSHAKE, { from: I, to: L, sequence: 100, payload: 'hello' }];
    for (const link of ['ethernet', 'vlan', 'raw', 'loopback', 'cooked'] as const) {
      for (const bigEndian of [false, true]) {
        const [connection] = read(list, { link, bigEndian, nanoseconds: bigEndian });
        expect(connection, link).to.deep.include({ initiator: I, listener: L });
        expect(connection && said(connection)).to.deep.equal({ I: 'hello', L: '' });
        expect(connection?.chunks[0]?.time).to.equal(981_173_108);
      }
    }
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

  it('are distinguished from octets, and pcapng from pcap', () => {
    expect(isPcap(recording([]))).to.equal(true);
    expect(isPcap(Buffer.from('RPY 0 0 . 0 52\r\n'))).to.equal(false);
    const next = Buffer.from('0a0d0d0a00000000', 'hex');
    expect(isPcap(next)).to.equal(true);
    expect(() => [...segments(next)]).to.throw('editcap');
  });

  it('may end in the middle', () => {
    const whole = recording([...HANDSHAKE, { from: I, to: L, sequence: 100, payload: 'hello' }]);
    for (let end = 24; end < whole.length; end += 1) expect(() => [...segments(whole.subarray(0, end))]).to.not.throw();
  });
});
