/**
 * WebSocket as a stream of octets: joins the messages that arrive and writes octets as messages. Handles control
 * messages and back-pressure, and limits what an unauthenticated peer can make this side keep.
 */
import { isUtf8 } from 'node:buffer';
import { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { RemoteProtocolError, TransportError } from '../../errors.js';
import { type Beating, heartbeatOf } from './heartbeat.js';

/** Larger writes leave in several messages; a batch of whole BEEP frames fits into one. */
const MESSAGE_OCTETS = 524_288;
/** Up to here copying costs less than messages of their own. */
const JOINED_OCTETS = 16_384;
/** Messages of a peer may be cut into this many fragments: each costs a view of its own until the last has come. */
const FRAGMENTS = 4096;
/** RFC 6455 §7.4.1: a normal end; the others mean that something went wrong. */
const NORMAL_CLOSES: ReadonlySet<number> = new Set([1000, 1001, 1005, 1006]);
const NORMAL = 1000;

/** How `ws` is used on both sides. Nothing is compressed: it would undo TLS's secrecy of lengths, and costs memory. */
export function webSocketSettings(messageOctets: number) {
  return {
    perMessageDeflate: false,
    // Peers put raw octets into text messages (LibVortex does): they are octets here, not characters.
    skipUTF8Validation: true,
    maxPayload: messageOctets,
    maxFragments: FRAGMENTS,
  } as const;
}

export interface WebSocketOptions {
  /** How often the peer is asked whether it is still there; 0 never. */
  readonly pingMs: number;
  /** Octets of a message not yet complete, until {@link WebSocketStream.trust}; as many as a message may have unless given. */
  readonly unfinishedOctets?: number;
}

export class WebSocketStream extends Duplex implements Beating {
  readonly #socket: WebSocket;
  readonly #under: Duplex;
  readonly #pingMs: number;
  /** Answers are of the peer's type; text until it has said something, because browsers of old read nothing else. */
  #binary = false;
  /** Ends the write that waits until the transport can take more. */
  #written: ((error?: Error | null) => void) | undefined;
  #heard = true;
  #unfinished = 0;
  #unfinishedLimit: number;
  #idle: NodeJS.Timeout | undefined;

  /** @param under the transport that the WebSocket runs over */
  constructor(socket: WebSocket, under: Duplex, { pingMs, unfinishedOctets }: WebSocketOptions) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#under = under;
    this.#pingMs = pingMs;
    this.#unfinishedLimit = unfinishedOctets ?? Number.POSITIVE_INFINITY;
    // It may break before it has an owner; the owner checks (see TransportStream.open), and the process survives.
    this.on('error', ignore);
    socket.on('message', (data: RawData, binary: boolean) => this.#message(data, binary));
    socket.on('ping', () => this.#alive());
    socket.on('pong', () => this.#alive());
    socket.on('error', (cause: Error) => this.#broken(cause));
    socket.on('close', (code: number, reason: Buffer) => this.#closed(code, reason.toString()));
    under.on('drain', this.#drained);
    // Added after ws's own listener: what that makes of the octets is known here.
    if (unfinishedOctets !== undefined) under.on('data', this.#counted);
    if (pingMs > 0) heartbeatOf(pingMs).add(this);
  }

  /** The peer has authenticated: its messages may be as large as those of any known peer. */
  trust(): void {
    this.#unfinishedLimit = Number.POSITIVE_INFINITY;
    this.#under.off('data', this.#counted);
  }

  /** Calls back when no message has come for so long; pings do not count. */
  setTimeout(ms: number, passed: () => void): this {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(passed, ms);
    this.#idle.unref();
    return this;
  }

  /** A peer that has not answered the last ping counts as disconnected. */
  beat(): void {
    // Received octets are not processed while reading is paused, so silence means nothing then.
    if (!this.#heard && !this.#socket.isPaused) {
      this.destroy(new TransportError('CONNECTION_LOST', `the peer did not answer a ping within ${this.#pingMs} ms`));
      return;
    }
    this.#heard = false;
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  override _read(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  override _write(octets: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send([octets], done);
  }

  override _writev(writes: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const chunks = writes.map(({ chunk }) => chunk);
    const octets = chunks.reduce((total, chunk) => total + chunk.length, 0);
    // A small batch is one message. Of a large one each chunk is a message of its own, uncopied.
    this.#send(octets <= JOINED_OCTETS ? [Buffer.concat(chunks, octets)] : chunks, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.close(NORMAL);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#idle);
    if (this.#pingMs > 0) heartbeatOf(this.#pingMs).remove(this);
    this.#under.off('drain', this.#drained);
    this.#under.off('data', this.#counted);
    this.#socket.terminate();
    this.#goOn(error);
    done(error);
  }

  #send(chunks: readonly Buffer[], done: (error?: Error | null) => void): void {
    if (this.#socket.readyState !== this.#socket.OPEN) {
      done(new TransportError('CONNECTION_LOST', 'the WebSocket is closed'));
      return;
    }
    this.#under.cork();
    for (const octets of chunks) {
      for (let at = 0; at < octets.length; at += MESSAGE_OCTETS) {
        const message = octets.length <= MESSAGE_OCTETS ? octets : octets.subarray(at, at + MESSAGE_OCTETS);
        // RFC 6455 §5.6: text is UTF-8, and browsers fail the connection over anything else.
        this.#socket.send(message, { binary: this.#binary || !isUtf8(message) });
      }
    }
    this.#under.uncork();
    if (this.#under.writableNeedDrain) this.#written = done;
    else done();
  }

  readonly #drained = (): void => this.#goOn(null);

  #goOn(error: Error | null): void {
    const done = this.#written;
    this.#written = undefined;
    done?.(error);
  }

  readonly #counted = (octets: Buffer): void => {
    this.#unfinished += octets.length;
    if (this.#unfinished <= this.#unfinishedLimit) return;
    const text = `more than ${this.#unfinishedLimit} octets of one WebSocket message without authentication`;
    this.destroy(new TransportError('TOO_LARGE', text));
  };

  #message(data: RawData, binary: boolean): void {
    this.#alive();
    this.#idle?.refresh();
    this.#unfinished = 0;
    this.#binary = binary;
    const octets = octetsOf(data);
    if (octets.length > 0 && !this.push(octets)) this.#socket.pause();
  }

  #alive(): void {
    this.#heard = true;
  }

  #broken(cause: Error): void {
    const text = `the peer violated the WebSocket protocol: ${cause.message}`;
    this.destroy(new RemoteProtocolError('WEBSOCKET_INVALID', text, { cause }));
  }

  #closed(code: number, reason: string): void {
    if (NORMAL_CLOSES.has(code)) {
      this.push(null);
    } else {
      const text = reason === '' ? String(code) : `${code} ${reason}`;
      this.destroy(new TransportError('CONNECTION_LOST', `the peer closed the WebSocket: ${text}`));
    }
  }
}

function octetsOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

function ignore(): void {}
