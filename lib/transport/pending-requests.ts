/** What the user of a session waits for: the peer's greeting, answers to `start` and to `close`. Made as needed. */
import type { Greeting } from '../beep/event.js';
import type { ImxpError } from '../errors.js';
import type { ChannelHandle, ChannelHandler, ErrorCodec } from './channel.js';

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
  resolve(value: T): void;
  reject(error: ImxpError): void;
}

interface StartWaiter extends Waiter<Started> {
  readonly use: ChannelUse;
}

export class PendingRequests {
  #greeting: Waiter<Greeting> | undefined;
  #starts: Map<number, StartWaiter> | undefined;
  #closes: Map<number, Waiter<void>> | undefined;

  greeting(): Promise<Greeting> {
    return new Promise((resolve, reject) => {
      this.#greeting = { resolve, reject };
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
      this.#starts.set(ask(), { resolve, reject, use });
    });
  }

  /** Whoever waits for a channel to be created; asked once. */
  started(channel: number): StartWaiter | undefined {
    return take(this.#starts, channel);
  }

  close(channel: number, ask: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      ask();
      this.#closes ??= new Map();
      this.#closes.set(channel, { resolve, reject });
    });
  }

  closed(channel: number): Waiter<void> | undefined {
    return take(this.#closes, channel);
  }

  /**
   * The session has ended: nothing will be answered any more.
   *
   * @param inOrder true after a release, which is what whoever asked for it waits for
   */
  end(error: ImxpError, inOrder: boolean): void {
    const [greeting, starts, closes] = [this.#greeting, this.#starts, this.#closes];
    this.#greeting = undefined;
    this.#starts = undefined;
    this.#closes = undefined;
    greeting?.reject(error);
    for (const waiter of starts?.values() ?? []) waiter.reject(error);
    for (const [channel, waiter] of closes ?? []) {
      if (channel === 0 && inOrder) waiter.resolve();
      else waiter.reject(error);
    }
  }
}

function take<T>(waiters: Map<number, T> | undefined, channel: number): T | undefined {
  const waiter = waiters?.get(channel);
  waiters?.delete(channel);
  return waiter;
}
