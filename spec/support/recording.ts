/**
 * Writes a pcap file as tcpdump does: TCP segments in IPv4 or IPv6 in Ethernet (or another link layer). Written from
 * the description of the format, independently of the reader under test.
 */

export interface Recorded {
  readonly from: string;
  readonly to: string;
  readonly sequence: number;
  readonly payload?: Buffer | string;
  readonly flags?: 'S' | 'SA' | 'F' | 'R';
}

export interface RecordingOptions {
  readonly link?: 'ethernet' | 'vlan' | 'raw' | 'loopback' | 'cooked';
  readonly bigEndian?: boolean;
  readonly nanoseconds?: boolean;
}

const FLAGS = { S: 0x02, SA: 0x12, F: 0x11, R: 0x04, none: 0x18 };
const LINK_TYPES = { ethernet: 1, vlan: 1, raw: 101, loopback: 0, cooked: 113 };

function split(place: string): { readonly address: string; readonly port: number } {
  const at = place.lastIndexOf(':');
  return { address: place.slice(0, at), port: Number(place.slice(at + 1)) };
}

function tcp({ from, to, sequence, payload = '', flags }: Recorded): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(split(from).port, 0);
  header.writeUInt16BE(split(to).port, 2);
  header.writeUInt32BE(sequence, 4);
  header[12] = 5 << 4;
  header[13] = FLAGS[flags ?? 'none'];
  return Buffer.concat([header, Buffer.from(payload)]);
}

function ip(segment: Recorded): { readonly octets: Buffer; readonly type: number } {
  const inner = tcp(segment);
  const [source, destination] = [split(segment.from).address, split(segment.to).address];
  if (source.startsWith('[')) {
    const header = Buffer.alloc(40);
    header[0] = 0x60;
    header.writeUInt16BE(inner.length, 4);
    header[6] = 6;
    // Only ::N is needed here.
    header[23] = Number(source.slice(3, -1));
    header[39] = Number(destination.slice(3, -1));
    return { octets: Buffer.concat([header, inner]), type: 0x86dd };
  }
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + inner.length, 2);
  header[9] = 6;
  Buffer.from(source.split('.').map(Number)).copy(header, 12);
  Buffer.from(destination.split('.').map(Number)).copy(header, 16);
  return { octets: Buffer.concat([header, inner]), type: 0x0800 };
}

function packet(segment: Recorded, link: NonNullable<RecordingOptions['link']>): Buffer {
  const { octets, type } = ip(segment);
  const typed = Buffer.alloc(2);
  typed.writeUInt16BE(type);
  switch (link) {
    case 'ethernet':
      // Short frames are padded; what is behind the packet is not part of it.
      return Buffer.concat([Buffer.alloc(12), typed, octets, Buffer.alloc(Math.max(0, 46 - octets.length))]);
    case 'vlan':
      return Buffer.concat([Buffer.alloc(12), Buffer.from([0x81, 0, 0, 7]), typed, octets]);
    case 'cooked':
      return Buffer.concat([Buffer.alloc(14), typed, octets]);
    case 'loopback':
      return Buffer.concat([Buffer.from([2, 0, 0, 0]), octets]);
    default:
      return octets;
  }
}

/** The packets a second apart, from 2001-02-03T04:05:06Z on. */
export function recording(segments: readonly Recorded[], options: RecordingOptions = {}): Buffer {
  const { link = 'ethernet', bigEndian = false, nanoseconds = false } = options;
  const numbers = (...values: number[]): Buffer => {
    const octets = Buffer.alloc(values.length * 4);
    for (const [at, value] of values.entries()) {
      if (bigEndian) octets.writeUInt32BE(value, at * 4);
      else octets.writeUInt32LE(value, at * 4);
    }
    return octets;
  };
  const version = bigEndian ? 0x00020004 : 0x00040002;
  const magic = nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4;
  const parts = [numbers(magic, version, 0, 0, 65_535, LINK_TYPES[link])];
  for (const [at, segment] of segments.entries()) {
    const octets = packet(segment, link);
    parts.push(numbers(981_173_106 + at, 0, octets.length, octets.length), octets);
  }
  return Buffer.concat(parts);
}
