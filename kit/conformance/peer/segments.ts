/** Splits octets into small segments before they reach a socket. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * A stream over a socket that passes octets on in pieces of a given size, each in a turn of the event loop of its own.
 */
export class Chopper extends Duplex {
  segment: number;
  readonly #socket: Socket;

  constructor(socket: Socket, segment: number) {
    super();
    this.segment = segment;
    this.#socket = socket;
    socket.on('data', (octets) => this.push(octets));
    socket.on('end', () => this.push(null));
    socket.on('close', () => this.destroy());
    socket.on('error', (cause) => this.destroy(cause));
  }

  override _read(): void {}

  override _write(octets: Buffer, _encoding: string, done: (cause?: Error | null) => void): void {
    chop(this.#socket, octets, this.segment).then(() => done(), done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(cause: Error | null, done: (cause?: Error | null) => void): void {
    this.#socket.destroy();
    done(cause);
  }
}

/** Writes octets in pieces of `segment` octets, 0 for all at once. */
export async function chop(stream: Duplex, octets: Buffer, segment: number): Promise<void> {
  const size = segment > 0 ? segment : octets.length;
  for (let at = 0; at < octets.length; at += size) {
    if (stream.destroyed) return;
    stream.write(octets.subarray(at, at + size));
    if (segment > 0) await turn();
  }
}
