/**
 * Writes a pcap file as tcpdump does, or a pcapng file as dumpcap does: TCP segments in IPv4 or IPv6 in Ethernet (or
 * another link layer). Written from the descriptions of the formats, independently of the readers under test.
 */

export interface Recorded {
  readonly from: string;
  readonly to: string;
  readonly sequence: number;
  readonly payload?: Buffer | string;
  readonly flags?: 'S' | 'SA' | 'F' | 'R';
}

const LINK_TYPES = {
  ethernet: 1,
  vlan: 1,
  pppoe: 1,
  mpls: 1,
  llc: 1,
  tunnel: 1,
  raw: 101,
  'raw of BSD': 12,
  loopback: 0,
  'loopback of OpenBSD': 108,
  cooked: 113,
  'cooked, second version': 276,
  ppp: 9,
  'ppp with address and control': 50,
  'ppp over ethernet': 51,
  'cisco hdlc': 104,
  wireless: 105,
  'wireless with radiotap': 127,
  'packet filter': 117,
  enc: 109,
  netfilter: 239,
  ipv4: 228,
} as const;

/** Link layers that can be written. */
export type RecordedLink = keyof typeof LINK_TYPES;
export const LINK_LAYERS = Object.keys(LINK_TYPES) as RecordedLink[];

export interface RecordingOptions {
  readonly link?: RecordedLink;
  readonly bigEndian?: boolean;
  readonly nanoseconds?: boolean;
  /** The format with longer records. */
  readonly modified?: boolean;
}

const FLAGS = { S: 0x02, SA: 0x12, F: 0x11, R: 0x04, none: 0x18 };

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

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** SNAP in LLC, up to the type. */
const SNAP = hex('aaaa03 000000');

/** What stands in front of the IP packet. */
function front(link: RecordedLink, type: Buffer, length: number): Buffer[] {
  const address = Buffer.alloc(12);
  const ppp = type[0] === 0x08 ? hex('0021') : hex('0057');
  const size = Buffer.alloc(2);
  switch (link) {
    case 'vlan':
      return [address, hex('88a8 0003 8100 0007'), type];
    case 'pppoe':
      return [address, hex('8864 11 00 0001 0000'), ppp];
    case 'mpls':
      return [address, hex('8847 00010000 00020100')];
    case 'llc':
      size.writeUInt16BE(length + 8);
      return [address, size, SNAP, type];
    case 'cooked':
      return [Buffer.alloc(14), type];
    case 'cooked, second version':
      return [type, Buffer.alloc(18)];
    case 'loopback':
      return [hex('02000000')];
    case 'loopback of OpenBSD':
      return [hex('00000002')];
    case 'ppp':
      return [ppp.subarray(1)];
    case 'ppp with address and control':
      return [hex('ff03'), ppp];
    case 'ppp over ethernet':
      return [hex('11 00 0001 0000'), ppp];
    case 'cisco hdlc':
      return [hex('0f00'), type];
    case 'wireless':
      return [hex('8801'), Buffer.alloc(24), SNAP, type];
    case 'wireless with radiotap':
      return [hex('0000 0a00 00000000 0000'), hex('0803'), Buffer.alloc(28), SNAP, type];
    case 'packet filter':
      return [hex('3d'), Buffer.alloc(63)];
    case 'enc':
      return [hex('02000000'), Buffer.alloc(8)];
    case 'netfilter':
      size.writeUInt16LE(length + 4);
      return [hex('02000000'), hex('0500 0a00 61000000'), size, hex('0900')];
    default:
      return link === 'ethernet' ? [address, type] : [];
  }
}

function packet(segment: Recorded, link: RecordedLink): Buffer {
  const { octets, type } = ip(segment);
  const typed = Buffer.alloc(2);
  typed.writeUInt16BE(type);
  if (link === 'tunnel') return Buffer.concat([Buffer.alloc(12), typed, tunnelled(octets)]);
  // Short frames are padded; what is behind the packet is not part of it.
  const padding = link === 'ethernet' ? Math.max(0, 46 - octets.length) : 0;
  return Buffer.concat([...front(link, typed, octets.length), octets, Buffer.alloc(padding)]);
}

/** IPv4 in IPv4. */
function tunnelled(inner: Buffer): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + inner.length, 2);
  header[9] = 4;
  return Buffer.concat([header, inner]);
}

const START_S = 981_173_106;

