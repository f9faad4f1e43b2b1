/**
 * The channels of one session over which an application is attached for a whole domain (D-CORE-38). They are used as the
 * lanes of a link are, so that a user whose answer takes long delays only what shares a channel with it.
 */
import type { Address } from '../imxp/address.js';
import type { ChannelTarget } from './channel-target.js';
import type { Application, Successor } from './cluster.js';
import { LaneGroup, type LaneGroupOptions } from './lanes.js';
import type { AnswerListener, DeliverySink, OutboundDelivery } from './target.js';

/** @typeParam Member the attachment of one channel */
export class WholeDomainChannels<Member> implements Application {
  readonly session: string;
  readonly #lanes: LaneGroup;
  /** The attachment of each channel, the oldest first. */
  readonly #members = new Map<ChannelTarget, Member>();
  /** All that were used and are open, since those that are attached no longer may still owe answers. */
  #used: readonly ChannelTarget[] = [];

  constructor(session: string, options: LaneGroupOptions) {
    this.session = session;
    this.#lanes = new LaneGroup(options);
  }

  add(channel: ChannelTarget, attachment: Member): void {
    this.#members.set(channel, attachment);
    this.#used = [...this.#used.filter((one) => one !== channel && one.open), channel];
    this.#lanes.add(channel);
  }

  /** @returns the oldest attachment that is left; undefined when this was the last */
  remove(channel: ChannelTarget): Member | undefined {
    this.#members.delete(channel);
    this.#lanes.remove(channel);
    const [left] = this.#members.values();
    return left;
  }

  /** The attachments of all channels. */
  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.#lanes.deliver(delivery, sink);
  }

  send(delivery: OutboundDelivery, sink: DeliverySink, user: AnswerListener | undefined): void {
    this.#lanes.deliver(delivery, user === undefined ? sink : new ToldSink(sink, user));
  }

  yield(isTheirs: (recipient: Address) => boolean, to: Successor): void {
    if (to === this) return;
    for (const channel of this.#used) channel.yield(isTheirs, to);
  }
}

/** Tells the listener before the sink. */
class ToldSink implements DeliverySink {
  readonly #sink: DeliverySink;
  readonly #user: AnswerListener;

  constructor(sink: DeliverySink, user: AnswerListener) {
    this.#sink = sink;
    this.#user = user;
  }

  delivered(later?: boolean): void {
    this.#user.answered(true);
    this.#sink.delivered(later);
  }

  failed(reply: Parameters<DeliverySink['failed']>[0]): void {
    this.#user.answered(false);
    this.#sink.failed(reply);
  }
}
