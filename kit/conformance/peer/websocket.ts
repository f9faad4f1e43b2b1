/**
 * A WebSocket client (RFC 6455) over any connected stream, written from the text of the RFC, as a stream of octets:
 * what is written is sent in messages of the chosen type and fragmentation, what is received is checked and joined. It
 * uses neither lib/ nor the WebSocket library under test.
 */
import { createHash, randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { within } from './within.js';

export const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

export const TRANSPORTS = ['tcp', 'ws', 'wss'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export interface RawWebSocketOptions {
  readonly path?: string;
  /** For `Host`. */
  readonly site?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the messages written; text unless given. */
  readonly type?: 'text' | 'binary';
  /** Octets of one fragment of a message; not cut unless given. */
  readonly fragment?: number;
}

/** A frame that came. */
export interface RawWebSocketFrame {
  readonly final: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

/** The answer to a request, head and what came with it. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly rest: Buffer;
}

/** Connects by TCP, WebSocket or WebSocket under TLS. */
export async function rawStream(
  transport: Transport,
  port: number,
  options: RawWebSocketOptions & {
    readonly authority?: Buffer | string;
    readonly host?: string;
    readonly from?: string;
    readonly tls?: ConnectionOptions;
  } = {},
): Promise<Duplex> {
  const from = options.from === undefined ? {} : { localAddress: options.from };
  const socket = connectTcp({ port, host: options.host ?? '127.0.0.1', noDelay: true, ...from });
  await ready(socket, 'connect');
  if (transport === 'tcp') return socket;
  if (transport === 'ws') return await RawWebSocket.open(socket, options);
  const secure = connectTls({
    socket,
    ca: options.authority,
    servername: options.site ?? 'example.com',
    ...options.tls,
  });
  await ready(secure, 'secureConnect');
  return await RawWebSocket.open(secure, options);
}

async function ready(stream: Socket, event: string): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    stream.once(event, resolve);
    stream.once('error', reject);
  });
  await within(8000, done, event);
  stream.removeAllListeners('error');
}

/** Sends octets and reads the head of the answer. */
export async function exchangeHttp(stream: Duplex, request: string): Promise<RawAnswer> {
  let received = Buffer.alloc(0);
  const head = new Promise<RawAnswer>((resolve, reject) => {
    const take = (octets: Buffer): void => {
      received = Buffer.concat([received, octets]);
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      stream.off('data', take);
      stream.pause();
      const [first = '', ...lines] = received.toString('latin1', 0, end).split('\r\n');
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(`${first} `)?.[1]);
      const fields = lines.map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      });
      resolve({ status, headers: new Map(fields), rest: received.subarray(end + 4) });
    };
    stream.on('data', take);
    stream.once('close', () => reject(new Error(`no answer but ${received.toString('latin1')}`)));
    stream.on('error', reject);
  });
  stream.write(request);
  return await within(8000, head, 'an HTTP answer');
}

