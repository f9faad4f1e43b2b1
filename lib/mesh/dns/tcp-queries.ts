/**
 * Sends DNS queries over TCP (RFC 7766): one connection for each server, which carries several queries at a time and
 * stays open for a while after the last.
 */
import { connect, type Socket } from 'node:net';
import { TransportError } from '../../errors.js';

export interface NameServer {
  readonly address: string;
  readonly port: number;
}

/** RFC 7766 §6.2.3: a client that has nothing to ask closes; this is for the next of a row of questions. */
const IDLE_MS = 2000;
/** RFC 1035 §4.2.2: two octets of length go before each message. */
const LENGTH_OCTETS = 2;
/** Queries that one connection carries at a time; a server need not answer more. */
const OUTSTANDING = 64;

interface Waiting {
  readonly answer: (octets: Buffer) => void;
  /** @param unheard whether the server closed without a word about any query since the connection was idle */
  readonly fail: (why: string, cause?: unknown, unheard?: boolean) => void;
}

/** One connection: queries by their identifier (RFC 1035 §4.1.1). */
class TcpConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #gone: () => void;
  /** What has come and is no whole message yet; put together once, when it is one. */
  #chunks: Buffer[] = [];
  #octets = 0;
  /** Whether any answer came over it: such a connection may be closed by the server at any time, without harm. */
  #used = false;

  constructor({ address, port }: NameServer, gone: () => void) {
    this.#gone = gone;
    this.#socket = connect({ host: address, port });
    this.#socket.setTimeout(IDLE_MS);
    this.#socket.on('timeout', () => {
      if (this.#waiting.size === 0) this.#end('idle');
    });
    this.#socket.on('error', (cause) => this.#end(cause.message, cause));
    this.#socket.on('end', () => this.#end('the connection ended before the answer'));
    this.#socket.on('close', () => this.#end('the connection ended before the answer'));
    this.#socket.on('data', (octets: Buffer) => this.#receive(octets));
  }

  takes(id: number): boolean {
    return this.#waiting.size < OUTSTANDING && !this.#waiting.has(id);
  }

  ask(message: Buffer, waiting: Waiting): void {
    this.#waiting.set(message.readUInt16BE(), waiting);
    const length = Buffer.alloc(LENGTH_OCTETS);
    length.writeUInt16BE(message.length);
    this.#socket.ref();
    this.#socket.write(Buffer.concat([length, message]));
  }

  /** No answer is awaited any more. */
  forget(id: number): void {
    this.#waiting.delete(id);
    // A connection without waiting queries does not keep the process alive.
    if (this.#waiting.size === 0) this.#socket.unref();
  }

  #receive(octets: Buffer): void {
    this.#chunks.push(octets);
    this.#octets += octets.length;
    for (;;) {
      if (this.#octets < LENGTH_OCTETS) return;
      const end = LENGTH_OCTETS + this.#head().readUInt16BE();
      if (this.#octets < end) return;
      const received = this.#chunks.length === 1 ? this.#head() : Buffer.concat(this.#chunks);
      this.#chunks = received.length === end ? [] : [received.subarray(end)];
      this.#octets = received.length - end;
      this.#answer(received.subarray(LENGTH_OCTETS, end));
    }
  }

  /** The first chunk, with at least the two octets of a length. */
  #head(): Buffer {
    const [first = Buffer.alloc(0), ...others] = this.#chunks;
    if (first.length >= LENGTH_OCTETS) return first;
    this.#chunks = [Buffer.concat([first, ...others])];
    return this.#head();
  }

  #answer(message: Buffer): void {
    if (message.length < LENGTH_OCTETS) return;
    // An answer that came too late was one, too: the server may close behind it.
    this.#used = true;
    const id = message.readUInt16BE();
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.forget(id);
    waiting.answer(message);
  }

  #end(why: string, cause?: unknown): void {
    this.#gone();
    this.#socket.destroy();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { fail } of waiting) fail(why, cause, this.#used);
  }
}

export class TcpQueries {
  readonly #connections = new Map<string, TcpConnection>();

  /**
   * Asks a server; on the connection there is, else on a new one.
   *
   * @param message a DNS message, its identifier first
   * @returns the message with the same identifier
   * @throws TransportError LOOKUP_FAILED when there is no answer in time
   */
  ask(server: NameServer, message: Buffer, timeoutMs: number): Promise<Buffer> {
    const id = message.readUInt16BE();
    return new Promise((resolve, reject) => {
      let connection: TcpConnection;
      const failed = (why: string, cause?: unknown): void => {
        clearTimeout(timer);
        reject(
          new TransportError('LOOKUP_FAILED', `name server ${server.address} port ${server.port}: ${why}`, { cause }),
        );
      };
      const timer = setTimeout(() => {
        connection.forget(id);
        failed(`no answer within ${timeoutMs} ms`);
      }, timeoutMs);
      const send = (): void => {
        connection = this.#connection(server, id);
        connection.ask(message, {
          answer: (octets) => {
            clearTimeout(timer);
            resolve(octets);
          },
          // RFC 7766 §6.2.4: a server may close a connection that was used before; the query is sent again.
          fail: (why, cause, unheard) => (unheard === true ? send() : failed(why, cause)),
        });
      };
      send();
    });
  }

  #connection(server: NameServer, id: number): TcpConnection {
    const key = `${server.address} ${server.port}`;
    const known = this.#connections.get(key);
    if (known?.takes(id) === true) return known;
    const connection = new TcpConnection(server, () => {
      if (this.#connections.get(key) === connection) this.#connections.delete(key);
    });
    this.#connections.set(key, connection);
    return connection;
  }
}
