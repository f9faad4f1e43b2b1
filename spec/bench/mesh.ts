/** Real relays as processes of the built program, and the floor beside them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Transport } from '../../lib/config/relay-url.js';
import { freePort, type NodeProcess, Workshop } from '../support/node-process.js';
import type { Submit } from './load.js';
import { dataOf, Peer } from './peer.js';

export const FRED = 'fred@example.com';
export const BARNEY = 'barney@rubble.com';
export const WILMA = 'wilma@example.com';
export const PASSWORD = 'gangway-42';

const LIMITS = { sessionsPerAddress: 100_000, unauthenticatedSessions: 10_000 };

/** Two relays that know each other, with or without TLS, and three accounts. */
export class Mesh {
  readonly workshop: Workshop;
  readonly first: NodeProcess;
  readonly second: NodeProcess;
  readonly authority: Buffer | undefined;
  readonly #transport: Transport;

  private constructor(
    workshop: Workshop,
    [first, second]: readonly [NodeProcess, NodeProcess],
    authority: Buffer | undefined,
    transport: Transport,
  ) {
    this.#transport = transport;
    this.workshop = workshop;
    this.first = first;
    this.second = second;
    this.authority = authority;
  }

  /** @param more what is different in both configurations */
  static async start(tls: boolean, more: object = {}, transport: Transport = 'tcp'): Promise<Mesh> {
    const workshop = await Workshop.open();
    const { octets } = await workshop.certs('example.com', 'rubble.com');
    const ports = [await freePort(), await freePort()] as const;
    await workshop.file('secrets/mesh', `${PASSWORD}\n`);
    const config = (own: string, other: string, port: number, otherPort: number): object => ({
      domains: [own],
      listen: [{ transport, host: '127.0.0.1', port }],
      ...(tls
        ? {
            tls: {
              certificate: `certs/${own}.crt`,
              key: `certs/${own}.key`,
              authority: 'certs/ca.crt',
              require: 'always',
            },
          }
        : {}),
      store: { type: 'lmdb', path: `var/${own}` },
      mesh: {
        routes: [
          {
            domain: other,
            relays: [`${transport}://127.0.0.1:${otherPort}`],
            tls: tls ? 'require' : 'off',
            credentials: { username: `imxp=mesh@${own}`, passwordFile: 'secrets/mesh' },
          },
        ],
        dns: { enabled: false },
      },
      limits: LIMITS,
      log: { level: 'info' },
      ...more,
    });
    const first = await workshop.node('first', () => config('example.com', 'rubble.com', ports[0], ports[1]), ports[0]);
    const second = await workshop.node(
      'second',
      () => config('rubble.com', 'example.com', ports[1], ports[0]),
      ports[1],
    );
    for (const address of [FRED, WILMA, 'imxp=mesh@rubble.com']) await workshop.account(first, address, PASSWORD);
    for (const address of [BARNEY, 'imxp=mesh@example.com']) await workshop.account(second, address, PASSWORD);
    await first.start();
    await second.start();
    return new Mesh(workshop, [first, second], tls ? octets : undefined, transport);
  }

  attach(address: string): Promise<Peer> {
    const { port } = this.nodeOf(address);
    const authority = this.authority === undefined ? {} : { authority: this.authority };
    return Peer.attach({ port, address, password: PASSWORD, transport: this.#transport, ...authority });
  }

  /** Attaches as another name of an account, such as a subaddress. */
  attachAs(username: string, address: string): Promise<Peer> {
    return Peer.attach({ port: this.nodeOf(address).port, address, username, password: PASSWORD });
  }

  nodeOf(address: string): NodeProcess {
    return address.endsWith('@rubble.com') ? this.second : this.first;
  }

  async stop(): Promise<void> {
    await this.first.stop();
    await this.second.stop();
    await this.workshop.close();
  }
}

/** Data of a size from one peer to another, each answered by the recipient's application. */
export function submitting(from: Peer, to: string, octets: number): Submit {
  const payload = dataOf(from.address, to, octets);
  return (done) => {
    from.request(payload, {
      replied: (kind, answer) => done(kind === 'RPY' ? undefined : answer.toString('utf8')),
      failed: (reason) => done(reason),
    });
  };
}

/** Two line forwarders in a row and an application at the end that answers each line. */
export class Floor {
  readonly pids: readonly number[];
  readonly #children: readonly ChildProcess[];
  readonly #socket: Socket;
  readonly #sink: ReturnType<typeof createServer>;
  readonly #line: Buffer;
  readonly #waiting: ((failure: string | undefined) => void)[] = [];
  #head = 0;
  #corked = false;

  private constructor(
    children: readonly ChildProcess[],
    socket: Socket,
    sink: ReturnType<typeof createServer>,
    octets: number,
  ) {
    this.#children = children;
    this.pids = children.map(({ pid }) => pid ?? 0);
    this.#socket = socket;
    this.#sink = sink;
    this.#line = Buffer.concat([Buffer.alloc(octets, 'yabba dabba doo '), Buffer.from('\n')]);
    socket.on('data', (chunk: Buffer) => this.#answers(chunk));
  }

  static async start(octets: number): Promise<Floor> {
    const sink = createServer({ noDelay: true }, (socket) => {
      socket.on('data', (chunk: Buffer) => {
        let lines = 0;
        for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1;
        if (lines > 0) socket.write('ok\n'.repeat(lines));
      });
    });
    await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
    const address = sink.address();
    const last = typeof address === 'object' && address !== null ? address.port : 0;
    const second = await forwarder(last);
    const first = await forwarder(second.port);
    const socket = connect({ port: first.port, host: '127.0.0.1', noDelay: true });
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    return new Floor([first.child, second.child], socket, sink, octets);
  }

  /** Lines of one turn of the event loop leave in one write, as the relays' messages do. */
  submit: Submit = (done) => {
    this.#waiting.push(done);
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(this.#line);
  };

  #answers(chunk: Buffer): void {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) {
      const done = this.#waiting[this.#head];
      this.#head += 1;
      done?.(undefined);
    }
    if (this.#head > 4096) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
  }

  stop(): void {
    this.#socket.destroy();
    this.#sink.close();
    for (const child of this.#children) child.kill();
  }
}

async function forwarder(port: number): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const file = fileURLToPath(new URL('./floor.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import=tsx', file, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (octets: Buffer) => resolve(octets.toString()));
    child.once('exit', (code) => reject(new Error(`the forwarder ended with ${code}`)));
  });
  return { child, port: Number(line) };
}
