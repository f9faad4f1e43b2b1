/**
 * Packets of a recording in the classic pcap format (tcpdump -w): with micro- or nanoseconds, in either byte order, and
 * in the "modified" format, whose records say more about each packet.
 */
import { type Packet, RecordingError } from './packet.js';

const GLOBAL_OCTETS = 24;
/** Octets of a record's header, and those of the modified format. */
const [RECORD_OCTETS, MODIFIED_OCTETS] = [16, 24];
/** More than any packet has: what claims it is damaged. */
const MOST_PACKET = 16_777_216;

interface Format {
  readonly little: boolean;
  /** Parts of a second. */
  readonly fraction: number;
  readonly header: number;
}

function formats(little: boolean): readonly [string, Format][] {
  const written = (magic: string): string => (little ? magic.replace(/(..)(..)(..)(..)/, '$4$3$2$1') : magic);
  return [
    [written('a1b2c3d4'), { little, fraction: 1e6, header: RECORD_OCTETS }],
    [written('a1b23c4d'), { little, fraction: 1e9, header: RECORD_OCTETS }],
    [written('a1b2cd34'), { little, fraction: 1e6, header: MODIFIED_OCTETS }],
  ];
}

const FORMATS = new Map([...formats(true), ...formats(false)]);

export function isPcap(octets: Buffer): boolean {
  return FORMATS.has(octets.toString('hex', 0, 4));
}

/** The packets in the order of the recording. @throws RecordingError */
export function* pcapPackets(octets: Buffer): Generator<Packet> {
  const format = FORMATS.get(octets.toString('hex', 0, 4));
  if (format === undefined || octets.length < GLOBAL_OCTETS) throw new RecordingError('this is not a pcap file');
  const { fraction, header } = format;
  const int32 = (at: number): number => (format.little ? octets.readUInt32LE(at) : octets.readUInt32BE(at));
  // The upper half says how long the checksum of a frame is, which stands behind all that is read here.
  const link = int32(20) & 0xffff;
  let at = GLOBAL_OCTETS;
  while (at + header <= octets.length) {
    const time = int32(at) + int32(at + 4) / fraction;
    const captured = int32(at + 8);
    if (captured > MOST_PACKET)
      throw new RecordingError(`the recording is damaged at octet ${at}: a packet of ${captured}`);
    yield { time, link, octets: octets.subarray(at + header, at + header + captured) };
    at += header + captured;
  }
}
