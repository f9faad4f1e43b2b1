/**
 * Clock of the process. All time limits on outstanding requests share one coarse timer, which runs only while
 * something waits; only a request for an exact time gets a timer of its own.
 */
import type { Clock } from '../ops/clock.js';

/** Has requests that may run out of time. */
export interface Ticking {
  /** Called about ten times a second while registered, with the time of {@link SystemClock.coarse}. */
  tick(now: number): void;
}

/** Read once: the global is behind a getter of Node, which costs half as much as telling the time. */
const { performance } = globalThis;

const PERIOD_MS = 100;
/** The longest delay that `setTimeout` accepts. */
const LONGEST_MS = 2_147_483_647;

export class SystemClock implements Clock {
  readonly #members = new Set<Ticking>();
  #timer: NodeJS.Timeout | undefined;
  #coarse = performance.now();

  now(): number {
    return performance.now();
  }

  wall(): number {
    return Date.now();
  }

  after(ms: number, ring: () => void): () => void {
    const timer = setTimeout(ring, Math.min(Math.max(0, Math.ceil(ms)), LONGEST_MS));
    timer.unref();
    return () => clearTimeout(timer);
  }

  ticking(tick: () => void): () => void {
    const member: Ticking = { tick };
    this.add(member);
    return () => this.remove(member);
  }

  /** Milliseconds on the monotonic clock, at most one period late while something is registered. */
  get coarse(): number {
    return this.#coarse;
  }

  /** Registers a member; it costs neither a timer nor a closure. */
  add(member: Ticking): void {
    if (this.#timer === undefined) {
      this.#coarse = performance.now();
      this.#timer = setInterval(() => this.#tick(), PERIOD_MS);
      this.#timer.unref();
    }
    this.#members.add(member);
  }

  remove(member: Ticking): void {
    this.#members.delete(member);
  }

  #tick(): void {
    this.#coarse = performance.now();
    if (this.#members.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    for (const member of this.#members) member.tick(this.#coarse);
  }
}

/** The clock of this process. */
export const systemClock = new SystemClock();
