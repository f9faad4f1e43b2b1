/**
 * Minimum rate of a transfer in octets per second, measured over a whole period because networks pause. Has no clock
 * of its own.
 */
export class MinimumRate {
  readonly #periodMs: number;
  readonly #perSecond: number;
  /** When the present period began; undefined while nothing is under way. */
  #since: number | undefined;
  #octets = 0;
  /** Octets that counted as moved at the beginning of the period but had not left yet. */
  #before = 0;

  /** @param periodMs 0 for never */
  constructor(periodMs: number, perSecond: number) {
    this.#periodMs = periodMs;
    this.#perSecond = perSecond;
  }

  get idle(): boolean {
    return this.#since === undefined;
  }

  /**
   * Something is under way, perhaps for some time already.
   *
   * @param remaining octets that counted as moved and are still here
   */
  begin(now: number, remaining = 0): void {
    if (this.#since !== undefined || this.#periodMs === 0) return;
    this.#since = now;
    this.#octets = 0;
    this.#before = remaining;
  }

  /** Nothing is under way any more. */
  end(): void {
    this.#since = undefined;
  }

  moved(octets: number): void {
    this.#octets += octets;
  }

  /**
   * Looks at the period when it is over, and begins the next.
   *
   * @param remaining octets that counted as moved and are still here
   */
  stalled(now: number, remaining = 0): boolean {
    if (this.#since === undefined) return false;
    const ms = now - this.#since;
    if (ms < this.#periodMs) return false;
    if ((this.#octets + this.#before - remaining) * 1000 < this.#perSecond * ms) return true;
    this.#since = now;
    this.#octets = 0;
    this.#before = remaining;
    return false;
  }
}