/** The packets a second apart, from 2001-02-03T04:05:06Z on. */
export function recording(segments: readonly Recorded[], options: RecordingOptions = {}): Buffer {
  const { link = 'ethernet', bigEndian = false, nanoseconds = false, modified = false } = options;
  const numbers = (...values: number[]): Buffer => {
    const octets = Buffer.alloc(values.length * 4);
    for (const [at, value] of values.entries()) {
      if (bigEndian) octets.writeUInt32BE(value, at * 4);
      else octets.writeUInt32LE(value, at * 4);
    }
    return octets;
  };
  const version = bigEndian ? 0x00020004 : 0x00040002;
  const magic = modified ? 0xa1b2cd34 : nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4;
  const parts = [numbers(magic, version, 0, 0, 65_535, LINK_TYPES[link])];
  for (const [at, segment] of segments.entries()) {
    const octets = packet(segment, link);
    parts.push(numbers(START_S + at, 0, octets.length, octets.length));
    // Index of the interface, protocol, kind of packet.
    if (modified) parts.push(numbers(2, 0x0008_0000));
    parts.push(octets);
  }
  return Buffer.concat(parts);
}

/** How a pcapng file is written. */
export interface NextOptions {
  /** The link layer of each interface. */
  readonly links?: readonly RecordedLink[];
  readonly bigEndian?: boolean;
  /** Ticks of a second, as the octet of the option; default: none, microseconds. */
  readonly resolution?: number;
  /** Seconds that all times are counted from. */
  readonly offset?: number;
  readonly blocks?: 'enhanced' | 'old' | 'simple';
}

const RESOLUTIONS = new Map([
  [undefined, 1_000_000n],
  [9, 1_000_000_000n],
  [0x80 + 20, 1_048_576n],
]);

/** One section of pcapng, the packets a second apart, in turn from each interface. */
export function nextRecording(segments: readonly Recorded[], options: NextOptions = {}): Buffer {
  const { links = ['ethernet'], bigEndian = false, resolution, offset = 0, blocks = 'enhanced' } = options;
  const int = (value: number, octets: 2 | 4 = 4): Buffer => {
    const written = Buffer.alloc(octets);
    if (bigEndian) written.writeUIntBE(value, 0, octets);
    else written.writeUIntLE(value, 0, octets);
    return written;
  };
  const padded = (octets: Buffer): Buffer => Buffer.concat([octets, Buffer.alloc((4 - (octets.length % 4)) % 4)]);
  const block = (type: number, ...parts: Buffer[]): Buffer => {
    const body = padded(Buffer.concat(parts));
    return Buffer.concat([int(type), int(body.length + 12), body, int(body.length + 12)]);
  };
  const option = (code: number, value: Buffer): Buffer =>
    Buffer.concat([int(code, 2), int(value.length, 2), padded(value)]);
  const seconds = Buffer.alloc(8);
  if (bigEndian) seconds.writeBigInt64BE(BigInt(offset));
  else seconds.writeBigInt64LE(BigInt(offset));
  const parts = [
    block(0x0a0d0d0a, int(0x1a2b3c4d), int(1, 2), int(0, 2), Buffer.alloc(8, 0xff), option(4, Buffer.from('a spec'))),
    ...links.map((link) => {
      const options_ = [
        option(2, Buffer.from('lo')),
        ...(resolution === undefined ? [] : [option(9, Buffer.from([resolution]))]),
        ...(offset === 0 ? [] : [option(14, seconds)]),
        option(0, Buffer.alloc(0)),
      ];
      return block(1, int(LINK_TYPES[link], 2), int(0, 2), int(262_144), ...options_);
    }),
    // Statistics, names, and what nobody has defined.
    block(5, int(0), Buffer.alloc(8)),
    block(0x0bad, Buffer.from('unknown')),
  ];
  for (const [at, segment] of segments.entries()) {
    const number = at % links.length;
    const octets = packet(segment, links[number] ?? 'ethernet');
    const ticks = BigInt(START_S + at - offset) * (RESOLUTIONS.get(resolution) ?? 1n);
    const times = [int(Number(ticks >> 32n)), int(Number(ticks & 0xffffffffn)), int(octets.length), int(octets.length)];
    const comment = option(1, Buffer.from('a comment'));
    if (blocks === 'simple') parts.push(block(3, int(octets.length), octets));
    else if (blocks === 'old') parts.push(block(2, int(number, 2), int(0, 2), ...times, octets));
    else parts.push(block(6, int(number), ...times, padded(octets), comment, option(0, Buffer.alloc(0))));
  }
  return Buffer.concat(parts);
}
