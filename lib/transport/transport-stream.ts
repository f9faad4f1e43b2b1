/**
 * Transport under a session: a TCP, TLS or WebSocket stream. Writes to it, reports when it can take more, watches
 * whether the peer keeps pace, and ends it.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Session } from '../beep/session.js';
import type { Limits } from '../config/limits.js';
import { type ImxpError, RemoteProtocolError, TransportError } from '../errors.js';
import { type StallLimits, StallWatch, type WatchedForStall } from './stall-watch.js';
import { WebSocketStream } from './web/websocket.js';

/** Octets taken from the session for one write. */
const WRITE_OCTETS = 262_144;

export type TransportStreamLimits = StallLimits & Pick<Limits['session'], 'idleTimeoutMs' | 'closeTimeoutMs'>;

/** Told what happens on the stream. */
export interface TransportStreamOwner {
  received(chunk: Buffer): void;
  /** The stream can take more again. */
  drained(): void;
  /** The stream has ended or failed. */
  lost(error: Error | undefined): void;
  /** The peer is idle or too slow: the session has to end. */
  destroy(error: ImxpError): void;
}

export class TransportStream implements WatchedForStall {
  /** True while the stream cannot take more. */
  blocked = false;
  readonly #owner: TransportStreamOwner;
  readonly #limits: TransportStreamLimits;
  #stream: Duplex;
  /** Made when something is held up for the first time, and dropped when nothing is. */
  #stallWatch: StallWatch | undefined;

  constructor(stream: Duplex, owner: TransportStreamOwner, limits: TransportStreamLimits) {
    this.#stream = stream;
    this.#owner = owner;
    this.#limits = limits;
  }

  get stream(): Duplex {
    return this.#stream;
  }

  get unsentOctets(): number {
    return this.#stream.writableLength;
  }

  /** Lets the owner hear of the stream. */
  open(): void {
    const stream = this.#stream;
    attach(stream, this);
    // An error from before there was a listener is reported now.
    if (stream.destroyed) queueMicrotask(() => this.lost(stream.errored ?? undefined));
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
        this.#stallWatch?.wrote(first.length);
        stream.write(first);
      } else {
        stream.cork();
        for (const octets of batch) {
          this.#stallWatch?.wrote(octets.length);
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
    else this.#stallWatch?.flushed(false);
  }

  /** Octets were read. @param unfinished whether a message has begun to come and is not complete */
  received(octets: number, unfinished: boolean): void {
    if (unfinished) this.#watch().received(octets, true);
    else this.#stallWatch?.received(octets, false);
  }

  /** Gives the stream away for a change of transport; it is paused. */
  leave(): Duplex {
    this.#stallWatch?.rest();
    this.#stream.pause();
    detach(this.#stream);
    return this.#stream;
  }

  /** Takes another stream in place of the one given away. */
  change(stream: Duplex): void {
    this.#stream = stream;
    this.blocked = false;
  }

  /** Stops telling the owner of the stream. */
  close(): void {
    this.#stallWatch?.stop();
    detach(this.#stream);
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

  // ---- called by the stream's listeners and the stall watch

  read(chunk: Buffer): void {
    this.#owner.received(chunk);
  }

  drained(): void {
    this.blocked = false;
    this.#owner.drained();
  }

  lost(error: Error | undefined): void {
    this.#owner.lost(error);
  }

  destroy(error: ImxpError): void {
    this.#owner.destroy(error);
  }

  rested(): void {
    this.#stallWatch = undefined;
  }

  #watch(): StallWatch {
    this.#stallWatch ??= new StallWatch(this, this.#limits);
    return this.#stallWatch;
  }
}

const OWNER = Symbol('owner');
type OwnedStream = Duplex & { [OWNER]?: TransportStream | undefined };

/** Lets the stream flow to an owner, through listeners that all streams share. */
function attach(stream: OwnedStream, owner: TransportStream): void {
  stream[OWNER] = owner;
  stream.on('data', onData);
  stream.on('drain', onDrain);
  stream.on('end', onEnd);
  stream.on('error', onError);
  stream.on('close', onEnd);
}

/**
 * Takes the owner away. Later failures of the stream are ignored: the old owner has finished with it, and the next one
 * learns of them by the stream's end.
 */
function detach(stream: OwnedStream): void {
  stream.off('data', onData);
  stream.off('drain', onDrain);
  stream.off('end', onEnd);
  stream.off('close', onEnd);
  stream.off('error', onError);
  stream.on('error', ignore);
  stream[OWNER] = undefined;
}

function onData(this: OwnedStream, chunk: Buffer): void {
  this[OWNER]?.read(chunk);
}

function onDrain(this: OwnedStream): void {
  this[OWNER]?.drained();
}

function onEnd(this: OwnedStream): void {
  this[OWNER]?.lost(undefined);
}

function onError(this: OwnedStream, error: Error): void {
  this[OWNER]?.lost(error);
}

function ignore(): void {}
