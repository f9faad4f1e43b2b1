/**
 * Stream over a browser's WebSocket. Early octets are buffered; written octets wait in the browser, which does not
 * signal when there is room again. Knows nothing of BEEP.
 */
import { TransportError } from '../lib/errors.js';
import { Buffer } from './shim/buffer.js';
import { EventEmitter } from './shim/events.js';

/** The part of the browser's WebSocket that is used. */
export interface PageSocket {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: (() => void) | null;
  onerror: (() => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  send(octets: Uint8Array): void;
  close(code?: number): void;
}

/** Octets that may wait in the browser before writing stops, and how often to check whether they have been sent. */
const FULL_OCTETS = 1_048_576;
const LOOK_MS = 20;
const NORMAL = 1000;

export class PageStream extends EventEmitter {
  readonly #socket: PageSocket;
  #incoming: Uint8Array[] = [];
  #paused = false;
  #state: 'open' | 'ending' | 'closed' = 'open';
  #looking = false;

  /** @param socket an open WebSocket */
  constructor(socket: PageSocket) {
    super();
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = () => this.#closed();
    socket.onerror = null;
  }

  get writableLength(): number {
    return this.#socket.bufferedAmount;
  }

  get writableNeedDrain(): boolean {
    return this.#looking;
  }

  get destroyed(): boolean {
    return this.#state === 'closed';
  }

  override on(event: string, listener: (...args: never[]) => void): this {
    super.on(event, listener);
    if (event === 'data') queueMicrotask(() => this.#flow());
    return this;
  }

  write(octets: Uint8Array): boolean {
    if (this.#state !== 'open') return false;
    this.#socket.send(octets);
    if (this.#socket.bufferedAmount < FULL_OCTETS) return true;
    if (!this.#looking) this.#look();
    return false;
  }

  cork(): void {}

  uncork(): void {}

  pause(): this {
    this.#paused = true;
    return this;
  }

  resume(): this {
    this.#paused = false;
    this.#flow();
    return this;
  }

  end(): this {
    if (this.#state !== 'open') return this;
    this.#state = 'ending';
    this.#socket.close(NORMAL);
    return this;
  }

  destroy(error?: Error): this {
    if (this.#state === 'closed') return this;
    this.#state = 'closed';
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(NORMAL);
    queueMicrotask(() => {
      if (error !== undefined) this.emit('error', error);
      this.emit('close');
    });
    return this;
  }

  /** Relays send text until they have received something binary; until then everything is ASCII. */
  #take(data: unknown): void {
    this.#incoming.push(typeof data === 'string' ? Buffer.from(data) : Buffer.from(data as ArrayBuffer));
    this.#flow();
  }

  #flow(): void {
    while (!this.#paused && this.#incoming.length > 0 && this.listenerCount('data') > 0) {
      this.emit('data', this.#incoming.shift());
    }
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.emit('end');
    this.emit('close');
  }

  #look(): void {
    this.#looking = true;
    setTimeout(() => {
      if (this.#state !== 'open') return;
      if (this.#socket.bufferedAmount >= FULL_OCTETS / 2) {
        this.#look();
        return;
      }
      this.#looking = false;
      this.emit('drain');
    }, LOOK_MS);
  }
}

/** Opens a WebSocket. @throws TransportError CONNECT_FAILED | TIMED_OUT: a browser does not say why */
export function openPageStream(url: string, timeoutMs: number): Promise<PageStream> {
  return new Promise((resolve, reject) => {
    const socket = pageSocket(url);
    const fail = (code: 'CONNECT_FAILED' | 'TIMED_OUT', why: string): void => {
      clearTimeout(timer);
      socket.onopen = null;
      socket.onclose = null;
      socket.close();
      reject(new TransportError(code, `cannot open a WebSocket to ${url}: ${why}`));
    };
    const timer = setTimeout(() => fail('TIMED_OUT', `nothing within ${timeoutMs} ms`), timeoutMs);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      clearTimeout(timer);
      resolve(new PageStream(socket));
    };
    socket.onclose = ({ code, reason }) =>
      fail(
        'CONNECT_FAILED',
        reason || `nobody there, not a certificate the browser believes, or not an origin let in (${code})`,
      );
  });
}

function pageSocket(url: string): PageSocket {
  const { WebSocket } = globalThis as { readonly WebSocket?: new (url: string) => PageSocket };
  if (WebSocket === undefined) throw new TransportError('CONNECT_FAILED', 'there is no WebSocket here');
  return new WebSocket(url);
}
