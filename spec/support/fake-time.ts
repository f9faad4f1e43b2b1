/** A clock that is advanced by the spec. */
import type { Clock } from '../../lib/ops/clock.js';

interface Alarm {
  readonly at: number;
  readonly ring: () => void;
}

export class FakeTime implements Clock {
  /** Milliseconds since it began; the time of day began at a million. */
  #now = 0;
  /** By how much the clock on the wall was set. */
  #set = 0;
  readonly #alarms = new Set<Alarm>();
  readonly #ticks = new Set<() => void>();

  now(): number {
    return this.#now;
  }

  wall(): number {
    return 1_000_000 + this.#now + this.#set;
  }

  /** Somebody sets the clock on the wall; no time passes. */
  step(ms: number): void {
    this.#set += ms;
  }

  after(ms: number, ring: () => void): () => void {
    const alarm = { at: this.#now + Math.max(0, ms), ring };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  ticking(tick: () => void): () => void {
    const one = (): void => tick();
    this.#ticks.add(one);
    return () => this.#ticks.delete(one);
  }

  /** How many alarms are set. */
  get alarms(): number {
    return this.#alarms.size;
  }

  /** Whoever set alarms is dead. */
  forget(): void {
    this.#alarms.clear();
  }

  /** Lets time pass; alarms ring at their moment, in their order. Whoever is called regularly is called at the end. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#alarms].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#alarms.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.ring();
    }
    this.#now = end;
    for (const tick of [...this.#ticks]) tick();
  }
}
