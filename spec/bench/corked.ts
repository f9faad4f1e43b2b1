/** A TCP connection of a client: what one turn of the event loop writes leaves together, as the relays' messages do. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export class Corked {
  readonly #socket: Socket;
  #corked = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    // The figures would be of something else.
    socket.on('close', () => {
      process.stderr.write('the server has closed the connection\n');
      process.exit(1);
    });
    socket.on('error', (error) => process.stderr.write(`${error.message}\n`));
  }

  static async open(port: number): Promise<Corked> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new Corked(socket);
  }

  onData(listener: (chunk: Buffer) => void): void {
    this.#socket.on('data', listener);
  }

  write(octets: Buffer | string): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(octets);
  }
}
