/** The floor: what two processes in a row cost that only pass lines on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Submit } from './load.js';
import { seconds } from './measure.js';

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

/** Two octet forwarders in a row and an application at the end that says how much has arrived. */
export class BulkFloor {
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

  /** Sends so many octets. @returns seconds until they have arrived */
  async send(octets: number): Promise<number> {
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

  stop(): void {
    this.#socket.destroy();
    this.#sink.close();
    for (const child of this.#children) child.kill();
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
