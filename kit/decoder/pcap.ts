/**
 * Reads TCP segments from packet recordings in the classic pcap format (tcpdump -w). Knows Ethernet, VLAN, Linux
 * cooked, loopback and raw captures, IPv4 and IPv6; no stream and nothing of what the octets mean.
 */

export interface Segment {
  /** Seconds since 1970. */
  readonly time: number;
  /** `address:port`. */
  readonly from: string;
  readonly to: string;
  readonly sequence: number;
  readonly syn: boolean;
  readonly ack: boolean;
  readonly fin: boolean;
  readonly reset: boolean;
  readonly payload: Buffer;
  /** The payload was longer than what was recorded of it (tcpdump -s). */
  readonly cut: boolean;
}

/** Tells why the file is not a readable pcap. */
export class PcapError extends Error {}

const GLOBAL_OCTETS = 24;
const RECORD_OCTETS = 16;
const TCP = 6;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const VLAN = new Set([0x8100, 0x88a8, 0x9100]);
/** IPv6 extension headers that may stand before TCP: hop-by-hop, routing, destination options. */
const EXTENSIONS = new Set([0, 43, 60]);

/** Octets of the link layer's header, and where its type of protocol is; by link type (tcpdump.org/linktypes). */
const LINKS: Readonly<Record<number, { readonly octets: number; readonly type?: number }>> = {
  0: { octets: 4 },
  1: { octets: 14, type: 12 },
  12: { octets: 0 },
  101: { octets: 0 },
  108: { octets: 4 },
  113: { octets: 16, type: 14 },
  228: { octets: 0 },
  229: { octets: 0 },
  276: { octets: 20, type: 0 },
};

const MAGIC: Readonly<Record<string, { readonly little: boolean; readonly fraction: number }>> = {
  d4c3b2a1: { little: true, fraction: 1e6 },
  a1b2c3d4: { little: false, fraction: 1e6 },
  '4d3cb2a1': { little: true, fraction: 1e9 },
  a1b23c4d: { little: false, fraction: 1e9 },
};

export function isPcap(octets: Buffer): boolean {
  const magic = octets.toString('hex', 0, 4);
  return magic in MAGIC || magic === '0a0d0d0a';
}

/** The TCP segments in the order of the recording. @throws PcapError */
export function* segments(octets: Buffer): Generator<Segment> {
  const magic = octets.toString('hex', 0, 4);
  if (magic === '0a0d0d0a') {
    throw new PcapError('this is pcapng, not pcap; "tcpdump -r FILE -w NEW" or "editcap -F pcap FILE NEW" converts it');
  }
  const format = MAGIC[magic];
  if (format === undefined || octets.length < GLOBAL_OCTETS) throw new PcapError('this is not a pcap file');
  const int32 = (at: number): number => (format.little ? octets.readUInt32LE(at) : octets.readUInt32BE(at));
  const linkType = int32(20) & 0xffff;
  const link = LINKS[linkType];
  if (link === undefined) throw new PcapError(`packets of link type ${linkType} cannot be read`);
  let at = GLOBAL_OCTETS;
  while (at + RECORD_OCTETS <= octets.length) {
    const time = int32(at) + int32(at + 4) / format.fraction;
    const captured = int32(at + 8);
    const packet = octets.subarray(at + RECORD_OCTETS, at + RECORD_OCTETS + captured);
    const segment = inLink(packet, link, time);
    if (segment !== undefined) yield segment;
    at += RECORD_OCTETS + captured;
  }
}

function inLink(packet: Buffer, link: { octets: number; type?: number }, time: number): Segment | undefined {
  let start = link.octets;
  if (packet.length < start + 20) return undefined;
  if (link.type !== undefined) {
    let type = packet.readUInt16BE(link.type);
    while (VLAN.has(type) && packet.length >= start + 24) {
      type = packet.readUInt16BE(start + 2);
      start += 4;
    }
    if (type !== IPV4 && type !== IPV6) return undefined;
  }
  const ip = packet.subarray(start);
  const version = (ip[0] ?? 0) >> 4;
  if (version === 4) return inIpv4(ip, time);
  return version === 6 ? inIpv6(ip, time) : undefined;
}

function inIpv4(ip: Buffer, time: number): Segment | undefined {
  const header = ((ip[0] ?? 0) & 0x0f) * 4;
  const fragment = ip.readUInt16BE(6) & 0x3fff;
  // TCP avoids fragments; a part of a segment is no segment.
  if (ip[9] !== TCP || fragment !== 0) return undefined;
  // What a network card cuts up itself is recorded with a length of 0.
  const total = ip.readUInt16BE(2) || ip.length;
  const address = (at: number): string => [...ip.subarray(at, at + 4)].join('.');
  return inTcp(ip, header, total - header, [address(12), address(16)], time);
}

function inIpv6(ip: Buffer, time: number): Segment | undefined {
  if (ip.length < 60) return undefined;
  let next = ip[6] ?? 0;
  let at = 40;
  while (EXTENSIONS.has(next) && at + 8 <= ip.length) {
    next = ip[at] ?? 0;
    at += ((ip[at + 1] ?? 0) + 1) * 8;
  }
  if (next !== TCP) return undefined;
  const total = (ip.readUInt16BE(4) || ip.length - 40) + 40;
  const address = (from: number): string => `[${ipv6(ip.subarray(from, from + 16))}]`;
  return inTcp(ip, at, total - at, [address(8), address(24)], time);
}

function ipv6(octets: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, at) => octets.readUInt16BE(at * 2).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function inTcp(
  ip: Buffer,
  at: number,
  length: number,
  [source, destination]: readonly [string, string],
  time: number,
): Segment | undefined {
  if (length < 20 || at + 20 > ip.length) return undefined;
  const tcp = ip.subarray(at, at + length);
  const header = ((tcp[12] ?? 0) >> 4) * 4;
  const flags = tcp[13] ?? 0;
  return {
    time,
    from: `${source}:${tcp.readUInt16BE(0)}`,
    to: `${destination}:${tcp.readUInt16BE(2)}`,
    sequence: tcp.readUInt32BE(4),
    syn: (flags & 0x02) !== 0,
    ack: (flags & 0x10) !== 0,
    fin: (flags & 0x01) !== 0,
    reset: (flags & 0x04) !== 0,
    payload: tcp.subarray(Math.min(header, tcp.length)),
    cut: tcp.length < length,
  };
}
