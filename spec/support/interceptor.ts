/**
 * Interceptor between clients and a relay, as an attacker on the path has it: records what clients send, and can alter what
 * the relay answers or cut connections. It is independent of the protocol.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What an interceptor does besides recording. */
export interface Interference {
  /** Returns what the client gets in place of what the relay sent. */
  readonly down?: (octets: Buffer, connection: number) => Buffer;
  /** Whether the connection is cut because of what the client sent. */
  readonly cut?: (octets: Buffer, connection: number) => boolean;
}

export class Interceptor {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What the clients sent. */
  readonly #fromClients: Buffer[] = [];

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static between(relay: number, { down = (octets) => octets, cut = () => false }: Interference): Promise<Interceptor> {
    return new Promise((resolve, reject) => {
      let connections = 0;
      const server = createServer((client) => {
        connections += 1;
        const number = connections;
        const upward = connect(relay, '127.0.0.1');
        for (const socket of [client, upward]) interceptor.#sockets.add(socket.on('error', () => {}));
        client.on('data', (octets) => {
          interceptor.#fromClients.push(octets);
          if (cut(octets, number)) for (const socket of [client, upward]) socket.destroy();
          else upward.write(octets);
        });
        upward.on('data', (octets) => client.write(down(octets, number)));
        client.on('close', () => upward.end());
        upward.on('close', () => client.end());
      });
      let interceptor: Interceptor;
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        if (address === null || typeof address === 'string') return reject(new Error('no port'));
        interceptor = new Interceptor(server, address.port);
        resolve(interceptor);
      });
    });
  }

  get url(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  /** Everything that clients sent, of all connections together. */
  get fromClients(): string {
    return Buffer.concat(this.#fromClients).toString('latin1');
  }

  /** Ends all present connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
