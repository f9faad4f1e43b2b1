/**
 * Requests on channel 0 that wait for the peer: its greeting, answers to `start` and to `close`. A start or close that
 * is not answered in time ends the session, because a peer that does not answer on channel 0 is of no more use.
 */
import type { Greeting } from '../beep/event.js';
import type { ImxpError } from '../errors.js';
import type { ChannelHandle, ChannelHandler, ErrorCodec } from './channel.js';
import { systemClock, type Ticking } from './clock.js';

/** How this side uses a channel it asks for. */
export interface ChannelUse {
  readonly codec: ErrorCodec;
  /**
   * Each answer on the channel may change the transport: nothing behind it is read until `goOn` of the connection, or
   * until the session is renewed.
   */
  readonly tuning?: boolean;
  /** Makes the receiver of what comes on the channel; without it every request is refused. */
  handler?(channel: ChannelHandle): ChannelHandler;
}

/** A channel that the peer has created on request. */
export interface Started {
  readonly channel: ChannelHandle;
  readonly uri: string;
  /** The answer to the piggybacked message. */
  readonly content: Buffer | undefined;
}

interface Waiter<T> {
  /** By when there has to be an answer, on the coarse clock; the greeting has a time limit of its own. */
  readonly due: number;
  resolve(value: T): void;
  reject(error: ImxpError): void;
}

interface StartWaiter extends Waiter<Started> {
  readonly use: ChannelUse;
}

/** How long answers on channel 0 may take, and who is told when one takes longer. */
export interface PendingRequestsOwner {
  readonly startMs: number;
  readonly closeMs: number;
  /** @param what was not answered */
  late(what: 'start' | 'close', ms: number): void;
}

export class PendingRequests implements Ticking {
  readonly #owner: PendingRequestsOwner;
  #greeting: Waiter<Greeting> | undefined;
  #starts: Map<number, StartWaiter> | undefined;
  #closes: Map<number, Waiter<void>> | undefined;

  constructor(owner: PendingRequestsOwner) {
    this.#owner = owner;
  }

  greeting(): Promise<Greeting> {
    return new Promise((resolve, reject) => {
      this.#greeting = { due: Number.POSITIVE_INFINITY, resolve, reject };
    });
  }

  greeted(greeting: Greeting): void {
    this.#greeting?.resolve(greeting);
    this.#greeting = undefined;
  }

  /** @param ask sends the request; gives the number of the channel */
  start(use: ChannelUse, ask: () => number): Promise<Started> {
    return new Promise((resolve, reject) => {
      this.#starts ??= new Map();
      this.#starts.set(ask(), { due: this.#dueAfter(this.#owner.startMs), resolve, reject, use });
    });
  }

  /** Removes and returns the waiter for the creation of a channel. */
  started(channel: number): StartWaiter | undefined {
    return take(this.#starts, channel);
  }

  close(channel: number, ask: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      ask();
      this.#closes ??= new Map();
      this.#closes.set(channel, { due: this.#dueAfter(this.#owner.closeMs), resolve, reject });
    });
  }

  closed(channel: number): Waiter<void> | undefined {
    return take(this.#closes, channel);
  }

  /**
   * The session has ended: nothing will be answered any more.
   *
   * @param inOrder true after a release, which the party that asked for it waits for
   */
  end(error: ImxpError, inOrder: boolean): void {
    const [greeting, starts, closes] = [this.#greeting, this.#starts, this.#closes];
    this.#greeting = undefined;
    this.#starts = undefined;
    this.#closes = undefined;
    systemClock.remove(this);
    greeting?.reject(error);
    for (const waiter of starts?.values() ?? []) waiter.reject(error);
    for (const [channel, waiter] of closes ?? []) {
      if (channel === 0 && inOrder) waiter.resolve();
      else waiter.reject(error);
    }
  }

  tick(now: number): void {
    if (isLate(this.#starts, now)) this.#owner.late('start', this.#owner.startMs);
    else if (isLate(this.#closes, now)) this.#owner.late('close', this.#owner.closeMs);
    else if ((this.#starts?.size ?? 0) + (this.#closes?.size ?? 0) === 0) systemClock.remove(this);
  }

  #dueAfter(ms: number): number {
    systemClock.add(this);
    return systemClock.coarse + ms;
  }
}

/** Asked in the order in which they are due. */
function isLate(waiters: ReadonlyMap<number, { readonly due: number }> | undefined, now: number): boolean {
  for (const { due } of waiters?.values() ?? []) return due <= now;
  return false;
}

function take<T>(waiters: Map<number, T> | undefined, channel: number): T | undefined {
  const waiter = waiters?.get(channel);
  waiters?.delete(channel);
  return waiter;
}
