/** The floor: what two processes in a row cost that only pass lines on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.js';
import { Clients } from './clients.js';
import type { Course, Load } from './course.js';
import { seconds } from './measure.js';

/** Two line forwarders in a row, with a sender and a recipient that answers each line. */
export class FloorCourse implements Course {
  readonly name = 'floor: two line forwarders';
  readonly pids: readonly number[];
  readonly output = '';
  readonly #children: readonly ChildProcess[];
  readonly #clients: Clients;

  private constructor(children: readonly ChildProcess[], clients: Clients) {
    this.#children = children;
    this.pids = children.map(({ pid }) => pid ?? 0);
    this.#clients = clients;
  }

  static async start(): Promise<FloorCourse> {
    const last = await freePort();
    const second = await forwarder(last);
    const first = await forwarder(second.port);
    const clients = await Clients.start(
      { protocol: 'line', role: 'send', port: first.port },
      { protocol: 'line', role: 'receive', port: last },
    );
    return new FloorCourse([first.child, second.child], clients);
  }

  send(load: Load): Promise<number> {
    return this.#clients.send(load);
  }

  latencies(count: number, octets: number): Promise<readonly number[]> {
    return this.#clients.latencies(count, octets);
  }

  async stop(): Promise<void> {
    await this.#clients.stop();
    for (const child of this.#children) child.kill();
  }
}

/** Two octet forwarders in a row and an application at the end that says how much has arrived. */
export class BulkFloor implements Course {
  readonly name = 'floor: two octet forwarders';
  readonly output = '';
  readonly pids: readonly number[];
  readonly #children: readonly ChildProcess[];
  readonly #socket: Socket;
  readonly #sink: Server;
  #arrived = 0;
  #awaited = 0;
  #done: (() => void) | undefined;

  private constructor(children: readonly ChildProcess[], socket: Socket, sink: Server) {
    this.#children = children;
    this.pids = children.map(({ pid }) => pid ?? 0);
    this.#socket = socket;
    this.#sink = sink;
    sink.on('connection', (end: Socket) => {
      end.on('data', (chunk: Buffer) => {
        this.#arrived += chunk.length;
        if (this.#arrived >= this.#awaited) this.#done?.();
      });
    });
  }

  static async start(): Promise<BulkFloor> {
    const sink = createServer({ noDelay: true });
    await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
    const address = sink.address();
    const second = await forwarder(typeof address === 'object' && address !== null ? address.port : 0, 'octets');
    const first = await forwarder(second.port, 'octets');
    const socket = connect({ port: first.port, host: '127.0.0.1', noDelay: true });
    const floor = new BulkFloor([first.child, second.child], socket, sink);
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    return floor;
  }

  /** Sends the octets of so many messages. @returns seconds until they have arrived */
  async send({ count, octets: each }: Load): Promise<number> {
    const octets = count * each;
    const block = Buffer.alloc(262_144, 'yabba dabba doo ');
    return await seconds(async () => {
      this.#awaited += octets;
      const arrived = new Promise<void>((resolve) => {
        this.#done = resolve;
      });
      for (let left = octets; left > 0; left -= block.length) {
        if (!this.#socket.write(block.subarray(0, left))) await once(this.#socket, 'drain');
      }
      await arrived;
    });
  }

  latencies(): Promise<readonly number[]> {
    throw new Error('octets without messages have no latency');
  }

  stop(): Promise<void> {
    this.#socket.destroy();
    this.#sink.close();
    for (const child of this.#children) child.kill();
    return Promise.resolve();
  }
}

async function forwarder(
  port: number,
  ...more: readonly string[]
): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const file = fileURLToPath(new URL('./forwarder.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import=tsx', file, String(port), ...more], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (octets: Buffer) => resolve(octets.toString()));
    child.once('exit', (code) => reject(new Error(`the forwarder ended with ${code}`)));
  });
  return { child, port: Number(line) };
}
