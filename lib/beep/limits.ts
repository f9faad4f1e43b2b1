/** Limits of one session, each with its default and its reason. */

export interface BeepLimits {
  /** Channels open at once, except channel 0. RFC 3080 §2.3 requires at least 257. */
  readonly channels: number;
  /** Octets of one message in all its frames; the memory that one channel can occupy during reassembly. */
  readonly messageOctets: number;
  /** The same for channel 0, whose messages are small XML documents read before anybody is authenticated. */
  readonly managementOctets: number;
  /**
   * MSGs of the peer that are not completely answered, on all channels together. An empty payload is under no window, so
   * without this a peer could pipeline without bound; past it the session ends.
   */
  readonly pipelined: number;
  /**
   * Answers of one reply that have begun and are not complete (`ANS … *`). Each is an entry, and an empty payload is
   * under no window; past it the session ends. Nobody is known to have more than a few.
   */
  readonly answers: number;
}

export const BEEP_LIMITS: BeepLimits = Object.freeze({
  channels: 1024,
  messageOctets: 67_108_864,
  managementOctets: 65_536,
  pipelined: 65_536,
  answers: 256,
});
