/**
 * One coarse clock for all time limits of outstanding requests in the process, so that none of them needs a timer of
 * its own. It runs only while somebody is waiting.
 */

/** Somebody with requests that may run out of time. */
export interface Ticking {
  /** Called about ten times a second while registered, with the ticker's time. */
  tick(now: number): void;
}

const PERIOD_MS = 100;

export class Ticker {
  readonly #members = new Set<Ticking>();
  #timer: NodeJS.Timeout | undefined;
  #now = performance.now();

  /** Milliseconds on a monotonic clock, at most one period late while anybody is registered. */
  get now(): number {
    return this.#now;
  }

  add(member: Ticking): void {
    if (this.#timer === undefined) {
      this.#now = performance.now();
      this.#timer = setInterval(() => this.#tick(), PERIOD_MS);
      this.#timer.unref();
    }
    this.#members.add(member);
  }

  remove(member: Ticking): void {
    this.#members.delete(member);
  }

  #tick(): void {
    this.#now = performance.now();
    if (this.#members.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    for (const member of this.#members) member.tick(this.#now);
  }
}

/** The process's ticker. */
export const ticker = new Ticker();
