/**
 * Reads DNS responses (RFC 1035 §4.1) that may be damaged: it leaves out records that cannot be read and keeps those
 * before them.
 */
import { type Answer, decode, type Packet, type Question } from 'dns-packet';

/** A response as far as it can be read. */
export interface DnsResponse {
  readonly id: number;
  /** The response code with the upper bits of EDNS (RFC 6891 §6.1.3): 16 is BADVERS. */
  readonly code: number;
  /** More was to be said than fits: the records do not count (RFC 2181 §9). */
  readonly truncated: boolean;
  /** RFC 4035 §3.2.3: whether the server says that DNSSEC has validated all of it. */
  readonly authentic: boolean;
  /** Whether the server speaks for the zone itself. */
  readonly authoritative: boolean;
  readonly question: Question | undefined;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
  /** False when an answer or authority record cannot be read. */
  readonly whole: boolean;
}

const HEADER_OCTETS = 12;
const AUTHORITATIVE = 0x400;
const TRUNCATED = 0x200;
const AUTHENTIC = 0x20;
/** Where the header says how many records each section has (RFC 1035 §4.1.1). */
const ANSWERS_AT = 6;
const AUTHORITIES_AT = 8;
const ADDITIONALS_AT = 10;

/** Undefined for octets that are no response, or whose question cannot be read. */
export function readResponse(octets: Buffer): DnsResponse | undefined {
  if (octets.length < HEADER_OCTETS) return undefined;
  const all = decoded(octets);
  if (all !== undefined) return responseOf(all, true);
  // The additional records are not needed: servers and middleboxes damage them without harm to the answer.
  const copy = Buffer.from(octets);
  copy.writeUInt16BE(0, ADDITIONALS_AT);
  const answer = decoded(copy);
  if (answer !== undefined) return responseOf(answer, true);
  copy.writeUInt16BE(0, AUTHORITIES_AT);
  const part = longest(copy, octets.readUInt16BE(ANSWERS_AT));
  return part === undefined ? undefined : responseOf(part, false);
}

/** The message with as many of its answers as can be read: a message ends in the middle of a record where it was cut. */
function longest(octets: Buffer, count: number): Packet | undefined {
  let [readable, broken] = [-1, count + 1];
  let packet: Packet | undefined;
  while (broken - readable > 1) {
    const half = (readable + broken) >> 1;
    octets.writeUInt16BE(half, ANSWERS_AT);
    const read = decoded(octets);
    if (read === undefined) broken = half;
    else [readable, packet] = [half, read];
  }
  return packet;
}

function decoded(octets: Buffer): Packet | undefined {
  try {
    return decode(octets);
  } catch {
    return undefined;
  }
}

function responseOf(packet: Packet, whole: boolean): DnsResponse | undefined {
  if (packet.type !== 'response') return undefined;
  const { id = 0, flags = 0, questions = [], answers = [], authorities = [], additionals = [] } = packet;
  const opt = additionals.find((record) => record.type === 'OPT');
  return {
    id,
    code: (flags & 0xf) | ((opt?.type === 'OPT' ? opt.extendedRcode : 0) << 4),
    truncated: (flags & TRUNCATED) !== 0,
    authentic: (flags & AUTHENTIC) !== 0,
    authoritative: (flags & AUTHORITATIVE) !== 0,
    question: questions[0],
    answers,
    authorities,
    whole,
  };
}
