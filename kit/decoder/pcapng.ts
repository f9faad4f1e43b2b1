/**
 * Packets of a recording in the pcapng format (dumpcap, Wireshark): sections in either byte order, each with interfaces
 * that have a link type and a resolution of time of their own. Blocks and options of no interest are left out.
 */
import { type Packet, RecordingError } from './packet.js';

const SECTION = 0x0a0d0d0a;
const [INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET] = [1, 2, 3, 6];
/** Type and length in front of a block's body, and the length again behind it. */
const [FRONT_OCTETS, BACK_OCTETS] = [8, 4];
const MAGIC = 0x1a2b3c4d;
const [END_OF_OPTIONS, TIME_RESOLUTION, TIME_OFFSET] = [0, 9, 14];
const MICROSECONDS = 1_000_000n;

interface Interface {
  readonly link: number;
  /** Octets that are recorded of a packet; 0 for all. */
  readonly snap: number;
  /** Ticks of a second. */
  readonly resolution: bigint;
  /** Seconds that the times are to be counted from. */
  readonly offset: number;
}

export function isPcapng(octets: Buffer): boolean {
  return octets.length >= 4 && octets.readUInt32BE(0) === SECTION;
}

/** The packets in the order of the recording. @throws RecordingError */
export function* pcapngPackets(octets: Buffer): Generator<Packet> {
  const reader = new Reader();
  for (let at = 0; at + FRONT_OCTETS + BACK_OCTETS <= octets.length; ) {
    const { type, length } = reader.front(octets, at);
    // Damaged: where the next block begins is not known. At the end of a file that is still being written it is cut off.
    if (length < FRONT_OCTETS + BACK_OCTETS || length % 4 !== 0) {
      throw new RecordingError(`the recording is damaged at octet ${at}: a block of ${length} octets`);
    }
    if (at + length > octets.length) return;
    const packet = reader.block(type, octets.subarray(at + FRONT_OCTETS, at + length - BACK_OCTETS), at);
    if (packet !== undefined) yield packet;
    at += length;
  }
}

class Reader {
  #little = true;
  #interfaces: Interface[] = [];

  front(octets: Buffer, at: number): { readonly type: number; readonly length: number } {
    // Reads the same in either byte order, and comes before the number that says which it is.
    if (octets.readUInt32BE(at) === SECTION) {
      this.#little = octets.readUInt32LE(at + FRONT_OCTETS) === MAGIC;
      if (!this.#little && octets.readUInt32BE(at + FRONT_OCTETS) !== MAGIC) {
        throw new RecordingError(`the recording is damaged at octet ${at}: a section in no byte order`);
      }
    }
    return { type: this.#int32(octets, at), length: this.#int32(octets, at + 4) };
  }

  block(type: number, body: Buffer, at: number): Packet | undefined {
    switch (type) {
      case SECTION:
        this.#interfaces = [];
        return undefined;
      case INTERFACE:
        this.#interfaces.push(this.#interface(body));
        return undefined;
      case ENHANCED_PACKET:
        return body.length < 20 ? undefined : this.#packet(this.#int32(body, 0), 4, body, at);
      case OLD_PACKET:
        return body.length < 20 ? undefined : this.#packet(this.#int16(body, 0), 4, body, at);
      case SIMPLE_PACKET:
        return this.#simple(body, at);
      default:
        return undefined;
    }
  }

  #interface(body: Buffer): Interface {
    if (body.length < 8) throw new RecordingError('the recording has an interface without a link type');
    let [resolution, offset] = [MICROSECONDS, 0];
    for (let at = 8; at + 4 <= body.length; ) {
      const [code, length] = [this.#int16(body, at), this.#int16(body, at + 2)];
      const value = body.subarray(at + 4, at + 4 + length);
      if (code === END_OF_OPTIONS) break;
      if (code === TIME_RESOLUTION && value.length >= 1) resolution = resolutionOf(value[0] ?? 0);
      if (code === TIME_OFFSET && value.length >= 8) {
        offset = Number(this.#little ? value.readBigInt64LE() : value.readBigInt64BE());
      }
      at += 4 + padded(length);
    }
    return { link: this.#int16(body, 0), snap: this.#int32(body, 4), resolution, offset };
  }

  /** @param times where the time stands, in front of the lengths */
  #packet(number: number, times: number, body: Buffer, at: number): Packet {
    const { link, resolution, offset } = this.#known(number, at);
    const ticks = (BigInt(this.#int32(body, times)) << 32n) | BigInt(this.#int32(body, times + 4));
    const captured = this.#int32(body, times + 8);
    const begin = times + 16;
    if (begin + captured > body.length)
      throw new RecordingError(`the recording is damaged at octet ${at}: a packet is too long`);
    const time = offset + Number(ticks / resolution) + Number(ticks % resolution) / Number(resolution);
    return { time, link, octets: body.subarray(begin, begin + captured) };
  }

  /** A packet of the only interface; nobody wrote down when it came. */
  #simple(body: Buffer, at: number): Packet | undefined {
    if (body.length < 4) return undefined;
    const { link, snap } = this.#known(0, at);
    const original = this.#int32(body, 0);
    const captured = Math.min(original, snap === 0 ? original : snap, body.length - 4);
    return { time: 0, link, octets: body.subarray(4, 4 + captured) };
  }

  #known(number: number, at: number): Interface {
    const found = this.#interfaces[number];
    if (found === undefined)
      throw new RecordingError(`the recording is damaged at octet ${at}: no interface ${number}`);
    return found;
  }

  #int32(octets: Buffer, at: number): number {
    return this.#little ? octets.readUInt32LE(at) : octets.readUInt32BE(at);
  }

  #int16(octets: Buffer, at: number): number {
    return this.#little ? octets.readUInt16LE(at) : octets.readUInt16BE(at);
  }
}

/** The first bit says whether it is a power of 2 or of 10. */
function resolutionOf(octet: number): bigint {
  const exponent = BigInt(octet & 0x7f);
  return octet >= 0x80 ? 2n ** exponent : 10n ** exponent;
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
