/**
 * Data operations that are not to be held, and wait until the messages of their senders that are held have left: what a
 * sender sends arrives in the order in which it was sent.
 */
import type { Reply } from '../../errors.js';
import type { Clock } from '../../ops/clock.js';
import { REPLIES } from '../answer.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../target.js';

export interface LiveDelivery {
  readonly delivery: OutboundDelivery;
  readonly sink: DeliverySink;
  readonly sender: string;
  /** Number of the held message that has to leave first. */
  readonly after: number;
}

interface Timed extends LiveDelivery {
  /** On the monotonic clock. */
  readonly due: number;
}

export interface LiveDeliveriesOptions {
  readonly time: Clock;
  /** How many may wait. */
  readonly outstanding: number;
  /** How long each may wait, milliseconds. */
  readonly deliveryTimeoutMs: number;
  /** One of a sender waits, or no longer. */
  readonly count: (sender: string, more: 1 | -1) => void;
  /** Some were refused, because they have waited for too long. */
  readonly refused: () => void;
}

export class LiveDeliveries {
  readonly #options: LiveDeliveriesOptions;
  #waiting: Timed[] = [];
  /** Cancels the look at what has waited for too long. */
  #off: (() => void) | undefined;

  constructor(options: LiveDeliveriesOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Adds one at the end, or refuses it where too many wait. */
  add(one: LiveDelivery): void {
    const { time, outstanding, deliveryTimeoutMs, count } = this.#options;
    if (this.#waiting.length >= outstanding) {
      one.sink.failed(REPLIES.busy);
      return;
    }
    count(one.sender, 1);
    this.#waiting.push({ ...one, due: time.now() + deliveryTimeoutMs });
    this.#off ??= time.after(deliveryTimeoutMs, () => this.#refuseLate());
  }

  /**
   * Sends the first, when what it waits for has left.
   *
   * @param held number of the held message that is the next to leave; undefined where none is
   * @returns whether one was sent
   */
  sendNext(held: number | undefined, target: DeliveryTarget): boolean {
    const [first] = this.#waiting;
    if (first === undefined || (held !== undefined && held <= first.after)) return false;
    this.#waiting.shift();
    this.#options.count(first.sender, -1);
    target.deliver(first.delivery, first.sink);
    return true;
  }

  /** The recipient has detached, and none of them was sent. */
  refuseAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#off?.();
    this.#off = undefined;
    this.#refuse(waiting, REPLIES.endpointUnsent);
  }

  #refuseLate(): void {
    const { time, refused } = this.#options;
    const now = time.now();
    this.#off = undefined;
    const late = this.#waiting.filter(({ due }) => due <= now);
    this.#waiting = this.#waiting.slice(late.length);
    const [next] = this.#waiting;
    if (next !== undefined) this.#off = time.after(next.due - now, () => this.#refuseLate());
    this.#refuse(late, REPLIES.busy);
    refused();
  }

  #refuse(deliveries: readonly LiveDelivery[], reply: Reply): void {
    for (const { sink, sender } of deliveries) {
      this.#options.count(sender, -1);
      sink.failed(reply);
    }
  }
}
