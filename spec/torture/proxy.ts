/** Forwards TCP connections and treats them badly when told to: cuts them, at once or after so many octets, or stalls. */
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #cuts: number[] = [];
  #stalled = false;

  private constructor(server: Server, port: number, to: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (client) => this.#forward(client, to));
  }

  /** @param to the port to forward to */
  static listen(to: number): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        if (address === null || typeof address === 'string') reject(new Error('no port'));
        else resolve(new TcpProxy(server, address.port, to));
      });
    });
  }

  /** Resets every connection. */
  cut(): void {
    for (const { client, server } of [...this.#pairs]) this.#end(client, server);
  }

  /** The next connections are reset after so many octets, both directions together. */
  cutNextAfter(...octets: readonly number[]): void {
    this.#cuts.push(...octets);
  }

  /** Nothing moves any more, and connections stay. */
  stall(): void {
    this.#stalled = true;
    for (const pair of this.#pairs) for (const socket of [pair.client, pair.server]) socket.pause();
  }

  resume(): void {
    this.#stalled = false;
    for (const pair of this.#pairs) for (const socket of [pair.client, pair.server]) socket.resume();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #forward(client: Socket, to: number): void {
    const server = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    let left = this.#cuts.shift() ?? Number.POSITIVE_INFINITY;
    for (const [from, into] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('error', () => this.#end(client, server));
      from.on('close', () => {
        this.#pairs.delete(pair);
        into.destroy();
      });
      from.on('end', () => into.end());
      from.on('data', (octets: Buffer) => {
        const passing = octets.subarray(0, left);
        left -= octets.length;
        if (!into.write(passing)) {
          from.pause();
          into.once('drain', () => {
            if (!this.#stalled) from.resume();
          });
        }
        if (left <= 0) this.#end(client, server);
      });
      if (this.#stalled) from.pause();
    }
  }

  #end(client: Socket, server: Socket): void {
    for (const socket of [client, server]) {
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
    }
  }
}
