/**
 * An attacker between a client and a relay (man in the middle) who reads everything and can alter it. It is independent
 * of the protocol.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Interference {
  /** What the relay says, as the client gets it. */
  readonly down?: (octets: Buffer, connection: number) => Buffer;
  /** Whether the connection is cut at what the client says. */
  readonly cut?: (octets: Buffer, connection: number) => boolean;
}

export class Middleman {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What the clients said. */
  readonly #heard: Buffer[] = [];

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static between(relay: number, { down = (octets) => octets, cut = () => false }: Interference): Promise<Middleman> {
    return new Promise((resolve, reject) => {
      let connections = 0;
      const server = createServer((client) => {
        connections += 1;
        const number = connections;
        const upward = connect(relay, '127.0.0.1');
        for (const socket of [client, upward]) man.#sockets.add(socket.on('error', () => {}));
        client.on('data', (octets) => {
          man.#heard.push(octets);
          if (cut(octets, number)) for (const socket of [client, upward]) socket.destroy();
          else upward.write(octets);
        });
        upward.on('data', (octets) => client.write(down(octets, number)));
        client.on('close', () => upward.end());
        upward.on('close', () => client.end());
      });
      let man: Middleman;
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        if (address === null || typeof address === 'string') return reject(new Error('no port'));
        man = new Middleman(server, address.port);
        resolve(man);
      });
    });
  }

  get url(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  /** Everything clients said, in one piece. */
  get heard(): string {
    return Buffer.concat(this.#heard).toString('latin1');
  }

  /** Ends all connections there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
