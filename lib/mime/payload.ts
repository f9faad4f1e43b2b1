/**
 * Payload of a BEEP message, which is a MIME entity: one buffer, or pieces in a row, as large messages are received and
 * passed on. Joins, cuts and searches pieces.
 */

/** Payload of a message: one buffer, or several whose octets follow one another. */
export type Payload = Buffer | readonly Buffer[];

/**
 * Whether a payload is one buffer. `Buffer.isBuffer` takes five times as long, because Node has the global `Buffer` behind
 * a getter, and this is asked several times for each message.
 */
export function isWhole(payload: Payload): payload is Buffer {
  return payload instanceof Uint8Array;
}

/** Length of a payload in octets; 0 for none. */
export function payloadOctets(payload: Payload | undefined): number {
  if (payload === undefined) return 0;
  if (isWhole(payload)) return payload.length;
  let octets = 0;
  for (const piece of payload) octets += piece.length;
  return octets;
}

/** Returns the payload as one buffer; it is copied only if it is in pieces. */
export function contiguous(payload: Payload): Buffer {
  if (isWhole(payload)) return payload;
  const [only] = payload;
  return payload.length === 1 && only !== undefined ? only : Buffer.concat(payload);
}

/** Octets within which {@link headOf} finds headers and control document of all but unusual messages. */
const HEAD_OCTETS = 16_384;

/** Returns the beginning of a payload in pieces as one buffer: its first piece, or 16 KiB if that is shorter. */
export function headOf(pieces: readonly Buffer[]): Buffer {
  const [first] = pieces;
  if (first !== undefined && first.length >= HEAD_OCTETS) return first;
  return Buffer.concat(portion(pieces, 0, HEAD_OCTETS));
}

/** Returns the octets from `start` to `end` (exclusive) as views; fewer if the payload is shorter. */
export function portion(payload: Payload, start: number, end: number): Buffer[] {
  if (isWhole(payload)) return [payload.subarray(start, end)];
  const found: Buffer[] = [];
  let at = 0;
  for (const piece of payload) {
    const from = Math.max(0, start - at);
    const to = Math.min(piece.length, end - at);
    if (from < to) found.push(piece.subarray(from, to));
    at += piece.length;
    if (at >= end) break;
  }
  return found;
}

/** Returns the offset of the first occurrence of `wanted` that begins at `from` or later, or -1. */
export function indexInPieces(pieces: readonly Buffer[], wanted: Buffer, from: number): number {
  const overlap = wanted.length - 1;
  /** The octets before the piece that an occurrence across its beginning could have in common with it. */
  let before: Buffer | undefined;
  let start = 0;
  for (const piece of pieces) {
    const skipped = from - start;
    const octets = skipped > 0 ? piece.subarray(skipped) : piece;
    const offset = start + piece.length - octets.length;
    start += piece.length;
    if (octets.length === 0) continue;
    if (before !== undefined) {
      const at = Buffer.concat([before, octets.subarray(0, overlap)]).indexOf(wanted);
      if (at >= 0) return offset - before.length + at;
    }
    const at = octets.indexOf(wanted);
    if (at >= 0) return offset + at;
    const known: Buffer = before === undefined || octets.length >= overlap ? octets : Buffer.concat([before, octets]);
    before = known.subarray(Math.max(0, known.length - overlap));
  }
  return -1;
}
