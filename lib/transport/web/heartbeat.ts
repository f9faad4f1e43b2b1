/**
 * Timer that visits all members once in each period, in turn and spread over the period, so that a hundred thousand of
 * them make no burst.
 */

/** Somebody whose heart beats. */
export interface Beating {
  /** Called once in each period. */
  beat(): void;
}

const SLOTS = 16;

export class Heartbeat {
  readonly #slots: readonly Set<Beating>[] = Array.from({ length: SLOTS }, () => new Set<Beating>());
  readonly #slotOf = new Map<Beating, Set<Beating>>();
  readonly #periodMs: number;
  #timer: NodeJS.Timeout | undefined;
  #turn = 0;

  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  get size(): number {
    return this.#slotOf.size;
  }

  /** The first beat comes after about one period. */
  add(member: Beating): void {
    if (this.#slotOf.has(member)) return;
    // The slot whose turn has just been.
    const slot = this.#slots[(this.#turn + SLOTS - 1) % SLOTS];
    if (slot === undefined) return;
    slot.add(member);
    this.#slotOf.set(member, slot);
    this.#timer ??= setInterval(() => this.#tick(), this.#periodMs / SLOTS).unref();
  }

  remove(member: Beating): void {
    this.#slotOf.get(member)?.delete(member);
    this.#slotOf.delete(member);
    if (this.#slotOf.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const slot = this.#slots[this.#turn];
    this.#turn = (this.#turn + 1) % SLOTS;
    for (const member of slot ?? []) member.beat();
  }
}

const heartbeats = new Map<number, Heartbeat>();

/** The process's heartbeat of a period; there are as many as there are different periods in configurations. */
export function heartbeatOf(periodMs: number): Heartbeat {
  let heartbeat = heartbeats.get(periodMs);
  if (heartbeat === undefined) {
    heartbeat = new Heartbeat(periodMs);
    heartbeats.set(periodMs, heartbeat);
  }
  return heartbeat;
}
