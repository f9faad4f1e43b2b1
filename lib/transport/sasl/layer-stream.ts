/** Stream that puts a SASL security layer (RFC 4422 §3.7) over another stream. The mechanism implements the layer. */
import { Duplex } from 'node:stream';
import { ImxpError } from '../../errors.js';
import type { SecurityLayer } from '../../sasl/mechanism.js';

export class LayerStream extends Duplex {
  readonly #under: Duplex;
  readonly #layer: SecurityLayer;

  /** @param leftover octets already read from the stream underneath, inside the layer */
  constructor(under: Duplex, layer: SecurityLayer, leftover: Buffer) {
    super({ allowHalfOpen: false });
    this.#under = under;
    this.#layer = layer;
    // What was read already may break the stream before it has an owner; the owner checks (see TransportStream.open).
    this.on('error', () => {});
    under.on('data', (octets: Buffer) => this.#take(octets));
    under.on('end', () => this.push(null));
    under.on('error', (error) => this.destroy(error));
    under.on('close', () => this.destroy());
    if (leftover.length > 0) this.#take(leftover);
    under.resume();
  }

  override _read(): void {
    this.#under.resume();
  }

  override _write(octets: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#under.write(this.#layer.wrap(octets), (error) => done(error));
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#under.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#under.destroy();
    done(error);
  }

  #take(octets: Buffer): void {
    try {
      const plain = this.#layer.unwrap(octets);
      if (plain.length > 0 && !this.push(plain)) this.#under.pause();
    } catch (error) {
      // RFC 2831 §2.3 has altered packets discarded; in a stream of frames nothing can follow a hole.
      this.destroy(error instanceof ImxpError ? error : new Error(String(error)));
    }
  }
}
