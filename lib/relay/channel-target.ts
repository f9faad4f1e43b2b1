/**
 * Delivery target over one channel: an attached application, or one lane to the next relay. Limits what is outstanding
 * on the channel and interprets the answers.
 */

import type { Reply } from '../errors.js';
import { ImxpError } from '../errors.js';
import { type Address, addressOf } from '../imxp/address.js';
import type { Unanswered } from '../imxp/certainty.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import { type Payload, payloadOctets } from '../mime/payload.js';
import { REPLIES, unanswered } from './answer.js';
import type { MeshChannel, ReplySink } from './channel.js';
import type { Application, Successor } from './cluster.js';
import { fault } from './events.js';
import type { AnswerListener, DeliverySink, OutboundDelivery } from './target.js';

export interface TargetLimits {
  /** Unanswered Data operations. */
  readonly outstanding: number;
  /**
   * Octets of their payloads. A single Data operation larger than this is still sent if nothing else is outstanding.
   */
  readonly outstandingOctets: number;
}

export class ChannelTarget implements Application {
  readonly #channel: MeshChannel;
  readonly #dialect: Dialect;
  readonly #limits: TargetLimits;

  constructor(channel: MeshChannel, dialect: Dialect, limits: TargetLimits) {
    this.#channel = channel;
    this.#dialect = dialect;
    this.#limits = limits;
  }

  /** Read on each use, because a session may authenticate after the channel exists. */
  get #relay(): boolean {
    return this.#channel.identity.kind === 'relay';
  }

  get open(): boolean {
    return this.#channel.open;
  }

  /** Id of the session of the channel. */
  get session(): string {
    return this.#channel.id.split('/', 1)[0] ?? '';
  }

  /** Unanswered requests, including those that were given up. */
  get outstanding(): number {
    return this.#channel.outstanding;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.send(delivery, sink, undefined);
  }

  /** Delivers like {@link deliver}, and tells `user` before the sink. */
  send(delivery: OutboundDelivery, sink: DeliverySink, user: AnswerListener | undefined): void {
    const channel = this.#channel;
    let payload: Payload;
    try {
      payload = delivery.payload(channel.profile);
    } catch (error) {
      // A Data that cannot be said in the dialect of this channel fails its recipients (D-APEX-06).
      settle(sink, user, this.#unsayable(error));
      return;
    }
    const refusal = this.#refusal(payloadOctets(payload));
    if (refusal !== undefined) {
      settle(sink, user, refusal);
      return;
    }
    channel.request(payload, new Pending(this, delivery, sink, user));
  }

  /** RFC 3342 §1: sends the unwritten Data operations for some recipients to the application that took over. */
  yield(isTheirs: (recipient: Address) => boolean, to: Successor): void {
    if (to === this) return;
    const recalled = this.#channel.recall((sink) => sink instanceof Pending && sink.isFor(isTheirs));
    for (const sink of recalled) if (sink instanceof Pending) sink.move(to);
  }

  #unsayable(error: unknown): Reply {
    if (error instanceof ImxpError && error.reply !== undefined) return error.reply;
    fault(this.#channel.id, error);
    return REPLIES.internal;
  }

  #refusal(octets: number): Reply | undefined {
    const channel = this.#channel;
    if (!channel.open) return this.unanswered('unsent');
    if (channel.outstanding === 0) return undefined;
    // D-CORE-34: a slow reader is refused at once; nothing is queued without bound.
    const full =
      channel.outstanding >= this.#limits.outstanding ||
      channel.outstandingOctets + octets > this.#limits.outstandingOctets;
    return full ? REPLIES.busy : undefined;
  }

  /** @returns the meaning of the answer: undefined for `ok` */
  verdict(kind: 'RPY' | 'ERR', payload: Buffer): Reply | undefined {
    if (kind === 'RPY' && payload.equals(this.#dialect.ok)) return undefined;
    try {
      const reply = this.#dialect.decodeReply(payload);
      if (reply.type === 'error') {
        const { code, text, lang } = reply;
        return lang === undefined ? { code, text } : { code, text, lang };
      }
      if (kind === 'RPY') return undefined;
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
    }
    // RFC 3080 §2.2.2.1: a poorly-formed reply ends the channel.
    this.#channel.close(501, 'a reply was neither ok nor error');
    return this.unanswered('unreadable');
  }

  /** Returns the reply for a request that was never answered, or whose answer cannot be read. */
  unanswered(reason: Unanswered): Reply {
    return unanswered(reason, this.#relay);
  }
}

/** One Data operation until its answer. */
class Pending implements ReplySink {
  readonly #target: ChannelTarget;
  readonly #delivery: OutboundDelivery;
  readonly #sink: DeliverySink;
  readonly #user: AnswerListener | undefined;

  constructor(target: ChannelTarget, delivery: OutboundDelivery, sink: DeliverySink, user: AnswerListener | undefined) {
    this.#target = target;
    this.#delivery = delivery;
    this.#sink = sink;
    this.#user = user;
  }

  isFor(isTheirs: (recipient: Address) => boolean): boolean {
    return this.#delivery.data.recipients.some(({ identity }) => {
      const name = addressOf(identity);
      return name !== undefined && isTheirs(name);
    });
  }

  move(to: Successor): void {
    to.send(this.#delivery, this.#sink, this.#user);
  }

  replied(kind: 'RPY' | 'ERR', payload: Buffer): void {
    settle(this.#sink, this.#user, this.#target.verdict(kind, payload));
  }

  failed(reason: Unanswered): void {
    settle(this.#sink, this.#user, this.#target.unanswered(reason));
  }
}

function settle(sink: DeliverySink, user: AnswerListener | undefined, reply: Reply | undefined): void {
  if (user !== undefined) user.answered(reply === undefined);
  if (reply === undefined) sink.delivered();
  else sink.failed(reply);
}
