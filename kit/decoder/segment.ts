/**
 * TCP segments in packets: IPv4 and IPv6, also one in the other. Knows no stream and nothing
 * of what the octets mean.
 */
import { ipOf, isReadable } from './link.js';
import { type Packet, RecordingError } from './packet.js';

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

const TCP = 6;
/** IPv4 and IPv6 in IP. */
const [IN_IPV4, IN_IPV6] = [4, 41];
/** IPv6 extension headers that may stand before TCP: hop-by-hop, routing, destination options. */
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60]);
/** Packets in packets that are looked into. */
const DEEPEST = 4;

/**
 * The TCP segments of packets, in their order. Packets of a link type that is not known are left out.
 *
 * @throws RecordingError if nothing but such packets is there
 */
export function* segments(packets: Iterable<Packet>): Generator<Segment> {
  let any = false;
  let strange: number | undefined;
  for (const packet of packets) {
    if (!isReadable(packet.link)) {
      strange ??= packet.link;
      continue;
    }
    any = true;
    const segment = inIp(ipOf(packet), packet.time, 0);
    if (segment !== undefined) yield segment;
  }
  if (!any && strange !== undefined) throw new RecordingError(`packets of link type ${strange} cannot be read`);
}

function inIp(ip: Buffer, time: number, depth: number): Segment | undefined {
  if (ip.length < 20 || depth > DEEPEST) return undefined;
  const version = (ip[0] ?? 0) >> 4;
  if (version === 4) return inIpv4(ip, time, depth);
  return version === 6 ? inIpv6(ip, time, depth) : undefined;
}

function inIpv4(ip: Buffer, time: number, depth: number): Segment | undefined {
  const header = ((ip[0] ?? 0) & 0x0f) * 4;
  const fragment = ip.readUInt16BE(6) & 0x3fff;
  // TCP avoids fragments; a part of a segment is no segment.
  if (header < 20 || fragment !== 0) return undefined;
  // What a network card cuts up itself is recorded with a length of 0.
  const total = ip.readUInt16BE(2) || ip.length;
  const address = (at: number): string => [...ip.subarray(at, at + 4)].join('.');
  return inProtocol(ip[9], ip, [header, total], () => [address(12), address(16)], time, depth);
}

function inIpv6(ip: Buffer, time: number, depth: number): Segment | undefined {
  if (ip.length < 40) return undefined;
  let next = ip[6] ?? 0;
  let at = 40;
  while (EXTENSIONS.has(next) && at + 8 <= ip.length) {
    next = ip[at] ?? 0;
    at += ((ip[at + 1] ?? 0) + 1) * 8;
  }
  const total = (ip.readUInt16BE(4) || ip.length - 40) + 40;
  const address = (from: number): string => `[${ipv6(ip.subarray(from, from + 16))}]`;
  return inProtocol(next, ip, [at, total], () => [address(8), address(24)], time, depth);
}

/** @param place where the headers end, and where the packet does */
function inProtocol(
  protocol: number | undefined,
  ip: Buffer,
  [at, total]: readonly [number, number],
  addresses: () => readonly [string, string],
  time: number,
  depth: number,
): Segment | undefined {
  if (protocol === IN_IPV4 || protocol === IN_IPV6) return inIp(ip.subarray(at, total), time, depth + 1);
  return protocol === TCP ? inTcp(ip, at, total - at, addresses(), time) : undefined;
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
