/** Lets a limited number of expensive handshakes run at once and a limited number wait. */
import { TransportError } from '../../errors.js';
import { abortError } from './secured-stream.js';

export interface GateLimits {
  /** Handshakes that run at once. */
  readonly limit: number;
  /** Handshakes that wait for their turn; more are refused, so that a flood costs nothing but refusals. */
  readonly queueLimit: number;
}

/**
 * A handshake of the legacy stack computes for some 10-30 ms on the one thread that all sessions share, and waits for
 * its peer most of the time: 16 are busy for half a second at most.
 */
export const GATE_LIMITS: GateLimits = { limit: 16, queueLimit: 64 };

interface Waiting {
  readonly enter: () => void;
}

export class HandshakeGate {
  readonly #limits: GateLimits;
  readonly #queue: Set<Waiting> = new Set();
  #running = 0;

  constructor(limits: GateLimits = GATE_LIMITS) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /**
   * Runs the task when its turn comes, in the order of the calls.
   * @throws TransportError BUSY when too many wait, TIMED_OUT or CLOSED when the signal ends the wait; and whatever the
   * task throws.
   */
  async run<Result>(task: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    await this.#entered(signal);
    try {
      return await task();
    } finally {
      this.#leave();
    }
  }

  #entered(signal: AbortSignal | undefined): Promise<void> | undefined {
    if (signal?.aborted) throw abortError(signal);
    if (this.#running < this.#limits.limit) {
      this.#running++;
      return undefined;
    }
    if (this.#queue.size >= this.#limits.queueLimit) {
      throw new TransportError('BUSY', `${this.#queue.size} TLS handshakes are already waiting`);
    }
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#queue.delete(waiting);
        if (signal !== undefined) reject(abortError(signal));
      };
      const waiting: Waiting = {
        enter: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#queue.add(waiting);
    });
  }

  /** Hands the place to the next one, or frees it. */
  #leave(): void {
    const [next] = this.#queue;
    if (next === undefined) {
      this.#running--;
      return;
    }
    this.#queue.delete(next);
    next.enter();
  }
}
