/**
 * Splits octets into TLS records and joins handshake messages from them, for the stack that does neither well.
 * Enforces lengths and limits.
 */
import { RemoteProtocolError } from '../../errors.js';

export const RECORD = { CHANGE_CIPHER_SPEC: 20, ALERT: 21, HANDSHAKE: 22, APPLICATION_DATA: 23 } as const;

/** RFC 2246 §6.2.3: 2^14 octets of content, and at most 2,048 more by protection. */
export const FRAGMENT_OCTETS = 18_432;
/** RFC 2246 §6.2.1. */
export const RECORD_OCTETS = 16_384;
/** A certificate message with eight certificates of 6 KB; must fit the 16-bit length of the record it is put into. */
const MESSAGE_OCTETS = 49_152;

/** Alert descriptions used here (RFC 2246 §7.2). */
export const ALERT = {
  CLOSE_NOTIFY: 0,
  UNEXPECTED_MESSAGE: 10,
  BAD_RECORD_MAC: 20,
  RECORD_OVERFLOW: 22,
  HANDSHAKE_FAILURE: 40,
  BAD_CERTIFICATE: 42,
  UNSUPPORTED_CERTIFICATE: 43,
  CERTIFICATE_REVOKED: 44,
  CERTIFICATE_EXPIRED: 45,
  ILLEGAL_PARAMETER: 47,
  UNKNOWN_CA: 48,
  DECODE_ERROR: 50,
  DECRYPT_ERROR: 51,
  PROTOCOL_VERSION: 70,
} as const;

/** A fault of the peer's, and the alert to tell it with; none when it knows or has been told. */
export class TlsFault extends RemoteProtocolError {
  readonly alert: number | undefined;

  constructor(
    alert: number | undefined,
    message: string,
    fields: Readonly<Record<string, number>> = {},
    cause?: unknown,
  ) {
    super('TLS_FAILED', message, { fields, cause });
    this.alert = alert;
  }
}

/** A record as a whole, header and fragment. */
export function recordOf(type: number, minor: number, fragment: Buffer): Buffer {
  const header = Buffer.from([type, 3, minor, 0, 0]);
  header.writeUInt16BE(fragment.length, 3);
  return Buffer.concat([header, fragment]);
}

/** Called for each record; false stops the reading. The fragment may be a view into the chunk. */
export type RecordSink = (type: number, minor: number, fragment: Buffer) => boolean;

/** Reads records from chunks of any size; keeps at most one incomplete record. */
export class RecordReader {
  readonly #header = Buffer.alloc(5);
  #have = 0;
  #fragment: Buffer | undefined;
  #filled = 0;

  /** @throws TlsFault for a header that is no TLS record's, and whatever the sink throws. */
  read(chunk: Buffer, sink: RecordSink): void {
    for (let at = 0; at < chunk.length; ) {
      at += this.#readHeader(chunk, at);
      if (this.#have < 5) return;
      const length = this.#header.readUInt16BE(3);
      const part = chunk.subarray(at, at + length - this.#filled);
      at += part.length;
      const fragment = this.#collect(part, length);
      if (fragment === undefined) return;
      this.#have = 0;
      this.#filled = 0;
      this.#fragment = undefined;
      if (!sink(this.#header[0] ?? 0, this.#header[2] ?? 0, fragment)) return;
    }
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (this.#have === 5) return 0;
    const taken = chunk.copy(this.#header, this.#have, at, at + 5 - this.#have);
    this.#have += taken;
    if (this.#have < 5) return taken;
    const [type = 0, major] = this.#header;
    if (type < RECORD.CHANGE_CIPHER_SPEC || type > RECORD.APPLICATION_DATA) {
      throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, `a TLS record of type ${type}`);
    }
    if (major !== 3) throw new TlsFault(ALERT.PROTOCOL_VERSION, 'a record has an unknown TLS version');
    const length = this.#header.readUInt16BE(3);
    if (length > FRAGMENT_OCTETS) throw new TlsFault(ALERT.RECORD_OVERFLOW, `a TLS record of ${length} octets`);
    return taken;
  }

  /** The fragment when complete: a view when it came in one chunk, else a buffer of exactly its size. */
  #collect(part: Buffer, length: number): Buffer | undefined {
    if (this.#fragment === undefined && part.length === length) return part;
    this.#fragment ??= Buffer.alloc(length);
    part.copy(this.#fragment, this.#filled);
    this.#filled += part.length;
    return this.#filled === length ? this.#fragment : undefined;
  }
}

/** Joins handshake messages that were split over records (RFC 2246 §6.2.1). */
export class MessageJoiner {
  readonly #header = Buffer.alloc(4);
  #have = 0;
  #message: Buffer | undefined;
  #filled = 0;

  /** True inside a message: no record of another type may come now. */
  get pending(): boolean {
    return this.#have > 0;
  }

  /**
   * @param sink called with each complete message, header included; false stops.
   * @throws TlsFault for a message above the limit, and whatever the sink throws.
   */
  join(fragment: Buffer, sink: (message: Buffer) => boolean): void {
    if (fragment.length === 0) throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, 'an empty handshake record');
    for (let at = 0; at < fragment.length; ) {
      if (this.#have < 4) {
        const taken = fragment.copy(this.#header, this.#have, at, at + 4 - this.#have);
        this.#have += taken;
        at += taken;
        if (this.#have < 4) return;
        this.#message = this.#allocate();
      }
      const message = this.#message ?? Buffer.alloc(0);
      const taken = fragment.copy(message, this.#filled, at);
      this.#filled += taken;
      at += taken;
      if (this.#filled < message.length) return;
      this.#have = 0;
      if (!sink(message)) return;
    }
  }

  #allocate(): Buffer {
    const length = this.#header.readUIntBE(1, 3);
    if (length > MESSAGE_OCTETS) throw new TlsFault(ALERT.ILLEGAL_PARAMETER, `a handshake message of ${length} octets`);
    const message = Buffer.alloc(4 + length);
    this.#header.copy(message);
    this.#filled = 4;
    return message;
  }
}
