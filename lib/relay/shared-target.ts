/**
 * Delivery target of an application that stands for many recipients: fair shares of what may be outstanding, for each
 * recipient and for each originator, so that neither a slow recipient nor a busy originator occupies all of it.
 */
import type { Reply } from '../errors.js';
import { accountOf } from '../imxp/address.js';
import { REPLIES } from './answer.js';
import type { TargetLimits } from './channel-target.js';
import { type FairShare, FairShares } from './fair-shares.js';
import { type DeliverySink, type DeliveryTarget, type OutboundDelivery, receivedOctets } from './target.js';

export class SharedTarget implements DeliveryTarget {
  readonly #application: DeliveryTarget;
  readonly #recipients: FairShares;
  readonly #originators: FairShares;

  constructor(application: DeliveryTarget, { outstanding, outstandingOctets }: TargetLimits) {
    const limits = { count: outstanding, octets: outstandingOctets };
    this.#application = application;
    this.#recipients = new FairShares(limits);
    this.#originators = new FairShares(limits);
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    const { originator, recipients } = delivery.data;
    const octets = receivedOctets(delivery);
    const sending = this.#originators.take(accountOf(originator), octets);
    if (sending === undefined) {
      sink.failed(REPLIES.busy);
      return;
    }
    const receiving = this.#recipients.take(accountOf(recipients[0]?.identity ?? ''), octets);
    if (receiving === undefined) {
      this.#originators.give(sending, octets);
      sink.failed(REPLIES.busy);
      return;
    }
    this.#application.deliver(delivery, new Occupied(this, sink, octets, sending, receiving));
  }

  give(octets: number, sending: FairShare, receiving: FairShare): void {
    this.#originators.give(sending, octets);
    this.#recipients.give(receiving, octets);
  }
}

/** Gives the room back before the answer goes on. */
class Occupied implements DeliverySink {
  readonly #target: SharedTarget;
  readonly #sink: DeliverySink;
  readonly #octets: number;
  readonly #sending: FairShare;
  readonly #receiving: FairShare;

  constructor(target: SharedTarget, sink: DeliverySink, octets: number, sending: FairShare, receiving: FairShare) {
    this.#target = target;
    this.#sink = sink;
    this.#octets = octets;
    this.#sending = sending;
    this.#receiving = receiving;
  }

  delivered(later?: boolean): void {
    this.#target.give(this.#octets, this.#sending, this.#receiving);
    this.#sink.delivered(later);
  }

  failed(reply: Reply): void {
    this.#target.give(this.#octets, this.#sending, this.#receiving);
    this.#sink.failed(reply);
  }
}
