/** A packet of a recording, whatever the format of the file. */
export interface Packet {
  /** Seconds since 1970. */
  readonly time: number;
  /** Link type, which says how the packet begins (tcpdump.org/linktypes). */
  readonly link: number;
  readonly octets: Buffer;
}

/** Tells why a file is not a recording that can be read. */
export class RecordingError extends Error {}
