/**
 * A TCP proxy that cuts the connection after an exact number of octets in one direction. It is independent of the
 * protocol.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** From the client to the server, or back. */
export type Direction = 'up' | 'down';

export class Cutter {
  readonly port: number;
  /** Octets that passed, of all connections. */
  readonly passed: Record<Direction, number> = { up: 0, down: 0 };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #armed: { readonly direction: Direction; left: number } | undefined;
  #onCut: () => void = () => {};

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static before(port: number): Promise<Cutter> {
    return new Promise((resolve, reject) => {
      const server = createServer((client) => cutter.#join(client, connect(port, '127.0.0.1')));
      let cutter: Cutter;
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        if (address === null || typeof address === 'string') return reject(new Error('no port'));
        cutter = new Cutter(server, address.port);
        resolve(cutter);
      });
    });
  }

  get url(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  /** Cuts all connections when so many octets more have passed. @returns resolved when that has happened */
  arm(direction: Direction, after: number): Promise<void> {
    const cut = new Promise<void>((resolve) => {
      this.#onCut = resolve;
    });
    this.#armed = { direction, left: after };
    if (after === 0) this.cut();
    return cut;
  }

  disarm(): void {
    this.#armed = undefined;
  }

  cut(): void {
    this.#armed = undefined;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    this.#onCut();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #join(client: Socket, server: Socket): void {
    for (const socket of [client, server]) this.#sockets.add(socket.on('error', () => {}).setNoDelay(true));
    client.on('data', (octets) => this.#pass(octets, server, 'up'));
    server.on('data', (octets) => this.#pass(octets, client, 'down'));
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  }

  #pass(octets: Buffer, to: Socket, direction: Direction): void {
    const armed = this.#armed;
    if (armed?.direction !== direction || octets.length < armed.left) {
      if (armed?.direction === direction) armed.left -= octets.length;
      this.passed[direction] += octets.length;
      to.write(octets);
      return;
    }
    this.#armed = undefined;
    this.passed[direction] += armed.left;
    // What is let through arrives before the connection is gone.
    to.write(octets.subarray(0, armed.left), () => setImmediate(() => this.cut()));
  }
}
