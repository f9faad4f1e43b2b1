/** Sequence numbers: unsigned 32 bits, with every operation modulo 2^32 (RFC 3080 §2.2.1.2, RFC 1982). */

/** The number `octets` further on. */
export function advance(seqno: number, octets: number): number {
  return (seqno + octets) >>> 0;
}

/** Octets from one number forward to another, 0 to 2^32-1. */
export function seqnoDistance(from: number, to: number): number {
  return (to - from) >>> 0;
}

/** Like {@link distance}, but negative when `to` lies less than 2^31 behind `from`. */
export function offset(from: number, to: number): number {
  return (to - from) | 0;
}
