/**
 * Packets of a recording: pcap or pcapng, as it is or compressed with gzip. Knows the formats by their first octets.
 */
import { constants, gunzipSync } from 'node:zlib';
import { type Packet, RecordingError } from './packet.js';
import { isPcap, pcapPackets } from './pcap.js';
import { isPcapng, pcapngPackets } from './pcapng.js';

/** What a compressed recording may grow to; no recording that can be looked at is larger. */
const MOST_OCTETS = 1_073_741_824;

const GZIP = '1f8b';
/** Further formats that recordings are compressed in, by their first octets. */
const PACKED: Readonly<Record<string, string>> = {
  '28b52ffd': 'zstd',
  '04224d18': 'lz4',
  fd377a58: 'xz',
  '425a6839': 'bzip2',
};

/**
 * Returns the octets without compression. What is missing at the end of a file that is still being written is left out.
 *
 * @throws RecordingError if they cannot be decompressed
 */
export function uncompressed(octets: Buffer): Buffer {
  const packed = PACKED[octets.toString('hex', 0, 4)];
  if (packed !== undefined) throw new RecordingError(`this is compressed with ${packed}: decompress it first`);
  if (octets.toString('hex', 0, 2) !== GZIP) return octets;
  try {
    return gunzipSync(octets, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MOST_OCTETS });
  } catch (cause) {
    const large = cause instanceof RangeError;
    const why = large ? `more than ${MOST_OCTETS} octets` : cause instanceof Error ? cause.message : String(cause);
    throw new RecordingError(`this is compressed with gzip and cannot be decompressed: ${why}`, { cause });
  }
}

/** Whether octets are a recording of packets. */
export function isRecording(octets: Buffer): boolean {
  return isPcap(octets) || isPcapng(octets);
}

/** The packets in the order of the recording. @throws RecordingError */
export function packets(octets: Buffer): Generator<Packet> {
  return isPcapng(octets) ? pcapngPackets(octets) : pcapPackets(octets);
}
