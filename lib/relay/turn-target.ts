/**
 * Delivery target of several programs of one account that share its messages (`policy.delivery: one`, a queue group): the
 * first has the message, and the next where that one certainly does not take it because it is busy or gone.
 */
import type { Reply } from '../errors.js';
import { mayTakeAnotherWay } from '../imxp/certainty.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from './target.js';

export class TurnTarget implements DeliveryTarget {
  readonly #applications: readonly DeliveryTarget[];

  /** @param applications at least one, in the order in which they are asked */
  constructor(applications: readonly DeliveryTarget[]) {
    this.#applications = applications;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.#deliver(delivery, sink, 0);
  }

  #deliver(delivery: OutboundDelivery, sink: DeliverySink, place: number): void {
    const application = this.#applications[place];
    const last = place + 1 >= this.#applications.length;
    application?.deliver(delivery, last ? sink : new Try(sink, () => this.#deliver(delivery, sink, place + 1)));
  }
}

/** Answer of a program that is not the last. */
class Try implements DeliverySink {
  readonly #sink: DeliverySink;
  readonly #next: () => void;

  constructor(sink: DeliverySink, next: () => void) {
    this.#sink = sink;
    this.#next = next;
  }

  delivered(later?: boolean): void {
    this.#sink.delivered(later);
  }

  failed(reply: Reply): void {
    // With any other answer the program has, or may have, seen the message.
    if (mayTakeAnotherWay(reply)) this.#next();
    else this.#sink.failed(reply);
  }
}
