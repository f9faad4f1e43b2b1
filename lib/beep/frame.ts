/**
 * Frame headers (RFC 3080 §2.2.1, RFC 3081 §3.1.3): keywords and ranges.
 *
 * MSG channel msgno more seqno size CRLF payload END CRLF the same for RPY, ERR, NUL ANS channel msgno more seqno size
 * ansno CRLF payload END CRLF SEQ channel ackno window CRLF
 */

/** No keyword at all: nothing in progress, or not answered yet. */
export const NONE = -1;
export const MSG = 0;
export const RPY = 1;
export const ERR = 2;
export const ANS = 3;
export const NUL = 4;
export const SEQ = 5;

/** The names, by keyword. */
export const KEYWORDS: readonly string[] = ['MSG', 'RPY', 'ERR', 'ANS', 'NUL', 'SEQ'];

/** Largest channel, msgno, size and window. */
export const MAX_NUMBER = 2_147_483_647;
/**
 * Largest seqno and ackno, and largest ansno accepted: its ABNF and prose differ, so the larger range is accepted and
 * the smaller generated.
 */
export const MAX_SEQNO = 4_294_967_295;

/** The longest legal header line, an ANS, with its CRLF. */
export const MAX_HEADER_OCTETS = 62;

/** Octets of `END` CRLF. */
export const TRAILER_OCTETS = 5;

/** One header. The decoder overwrites it with the next one. */
export interface Header {
  /** MSG, RPY, ERR, ANS, NUL or SEQ. */
  keyword: number;
  channel: number;
  msgno: number;
  /** True for `*`: at least one more frame follows for this message. */
  more: boolean;
  /** Sequence number of the first payload octet; of a SEQ its ackno. */
  seqno: number;
  /** Octets of the payload; of a SEQ its window. */
  size: number;
  /** Of an ANS; 0 otherwise. */
  ansno: number;
}
