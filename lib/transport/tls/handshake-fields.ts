/** Fields of TLS handshake messages (RFC 2246 §4): reads numbers and vectors, and writes vectors. */
import { ALERT, TlsFault } from './record.js';

/** A cursor over octets that faults instead of reading past the end. */
export class HandshakeFields {
  readonly #octets: Buffer;
  #at = 0;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  get left(): number {
    return this.#octets.length - this.#at;
  }

  /** @throws TlsFault decode_error when there are fewer */
  take(octets: number): Buffer {
    if (octets > this.left) {
      throw new TlsFault(
        ALERT.DECODE_ERROR,
        "the peer's TLS handshake is malformed: a handshake message that ends inside a field",
      );
    }
    this.#at += octets;
    return this.#octets.subarray(this.#at - octets, this.#at);
  }

  number(octets: number): number {
    return this.take(octets).readUIntBE(0, octets);
  }

  /** A vector whose length is that many octets. */
  vector(octets: number): HandshakeFields {
    return new HandshakeFields(this.opaque(octets));
  }

  /** The octets of a vector whose length is that many octets. */
  opaque(octets: number): Buffer {
    return this.take(this.number(octets));
  }

  /** All that is left, as numbers of that many octets. */
  numbers(octets: number): number[] {
    const numbers: number[] = [];
    while (this.left > 0) numbers.push(this.number(octets));
    return numbers;
  }
}

/** A vector: octets behind their length, which has `length` octets. */
export function vector(length: number, octets: Buffer): Buffer {
  const head = Buffer.alloc(length);
  head.writeUIntBE(octets.length, 0, length);
  return Buffer.concat([head, octets]);
}
