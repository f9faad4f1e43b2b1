/**
 * Views of the relay's state for routing. They read the context and change nothing but what is remembered of the next
 * hop to a domain.
 */

import type { Reply } from '../errors.js';
import { type Address, commonKey } from '../imxp/address.js';
import { mayTakeAnotherWay } from '../imxp/certainty.js';
import type { Data } from '../imxp/operation.js';
import type { Payload } from '../mime/payload.js';
import type { Clock } from '../ops/clock.js';
import { REPLIES } from './answer.js';
import { receiverOf } from './attachments.js';
import type { Context } from './context.js';
import type { TimedView } from './data-timing.js';
import { fault } from './events.js';
import { EveryTarget } from './every-target.js';
import type { OptionRegistry } from './options.js';
import { type AccessDecision, RefusingTarget } from './route.js';
import type { Reporter } from './status.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from './target.js';
import { TurnTarget } from './turn-target.js';

const NONE: readonly DeliveryTarget[] = Object.freeze([]);
const UNKNOWN_SERVICE = new RefusingTarget(REPLIES.unknownService);

/** View for Data operations made here, which may go anywhere. */
export class View implements TimedView {
  readonly context: Context;

  constructor(context: Context) {
    this.context = context;
  }

  get options(): OptionRegistry {
    return this.context.understood;
  }

  get reporter(): Reporter | undefined {
    return this.context.reporter;
  }

  get time(): Clock {
    return this.context.time;
  }

  /** The configured hop limit applies only to Data operations of endpoints. */
  get hopLimit(): number {
    return 0;
  }

  encode(data: Data, profile: string): Payload {
    return this.context.encode(data, profile);
  }

  /** Data operations made here come from no relay. */
  get relayed(): boolean {
    return false;
  }

  /** They come from no other node of this domain either. */
  get sameHop(): boolean {
    return false;
  }

  /** Domain that this relay reports for if neither recipients nor originator determine one. */
  get home(): string {
    const [first = ''] = this.context.domains;
    return first;
  }

  local(domain: string): boolean {
    return this.context.domains.has(domain);
  }

  attached(name: Address): DeliveryTarget | undefined {
    const { attachments, cluster } = this.context;
    if (cluster?.claim === undefined) return this.receiver(name);
    // Who receives for others than the endpoint that they are attached as is known at the center.
    const own = attachments.of(name.service ? commonKey(name) : name.key);
    return own === undefined ? cluster.receiving(name) : own.target;
  }

  /** Returns the target for an endpoint by the attachments that this node knows. */
  protected receiver(name: Address): DeliveryTarget | undefined {
    const { attachments, cluster, offline } = this.context;
    const attachment = attachments.receiving(name);
    if (attachment === undefined || attachment.key === name.key) return attachment?.target;
    // Of the endpoints of a whole domain, each has its own offline queue.
    const queue = offline?.existing(name);
    if (queue !== undefined) return queue;
    if (attachment.whole !== undefined || name.service) return receiverOf(attachment);
    const delivery = attachments.sharing(name);
    if (delivery !== 'all' && delivery !== 'one') return receiverOf(attachment);
    if (delivery === 'one') return new TurnTarget(attachments.inTurn(name).map(({ application }) => application));
    const applications = attachments.below(name).map(({ application }) => application);
    // Another node has each Data once, and gives it to all of its own.
    return new EveryTarget(cluster === undefined ? applications : [...new Set(applications)]);
  }

  service(name: Address): DeliveryTarget | undefined {
    return name.wellKnown === undefined ? undefined : this.context.builtIn(name);
  }

  granted(recipient: Address, originator: string): AccessDecision | Promise<boolean> {
    const allowed = this.context.grants(recipient, originator);
    if (allowed === true) return true;
    return allowed === false ? REPLIES.accessDenied : allowed;
  }

  absent(name: Address, originator: string): DeliveryTarget {
    if (name.wellKnown !== undefined && !this.context.policy.servedByApplication(name)) return UNKNOWN_SERVICE;
    return this.center ?? new Absent(this.context, name, originator, this.siblings);
  }

  /** The node of this domain that knows what this one does not. */
  protected get center(): DeliveryTarget | undefined {
    return this.context.cluster?.center();
  }

  /** Other relays of this domain, to which an endpoint that is not here may be attached (RFC 3340 §6). */
  protected get siblings(): readonly DeliveryTarget[] {
    return this.context.dialer.siblings ?? NONE;
  }

  offlineQueue(name: Address): DeliveryTarget | undefined {
    // A disabled account may never come back for its messages.
    if (this.context.accounts?.suspended(name.base) !== undefined) return undefined;
    return this.center ?? this.context.offline?.queueFor(name);
  }

  toward(name: Address, originator: string): DeliveryTarget {
    return this.context.nextHops.toward(name, originator, this.context.dialer);
  }
}

/** Waits for access decisions; a decision that cannot be made fails its recipient. */
export async function decide(
  pending: ReadonlyMap<string, Promise<boolean>>,
  decided: Map<string, AccessDecision>,
): Promise<void> {
  const recipients = [...pending.keys()];
  // Settled together: a promise that rejects while another is awaited would go unhandled.
  const results = await Promise.allSettled(pending.values());
  for (const [at, result] of results.entries()) {
    if (result.status === 'rejected') fault('access', result.reason);
    decided.set(recipients[at] ?? '', grantOf(result));
  }
}

function grantOf(result: PromiseSettledResult<boolean>): AccessDecision {
  if (result.status === 'rejected') return REPLIES.lookupFailed;
  return result.value ? true : REPLIES.accessDenied;
}

/**
 * A local endpoint or service that is not attached. Nothing is delivered, so no order has to be kept and the answer may wait for
 * the look-ups (D-CORE-19). An originator without access learns no more than that.
 */
class Absent implements DeliveryTarget {
  readonly #context: Context;
  readonly #name: Address;
  readonly #originator: string;
  readonly #siblings: readonly DeliveryTarget[];

  constructor(context: Context, name: Address, originator: string, siblings: readonly DeliveryTarget[]) {
    this.#context = context;
    this.#name = name;
    this.#originator = originator;
    this.#siblings = siblings;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    void this.#reply().then((reply) => {
      if (reply === REPLIES.notAttached) this.#elsewhere(delivery, sink, 0, reply);
      else sink.failed(reply);
    });
  }

  /** Asks one sibling after the other, until one has the endpoint or gives another reason than its absence. */
  #elsewhere(delivery: OutboundDelivery, sink: DeliverySink, at: number, reply: Reply): void {
    const sibling = this.#siblings[at];
    if (sibling === undefined) {
      sink.failed(reply);
      return;
    }
    sibling.deliver(delivery, {
      delivered: (later) => sink.delivered(later),
      failed: (failure) => {
        if (mayTakeAnotherWay(failure)) this.#elsewhere(delivery, sink, at + 1, failure);
        else sink.failed(failure);
      },
    });
  }

  async #reply(): Promise<Reply> {
    try {
      if (!(await this.#context.known(this.#name))) return REPLIES.unknownEndpoint;
      if (!(await this.#context.grants(this.#name, this.#originator))) return REPLIES.accessDenied;
      return this.#context.accounts?.suspended(this.#name.base) === undefined
        ? REPLIES.notAttached
        : REPLIES.accountDisabled;
    } catch (error) {
      fault('directory', error);
      return REPLIES.lookupFailed;
    }
  }
}
