/**
 * Delivery target of several programs of one account (`policy.delivery: all`): each gets the message, and one `ok` is
 * enough. Where none accepts it, the sender is told the failure that leaves most open.
 */
import type { Reply } from '../errors.js';
import { leavesOpen } from '../imxp/certainty.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from './target.js';

export class EveryTarget implements DeliveryTarget {
  readonly #applications: readonly DeliveryTarget[];

  /** @param applications at least one */
  constructor(applications: readonly DeliveryTarget[]) {
    this.#applications = applications;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    const answers = new Answers(this.#applications.length, sink);
    for (const application of this.#applications) application.deliver(delivery, answers);
  }
}

/** Waits for all answers, so that an application that is slow is known to have the message or not. */
class Answers implements DeliverySink {
  readonly #sink: DeliverySink;
  #open: number;
  #accepted = false;
  #failure: Reply | undefined;

  constructor(expected: number, sink: DeliverySink) {
    this.#open = expected;
    this.#sink = sink;
  }

  delivered(): void {
    this.#accepted = true;
    this.#settle();
  }

  failed(reply: Reply): void {
    if (this.#failure === undefined || (leavesOpen(reply) && !leavesOpen(this.#failure))) this.#failure = reply;
    this.#settle();
  }

  #settle(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    if (this.#accepted || this.#failure === undefined) this.#sink.delivered();
    else this.#sink.failed(this.#failure);
  }
}
