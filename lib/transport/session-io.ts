/**
 * Moves octets between a transport and a BEEP session, one session after the other on the same connection: received
 * octets become events, and everything that one turn of the event loop queued is written together at its end.
 */
import type { Duplex } from 'node:stream';
import type { SessionEvent } from '../beep/event.js';
import type { Session } from '../beep/session.js';
import type { ImxpError } from '../errors.js';
import { TransportStream, type TransportStreamLimits, type TransportStreamOwner } from './transport-stream.js';

/** A connection handed over for a change of transport (RFC 3080 §3). */
export interface HandedOver {
  readonly stream: Duplex;
  /** Octets received after the last frame and not parsed. */
  readonly leftover: Buffer;
}

/** The connection that the session belongs to. */
export interface SessionIoOwner {
  handle(event: SessionEvent): void;
  /** Called with whatever reading threw. */
  fault(error: unknown): void;
  /** The transport has ended or failed. */
  lost(error: Error | undefined): void;
  /** The transport is handed over: this session is over. */
  left(): void;
  destroy(error: ImxpError): void;
  /** Whether the received octets are refused; the owner has been destroyed then. */
  refuses(chunk: Buffer): boolean;
}

export class SessionIo implements TransportStreamOwner {
  readonly transport: TransportStream;
  session: Session;
  /** True while nothing is read, because an answer may change the transport. */
  paused = false;
  readonly #owner: SessionIoOwner;
  /** Between the beginning of a session and its end. */
  #running = false;
  #flushing = false;
  #handOver: (() => void) | undefined;

  constructor(stream: Duplex, session: Session, owner: SessionIoOwner, limits: TransportStreamLimits) {
    this.#owner = owner;
    this.session = session;
    this.transport = new TransportStream(stream, this, limits);
  }

  start(): void {
    this.#running = true;
    this.transport.open();
    this.touch();
  }

  /** Begins another session over another transport. */
  renew(stream: Duplex, session: Session): void {
    this.transport.change(stream);
    this.session = session;
    this.paused = false;
    this.start();
  }

  /** The session is over. */
  stop(): void {
    this.#running = false;
    this.transport.close();
  }

  /** Resumes the session after reading was paused, or it was quiet. */
  resume(): void {
    this.paused = false;
    this.session.resume();
    this.#read();
    this.touch();
  }

  /** Has what is queued written at the end of this turn of the event loop. */
  touch(): void {
    if (this.#flushing || !this.#running) return;
    this.#flushing = true;
    flushLater(this);
  }

  /** Writes what may leave now. Called once per turn of the event loop, and when the transport can take more. */
  flush(): void {
    this.#flushing = false;
    const { transport } = this;
    if (!this.#running || transport.blocked) return;
    transport.write(this.session);
    // A close or release is complete when its last octets have left.
    this.#read();
    if (this.#running) transport.flushed(transport.blocked || this.session.waiting);
  }

  /**
   * Waits until every reply owed has left, lets `last` queue the last message, writes it, and hands the transport over.
   *
   * @param owed replies that may stay owed: the one that `last` is going to give
   */
  handOver(owed: number, last: () => void): Promise<HandedOver> {
    return new Promise((resolve) => {
      this.#handOver = (): void => {
        if (this.session.owed > owed) return;
        this.#handOver = undefined;
        last();
        this.session.quiesce();
        // All of it, even to a slow transport; and nothing that came after it is parsed any more.
        while (this.session.pending) this.transport.write(this.session);
        resolve(this.leave());
      };
      this.#handOver();
    });
  }

  leave(): HandedOver {
    this.#running = false;
    const stream = this.transport.leave();
    const leftover = this.session.detach();
    this.#owner.left();
    return { stream, leftover };
  }

  // ---- called by the transport

  received(chunk: Buffer): void {
    if (!this.#running || this.#owner.refuses(chunk)) return;
    this.session.receive(chunk);
    this.#read();
    if (!this.#running) return;
    this.transport.received(chunk.length, this.session.unfinished);
    this.touch();
  }

  drained(): void {
    this.flush();
  }

  lost(error: Error | undefined): void {
    this.#owner.lost(error);
  }

  destroy(error: ImxpError): void {
    this.#owner.destroy(error);
  }

  #read(): void {
    const { session } = this;
    try {
      while (session === this.session && !this.paused && this.#running) {
        const event = session.nextEvent();
        if (event === undefined) return;
        this.#owner.handle(event);
        if (this.#handOver !== undefined && event.type === 'reply') this.#handOver();
      }
    } catch (error) {
      this.#owner.fault(error);
    }
  }
}

let queue: SessionIo[] = [];
let scheduled = false;

/**
 * Lets each session write once per turn of the event loop, after all sockets that had input were read: one system call
 * carries all that a turn produced. The caller does not ask twice.
 */
function flushLater(io: SessionIo): void {
  queue.push(io);
  if (!scheduled) {
    scheduled = true;
    setImmediate(flushAll);
  }
}

function flushAll(): void {
  const due = queue;
  queue = [];
  scheduled = false;
  for (const io of due) io.flush();
}
