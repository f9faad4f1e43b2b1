/**
 * Finds the IP packet in a packet of a link layer (tcpdump.org/linktypes): Ethernet with VLAN, PPPoE and LLC, PPP, Linux
 * cooked, loopback, IEEE 802.11, packet filters, and IP itself. What is none is left out.
 */
import type { Packet } from './packet.js';

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const PPPOE_SESSION = 0x8864;
const MPLS = 0x8847;
const VLAN: ReadonlySet<number> = new Set([0x8100, 0x88a8, 0x9100, 0x9200]);
/** Below, the field has the length of the frame, and LLC follows (IEEE 802.3). */
const LEAST_TYPE = 0x0600;
/** PPP's numbers of the protocols, and what Ethernet calls them. */
const PPP_PROTOCOLS: Readonly<Record<number, number>> = { 33: IPV4, 87: IPV6 };
/** Entry of a NFLOG packet that has the packet itself. */
const NFLOG_PAYLOAD = 9;

const NOTHING = Buffer.alloc(0);

type Finder = (octets: Buffer) => Buffer;

/** Finders by link type. */
const LINKS: Readonly<Record<number, Finder>> = {
  // BSD loopback: 4 octets for the family, whose numbers differ between systems; the version of IP tells.
  0: (octets) => octets.subarray(4),
  1: (octets) => typed(octets, 12),
  9: ppp,
  12: (octets) => octets,
  14: (octets) => octets,
  50: ppp,
  51: (octets) => ppp(octets.subarray(6)),
  101: (octets) => octets,
  104: (octets) => typed(octets, 2),
  105: wireless,
  108: (octets) => octets.subarray(4),
  109: (octets) => octets.subarray(12),
  113: (octets) => typed(octets, 14),
  // OpenBSD packet filter: a header of the length in its first octet.
  117: (octets) => octets.subarray(Math.ceil(int8(octets, 0) / 4) * 4),
  // Radiotap: a header of the length in its second field, in front of IEEE 802.11.
  127: (octets) => wireless(octets.subarray(octets.length < 4 ? octets.length : octets.readUInt16LE(2))),
  228: (octets) => octets,
  229: (octets) => octets,
  239: nflog,
  276: (octets) => (octets.length < 20 ? NOTHING : ofType(octets.readUInt16BE(0), octets.subarray(20))),
};

/** Whether packets of a link type can be read. */
export function isReadable(link: number): boolean {
  return LINKS[link] !== undefined;
}

/** Returns the IP packet; empty if there is none. */
export function ipOf({ link, octets }: Packet): Buffer {
  return LINKS[link]?.(octets) ?? NOTHING;
}

function int8(octets: Buffer, at: number): number {
  return octets[at] ?? 0;
}

/** @param at where the type of the protocol is; its packet follows */
function typed(octets: Buffer, at: number): Buffer {
  return octets.length < at + 2 ? NOTHING : ofType(octets.readUInt16BE(at), octets.subarray(at + 2));
}

function ofType(type: number, rest: Buffer): Buffer {
  if (type === IPV4 || type === IPV6) return rest;
  if (VLAN.has(type)) return typed(rest, 2);
  if (type === PPPOE_SESSION) return ppp(rest.subarray(6));
  if (type === MPLS) return behindLabels(rest);
  return type < LEAST_TYPE ? llc(rest) : NOTHING;
}

/** The last label has a bit set; IP begins with its version. */
function behindLabels(octets: Buffer): Buffer {
  for (let at = 0; at + 4 <= octets.length; at += 4)
    if ((int8(octets, at + 2) & 1) === 1) return octets.subarray(at + 4);
  return NOTHING;
}

/** SNAP in LLC: AA AA 03, three octets for whose types they are, and a type as in Ethernet. */
function llc(octets: Buffer): Buffer {
  if (octets.length < 8 || octets.readUInt16BE(0) !== 0xaaaa || int8(octets, 2) !== 0x03) return NOTHING;
  return typed(octets, 6);
}

/** PPP: FF 03 may stand in front, and a protocol of one octet has the last bit set. */
function ppp(octets: Buffer): Buffer {
  const rest = int8(octets, 0) === 0xff && int8(octets, 1) === 0x03 ? octets.subarray(2) : octets;
  const short = (int8(rest, 0) & 1) === 1;
  if (rest.length < 2) return NOTHING;
  const type = PPP_PROTOCOLS[short ? int8(rest, 0) : rest.readUInt16BE(0)];
  return type === undefined ? NOTHING : rest.subarray(short ? 1 : 2);
}

/** Data frames of IEEE 802.11 that are not encrypted: 24 octets, 6 between access points, 2 for the quality of service. */
function wireless(octets: Buffer): Buffer {
  const [control, flags] = [int8(octets, 0), int8(octets, 1)];
  const isData = (control & 0x0c) === 0x08 && (control & 0x40) === 0;
  if (!isData || (flags & 0x40) !== 0) return NOTHING;
  const quality = (control & 0x80) === 0 ? 0 : 2;
  const fourth = (flags & 0x03) === 0x03 ? 6 : 0;
  return llc(octets.subarray(24 + fourth + quality));
}

/** Netfilter: entries of length, type and value, in the byte order of the machine. */
function nflog(octets: Buffer): Buffer {
  for (let at = 4; at + 4 <= octets.length; ) {
    const length = octets.readUInt16LE(at);
    if ((octets.readUInt16LE(at + 2) & 0x7fff) === NFLOG_PAYLOAD) return octets.subarray(at + 4, at + length);
    if (length < 4) return NOTHING;
    at += Math.ceil(length / 4) * 4;
  }
  return NOTHING;
}
