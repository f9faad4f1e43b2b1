/**
 * The transport under a session: what leaves, whether more can, whether the peer keeps pace, and how it ends. Knows no
 * channels, and decides nothing about the session.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Session } from '../beep/session.js';
import { type ImxpError, RemoteProtocolError, TransportError } from '../errors.js';
import type { ConnectionLimits } from './connection-options.js';
import { disown, own, type StreamOwner } from './owned-stream.js';
import { StallWatch, type WatchedForStall } from './stall-watch.js';
import { WebSocketStream } from './web/websocket.js';

/** Octets taken from the session for one write. */
const WRITE_OCTETS = 262_144;

/** Whose transport it is. */
export interface LineOwner extends StreamOwner {
  destroy(error: ImxpError): void;
}

export class Line implements WatchedForStall {
  /** True while the stream cannot take more. */
  blocked = false;
  readonly #owner: LineOwner;
  readonly #limits: ConnectionLimits;
  #stream: Duplex;
  /** Made when something is held up for the first time, gone when nothing is. */
  #pace: StallWatch | undefined;

  constructor(stream: Duplex, owner: LineOwner, limits: ConnectionLimits) {
    this.#stream = stream;
    this.#owner = owner;
    this.#limits = limits;
  }

  get stream(): Duplex {
    return this.#stream;
  }

  get heldOctets(): number {
    return this.#stream.writableLength;
  }

  /** Lets the owner hear of the stream. */
  open(): void {
    const stream = this.#stream;
    own(stream, this.#owner);
    // What broke before anybody listened is told now.
    if (stream.destroyed) queueMicrotask(() => this.#owner.lost(stream.errored ?? undefined));
    const timed = stream instanceof Socket || stream instanceof WebSocketStream;
    if (timed && this.#limits.idleTimeoutMs > 0) {
      stream.setTimeout(this.#limits.idleTimeoutMs, () =>
        this.destroy(new TransportError('TIMED_OUT', 'the session was idle for too long')),
      );
    }
  }

  /** Writes what the session has, until it has nothing more or the stream is full. */
  write(session: Session): void {
    const stream = this.#stream;
    for (;;) {
      const batch = session.transmit(WRITE_OCTETS);
      const [first] = batch;
      if (first === undefined) return;
      if (batch.length === 1) {
        this.#pace?.wrote(first.length);
        stream.write(first);
      } else {
        stream.cork();
        for (const octets of batch) {
          this.#pace?.wrote(octets.length);
          stream.write(octets);
        }
        stream.uncork();
      }
      if (stream.writableNeedDrain) {
        this.blocked = true;
        return;
      }
    }
  }

  /** All that could be written was. @param waiting whether something could not */
  flushed(waiting: boolean): void {
    if (waiting) this.#watch().flushed(true);
    else this.#pace?.flushed(false);
  }

  /** @param unfinished whether a message has begun to come and is not complete */
  received(octets: number, unfinished: boolean): void {
    if (unfinished) this.#watch().received(octets, true);
    else this.#pace?.received(octets, false);
  }

  /** Gives the stream away for a change of transport; it stands still. */
  leave(): Duplex {
    this.#pace?.rest();
    this.#stream.pause();
    disown(this.#stream);
    return this.#stream;
  }

  /** Takes another stream in its place. */
  change(stream: Duplex): void {
    this.#stream = stream;
    this.blocked = false;
  }

  /** Nothing is heard of the stream any more. */
  close(): void {
    this.#pace?.stop();
    disown(this.#stream);
  }

  /** After {@link close}: what is written still leaves. A peer that keeps its side open must not keep ours. */
  end(limitMs: number): void {
    const stream = this.#stream;
    stream.end();
    const timer = setTimeout(() => stream.destroy(), Math.max(0, Math.min(this.#limits.closeTimeoutMs, limitMs)));
    timer.unref();
    stream.once('close', () => clearTimeout(timer));
    stream.resume();
  }

  /** After {@link close}: nothing leaves any more. */
  cut(error: ImxpError | undefined): void {
    const stream = this.#stream;
    // RFC 3081 §2: a terminated session is a TCP abort. A TLSSocket is a Socket too, but throws when it is to be reset.
    const abort = error instanceof RemoteProtocolError && stream instanceof Socket && !(stream instanceof TLSSocket);
    if (abort) stream.resetAndDestroy();
    else stream.destroy();
  }

  // ---- for the pace

  destroy(error: ImxpError): void {
    this.#owner.destroy(error);
  }

  rested(): void {
    this.#pace = undefined;
  }

  #watch(): StallWatch {
    this.#pace ??= new StallWatch(this, this.#limits);
    return this.#pace;
  }
}