/** The request of RFC 6455 §4.1, with further headers or other values. */
export function upgradeRequest(
  { path = '/', site = 'example.com', headers = {} }: RawWebSocketOptions = {},
  key = randomBytes(16).toString('base64'),
): string {
  const all: Record<string, string> = {
    Host: site,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': key,
    'Sec-WebSocket-Version': '13',
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n');
}

export class RawWebSocket extends Duplex {
  readonly #under: Duplex;
  readonly #options: RawWebSocketOptions;
  /** Every frame that came, in order. */
  readonly frames: RawWebSocketFrame[] = [];
  /** What the server chose. */
  readonly headers: ReadonlyMap<string, string>;
  /** Answers pings. */
  responsive = true;
  #received: Buffer;
  #message: number | undefined;
  #closing = false;

  private constructor(under: Duplex, answer: RawAnswer, options: RawWebSocketOptions) {
    super({ allowHalfOpen: false });
    this.#under = under;
    this.#options = options;
    this.headers = answer.headers;
    this.#received = answer.rest;
    under.on('data', (octets: Buffer) => this.#take(octets));
    under.on('end', () => this.push(null));
    under.on('close', () => this.push(null));
    under.on('error', (cause) => this.destroy(cause));
    this.#parse();
    under.resume();
  }

  static async open(under: Duplex, options: RawWebSocketOptions = {}): Promise<RawWebSocket> {
    const key = randomBytes(16).toString('base64');
    const answer = await exchangeHttp(under, upgradeRequest(options, key));
    if (answer.status !== 101) throw new Error(`answered ${answer.status}`);
    // RFC 6455 §4.2.2
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    if (answer.headers.get('sec-websocket-accept') !== accept) throw new Error('the accept value is wrong');
    if (answer.headers.has('sec-websocket-extensions')) throw new Error('an extension nobody offered');
    under.removeAllListeners('error');
    under.removeAllListeners('close');
    return new RawWebSocket(under, answer, options);
  }

  /** What the present type of messages is called in {@link frames}. */
  get opcode(): number {
    return this.#options.type === 'binary' ? OPCODE.BINARY : OPCODE.TEXT;
  }

  /** One frame, masked (RFC 6455 §5.3). */
  put(opcode: number, payload: Buffer | string, final = true): void {
    if (!this.#under.destroyed) this.#under.write(maskedFrame(opcode, Buffer.from(payload), final));
  }

  override _read(): void {
    this.#under.resume();
  }

  override _write(octets: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const size = this.#options.fragment ?? Math.max(1, octets.length);
    for (let at = 0; at < octets.length; at += size) {
      const opcode = at === 0 ? this.opcode : OPCODE.CONTINUATION;
      this.put(opcode, octets.subarray(at, at + size), at + size >= octets.length);
    }
    if (this.#under.writableNeedDrain) this.#under.once('drain', done);
    else done();
  }

  override _final(done: () => void): void {
    this.#close();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#under.destroy();
    done(error);
  }

  #close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.put(OPCODE.CLOSE, Buffer.from([1000 >> 8, 1000 & 0xff]));
  }

  #take(octets: Buffer): void {
    this.#received = this.#received.length === 0 ? octets : Buffer.concat([this.#received, octets]);
    this.#parse();
  }

  #parse(): void {
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) this.#frame(next);
    } catch (cause) {
      this.destroy(cause instanceof Error ? cause : new Error(String(cause)));
    }
  }

  #next(): RawWebSocketFrame | undefined {
    const [first, second] = this.#received;
    if (first === undefined || second === undefined) return undefined;
    // RFC 6455 §5.2: no extension, so no reserved bit; RFC 6455 §5.1: a server does not mask.
    if ((first & 0x70) !== 0) throw new Error('a reserved bit is set');
    if ((second & 0x80) !== 0) throw new Error('a server must not mask');
    const short = second & 0x7f;
    const extra = short === 127 ? 8 : short === 126 ? 2 : 0;
    if (this.#received.length < 2 + extra) return undefined;
    const length = extra === 0 ? short : this.#received.readUIntBE(extra === 8 ? 4 : 2, extra === 8 ? 6 : 2);
    const end = 2 + extra + length;
    if (this.#received.length < end) return undefined;
    const payload = this.#received.subarray(2 + extra, end);
    this.#received = this.#received.subarray(end);
    return { final: (first & 0x80) !== 0, opcode: first & 0x0f, payload };
  }

  #frame(frame: RawWebSocketFrame): void {
    this.frames.push(frame);
    this.emit('frame', frame);
    const { opcode, payload, final } = frame;
    if (opcode >= OPCODE.CLOSE) {
      // RFC 6455 §5.5
      if (!final || payload.length > 125) throw new Error('a control frame that is cut or too long');
      if (opcode === OPCODE.PING && this.responsive) this.put(OPCODE.PONG, payload);
      if (opcode === OPCODE.CLOSE) {
        this.#close();
        this.#under.end();
      }
      return;
    }
    if ((opcode === OPCODE.CONTINUATION) !== (this.#message !== undefined)) throw new Error('a fragment out of order');
    this.#message = final ? undefined : (this.#message ?? opcode);
    if (payload.length > 0 && !this.push(payload)) this.#under.pause();
  }
}

/** RFC 6455 §5.2, §5.3. */
export function maskedFrame(opcode: number, payload: Buffer, final = true): Buffer {
  const mask = randomBytes(4);
  const length = payload.length;
  const extra = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extra + 4);
  head[0] = (final ? 0x80 : 0) | opcode;
  head[1] = 0x80 | (extra === 0 ? length : extra === 2 ? 126 : 127);
  if (extra === 2) head.writeUInt16BE(length, 2);
  if (extra === 8) head.writeUIntBE(length, 4, 6);
  mask.copy(head, 2 + extra);
  const body = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) body[at] = (payload[at] ?? 0) ^ (mask[at & 3] ?? 0);
  return Buffer.concat([head, body]);
}
