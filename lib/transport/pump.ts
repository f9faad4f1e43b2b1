/**
 * Octets in, events out, and back: moves what comes between the transport and the session, one session after the other on
 * the same connection. Knows what no event means.
 */
import type { Duplex } from 'node:stream';
import type { SessionEvent } from '../beep/event.js';
import type { Session } from '../beep/session.js';
import type { ImxpError } from '../errors.js';
import type { ConnectionLimits, HandedOver } from './connection-options.js';
import { flushLater } from './flusher.js';
import { Line } from './line.js';
import type { StreamOwner } from './owned-stream.js';

/** Whose octets they are. */
export interface PumpOwner {
  handle(event: SessionEvent): void;
  /** What reading threw. */
  fault(error: unknown): void;
  /** The transport is gone. */
  lost(error: Error | undefined): void;
  /** The transport is given away: this session is over. */
  left(): void;
  destroy(error: ImxpError): void;
  /** Whether what came is not wanted; then it has been destroyed. */
  refuses(chunk: Buffer): boolean;
}

export class Pump implements StreamOwner {
  readonly line: Line;
  session: Session;
  /** Nothing more is read for now: an answer may change the transport. */
  held = false;
  readonly #owner: PumpOwner;
  /** Between the beginning of a session and its end. */
  #running = false;
  #flushing = false;
  #handOver: (() => void) | undefined;

  constructor(stream: Duplex, session: Session, owner: PumpOwner, limits: ConnectionLimits) {
    this.#owner = owner;
    this.session = session;
    this.line = new Line(stream, this, limits);
  }

  start(): void {
    this.#running = true;
    this.line.open();
    this.touch();
  }

  /** Begins with another session, over another transport. */
  renew(stream: Duplex, session: Session): void {
    this.line.change(stream);
    this.session = session;
    this.held = false;
    this.start();
  }

  /** The session is over. */
  stop(): void {
    this.#running = false;
    this.line.close();
  }

  /** Lets the session go on after it was held, or quiet. */
  resume(): void {
    this.held = false;
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
    const { line } = this;
    if (!this.#running || line.blocked) return;
    line.write(this.session);
    // A close or release is complete when its last octets have left.
    this.#read();
    if (this.#running) line.flushed(line.blocked || this.session.waiting);
  }

  /**
   * Waits until every reply owed has left, lets `last` queue the last message, writes it, and gives the transport away.
   *
   * @param owed replies that may stay owed: the one `last` is going to give
   */
  handOver(owed: number, last: () => void): Promise<HandedOver> {
    return new Promise((resolve) => {
      this.#handOver = (): void => {
        if (this.session.owed > owed) return;
        this.#handOver = undefined;
        last();
        this.session.quiesce();
        // All of it, whether the transport is slow or not; and nothing that came after is parsed any more.
        while (this.session.pending) this.line.write(this.session);
        resolve(this.leave());
      };
      this.#handOver();
    });
  }

  leave(): HandedOver {
    this.#running = false;
    const stream = this.line.leave();
    const leftover = this.session.detach();
    this.#owner.left();
    return { stream, leftover };
  }

  // ---- of the stream

  received(chunk: Buffer): void {
    if (!this.#running || this.#owner.refuses(chunk)) return;
    this.session.receive(chunk);
    this.#read();
    if (!this.#running) return;
    this.line.received(chunk.length, this.session.unfinished);
    this.touch();
  }

  drained(): void {
    this.line.blocked = false;
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
      while (session === this.session && !this.held && this.#running) {
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
