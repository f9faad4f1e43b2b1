/**
 * Limit on new sessions per second: after a restart all endpoints of a node return at once, and logging in costs more
 * than anything else. Refuses sessions above the rate or above a fair share of one address, and most of them while
 * the event loop is late. Refused peers return after a random delay, so that the rate is what arrives.
 */
import type { Clock } from '../ops/clock.js';

export interface AdmissionLimits {
  /** New sessions in a second, for long; 0 for any number. */
  readonly loginsPerSecond: number;
  /** New sessions at once after a quiet time. */
  readonly loginBurst: number;
}

/** How often the clock ticks. */
const TICK_MS = 100;
/** The event loop is late when a tick comes so much later than it should. */
const LATE_MS = 150;
/** What is left of the rate at least while the event loop is late. */
const LEAST = 1 / 16;
/** So few logins in a tick never make the event loop late: they are always admitted. */
const FEW = 4;
/** What is left after a tick of what an address has taken: half after about a second. */
const DECAY = 0.93;

export class Admission {
  readonly #clock: Clock;
  readonly #limits: AdmissionLimits;
  #tokens: number;
  /** What an address has taken lately. */
  readonly #taken = new Map<string, number>();
  /** The share of the rate that the node bears; 1 while the event loop is not late. */
  #bears = 1;
  /** How many may be taken in a tick. */
  #perTick = Number.POSITIVE_INFINITY;
  /** How many have been taken since the last tick. */
  #inThisTick = 0;
  #tickedAt = 0;
  #unwatch: (() => void) | undefined;

  constructor(limits: AdmissionLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#tokens = limits.loginBurst;
  }

  /** The share of the rate that the node bears at this moment. */
  get bears(): number {
    return this.#bears;
  }

  /**
   * Whether one more may come from an address. No address gets more than it leaves for others.
   *
   * @param host an address, or what stands for those of one host
   */
  admits(host: string): boolean {
    if (this.#limits.loginsPerSecond === 0) return true;
    this.#watch();
    const taken = this.#taken.get(host) ?? 0;
    if (this.#tokens < 1 || this.#inThisTick >= this.#perTick || taken >= this.#tokens) return false;
    this.#tokens -= 1;
    this.#inThisTick += 1;
    this.#taken.set(host, taken + 1);
    return true;
  }

  stop(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #watch(): void {
    if (this.#unwatch !== undefined) return;
    this.#tickedAt = this.#clock.now();
    this.#unwatch = this.#clock.ticking(() => this.#tick());
  }

  #tick(): void {
    const now = this.#clock.now();
    const ms = now - this.#tickedAt;
    this.#tickedAt = now;
    const { loginsPerSecond, loginBurst } = this.#limits;
    if (ms < TICK_MS + LATE_MS) this.#bears = Math.min(1, this.#bears * 1.1);
    else if (this.#inThisTick > FEW) this.#bears = Math.max(LEAST, this.#bears / 2);
    this.#tokens = Math.min(loginBurst, this.#tokens + (loginsPerSecond * ms) / 1000);
    this.#inThisTick = 0;
    this.#perTick =
      this.#bears === 1 ? Number.POSITIVE_INFINITY : Math.max(FEW, (loginsPerSecond * this.#bears * TICK_MS) / 1000);
    for (const [host, taken] of this.#taken) {
      const left = taken * DECAY;
      if (left < 0.5) this.#taken.delete(host);
      else this.#taken.set(host, left);
    }
    if (this.#taken.size === 0 && this.#tokens >= loginBurst && this.#bears === 1) this.stop();
  }
}
