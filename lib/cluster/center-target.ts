/**
 * Target of what only the center of the cluster can decide: endpoints that are attached nowhere as far as this node
 * knows, messages to be held, and services. Counts what is on its way to each endpoint by the center, so that nothing
 * sent straight to it later overtakes that.
 */
import type { Reply } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import type { Successor } from '../relay/cluster.js';
import type { AnswerListener, DeliverySink, DeliveryTarget, OutboundDelivery } from '../relay/target.js';
import type { NodeLink } from './node-link.js';

interface Under {
  count: number;
  /** What waits for the last of them to be answered. */
  clear: (() => void) | undefined;
}

export class CenterTarget implements DeliveryTarget, Successor {
  readonly #center: NodeLink;
  /** Data operations under way by the center, by endpoint. */
  readonly #under = new Map<string, Under>();

  constructor(center: NodeLink) {
    this.#center = center;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.send(delivery, sink, undefined);
  }

  send(delivery: OutboundDelivery, sink: DeliverySink, user: AnswerListener | undefined): void {
    const keys: string[] = [];
    for (const { identity } of delivery.data.recipients) {
      const name = addressOf(identity);
      if (name === undefined || name.service) continue;
      keys.push(name.key);
      const under = this.#under.get(name.key);
      if (under === undefined) this.#under.set(name.key, { count: 1, clear: undefined });
      else under.count += 1;
    }
    this.#center.send(delivery, new Deciding(this, keys, sink), user);
  }

  /** Calls `clear` when nothing is on its way to an endpoint, in place of what was to be called before. */
  whenClear(key: string, clear: () => void): void {
    const under = this.#under.get(key);
    if (under === undefined) clear();
    else under.clear = clear;
  }

  /** Nothing waits for that any longer. */
  forget(key: string): void {
    const under = this.#under.get(key);
    if (under !== undefined) under.clear = undefined;
  }

  answered(keys: readonly string[]): void {
    for (const key of keys) {
      const under = this.#under.get(key);
      if (under === undefined) continue;
      under.count -= 1;
      if (under.count > 0) continue;
      this.#under.delete(key);
      under.clear?.();
    }
  }
}

/** One Data operation until the center has answered. */
class Deciding implements DeliverySink {
  readonly #target: CenterTarget;
  readonly #keys: readonly string[];
  readonly #sink: DeliverySink;

  constructor(target: CenterTarget, keys: readonly string[], sink: DeliverySink) {
    this.#target = target;
    this.#keys = keys;
    this.#sink = sink;
  }

  delivered(later?: boolean): void {
    this.#target.answered(this.#keys);
    this.#sink.delivered(later);
  }

  failed(reply: Reply): void {
    this.#target.answered(this.#keys);
    this.#sink.failed(reply);
  }
}
