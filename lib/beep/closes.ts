/**
 * Close exchanges: closing channels and releasing the session (RFC 3080 §2.3.1.3, §2.4), requested by either side.
 * Decides when a `close` and when an `ok` may be sent; knows nothing of how channels are created.
 */
import { LocalError, type Reply } from '../errors.js';
import { ASKED, type Channel, DEFERRED, OPEN } from './channel.js';
import type { ChannelZero } from './channel-zero.js';
import { RPY } from './frame.js';
import { type CloseRequest, OK, writeClose } from './management.js';
import { RELEASES } from './outgoing.js';

/** A peer's `close` that is not answered yet. */
interface Requested {
  readonly msgno: number;
  accepted: boolean;
}

export class Closes {
  readonly #channel0: ChannelZero;
  /** Channels by the number of our MSG on channel 0. */
  #asked: Map<number, number> | undefined;
  /** Our own closes that wait for acknowledgements, by channel. */
  #deferred: Map<number, string> | undefined;
  /** The peer's closes, by channel. */
  #requested: Map<number, Requested> | undefined;

  constructor(channel0: ChannelZero) {
    this.#channel0 = channel0;
  }

  /** The session is being released, or the peer asks for that. */
  get releasing(): boolean {
    return this.#channel0.state !== 'ready' || this.#requested?.has(0) === true;
  }

  // ---- requested by us
  // -------------------------------------------------------------------------------------------------

  close(number: number, code: number, text: string): void {
    const channel0 = this.#channel0;
    channel0.ready();
    const channel = channel0.channels.existing(number);
    if (this.#requested?.has(number)) {
      // Both sides close: the peer's close is enough.
      this.accept(number);
      return;
    }
    if (channel.closing !== OPEN) {
      throw new LocalError('BEEP_STATE', `channel ${number} is already being closed`);
    }
    this.#deferred ??= new Map();
    this.#deferred.set(number, writeClose(number, code, text, channel0.peer));
    channel.closing = DEFERRED;
    if (number === 0) {
      channel0.state = 'releasing';
    }
    this.acknowledged(channel);
  }

  /** A MSG of ours was acknowledged, or a channel opened: a `close` that waited may be sent. */
  acknowledged(channel: Channel): void {
    if (this.#deferred === undefined || this.#deferred.size === 0) {
      return;
    }
    if (channel.number !== 0 && acknowledged(channel)) {
      this.#ask(channel);
    }
    if (this.#deferred.has(0) && this.#allAcknowledged()) {
      this.#ask(this.#channel0.channels.zero);
    }
  }

  #allAcknowledged(): boolean {
    for (const channel of this.#channel0.channels.all()) {
      if (!acknowledged(channel)) {
        return false;
      }
    }
    return true;
  }

  #ask(channel: Channel): void {
    const document = this.#deferred?.get(channel.number);
    if (document === undefined) {
      return;
    }
    this.#deferred?.delete(channel.number);
    channel.closing = ASKED;
    this.#asked ??= new Map();
    this.#asked.set(this.#channel0.ask(document), channel.number);
  }

  /** Whether this MSG on channel 0 was a `close` of ours. */
  asked(msgno: number): boolean {
    return this.#asked?.has(msgno) === true;
  }

  /** The peer answered `ok`. */
  closed(msgno: number): void {
    const { channels, events } = this.#channel0;
    const number = this.#take(msgno);
    if (number === 0) {
      this.#channel0.end();
      events.push({ type: 'released' });
      return;
    }
    const channel = channels.get(number);
    if (channel === undefined) {
      channels.release(number);
      return;
    }
    channel.closing = OPEN;
    this.#remove(channel);
  }

  /** The peer answered with an error: the channel, or the session, continues. */
  refused(msgno: number, reply: Reply): void {
    const { channels, events } = this.#channel0;
    const number = this.#take(msgno);
    const channel = channels.get(number);
    if (channel === undefined) {
      channels.release(number);
      return;
    }
    channel.closing = OPEN;
    if (number === 0 && !this.accepted(0)) {
      this.#channel0.state = 'ready';
    }
    events.push({ type: 'close-refused', channel: number, reply });
  }

  #take(msgno: number): number {
    const number = this.#asked?.get(msgno) ?? 0;
    this.#asked?.delete(msgno);
    if (this.#asked?.size === 0) {
      this.#asked = undefined;
    }
    return number;
  }

  // ---- requested by the peer
  // -------------------------------------------------------------------------------------------

  requested(msgno: number, { number, code, text }: CloseRequest): void {
    const { channels, events } = this.#channel0;
    const channel = channels.get(number);
    if (channel === undefined || this.#requested?.has(number)) {
      const what = channel === undefined ? 'does not exist' : 'is already being closed';
      this.#channel0.error(msgno, { code: 550, text: `channel ${number} ${what}` });
      return;
    }
    this.#requested ??= new Map();
    this.#requested.set(number, { msgno, accepted: false });
    if (channel.closing === OPEN) {
      events.push({ type: 'close', channel: number, code, text });
      return;
    }
    // Crossing closes: both sides answer ok as soon as they can. A close of ours that is not sent yet is not needed.
    if (channel.closing === DEFERRED) {
      this.#deferred?.delete(number);
      channel.closing = OPEN;
    }
    this.accept(number);
  }

  accept(number: number): void {
    const { channels } = this.#channel0;
    this.#awaited(number).accepted = true;
    // RFC 3080 §2.3.1.3 (a): what is queued is still sent, nothing is added
    channels.existing(number).ending = true;
    if (number === 0) {
      this.#channel0.state = 'releasing';
      for (const channel of channels.all()) {
        channel.ending = true;
      }
    }
    this.settle();
  }

  refuse(number: number, reply: Reply): void {
    const { msgno } = this.#awaited(number);
    this.#settled(number);
    this.#channel0.error(msgno, reply);
  }

  accepted(number: number): boolean {
    return this.#requested?.get(number)?.accepted === true;
  }

  #settled(number: number): void {
    this.#requested?.delete(number);
    if (this.#requested?.size === 0) {
      this.#requested = undefined;
    }
  }

  #awaited(number: number): Requested {
    const requested = this.#requested?.get(number);
    if (this.#channel0.state === 'closed' || requested === undefined || requested.accepted) {
      throw new LocalError('BEEP_STATE', `no close of channel ${number} is awaiting an answer`);
    }
    return requested;
  }

  /** Sends every `ok` whose conditions are now met (RFC 3080 §2.3.1.3 (a) to (c)). */
  settle(): void {
    for (const [number, { msgno, accepted }] of this.#requested ?? []) {
      const channel = this.#channel0.channels.get(number);
      if (!accepted || channel === undefined) {
        continue;
      }
      if (number === 0 && this.#allIdle()) {
        this.#settled(0);
        this.#channel0.reply(RPY, msgno, OK).effect = RELEASES;
      } else if (number !== 0 && channel.idle && !channel.unannounced) {
        this.#settled(number);
        this.#channel0.reply(RPY, msgno, OK);
        this.#remove(channel);
      }
    }
  }

  /** Every channel is idle; on channel 0 only the release itself is unanswered, and ours may be outstanding. */
  #allIdle(): boolean {
    const { channels } = this.#channel0;
    const { zero } = channels;
    for (const channel of channels.all()) {
      if (channel !== zero && !channel.idle) {
        return false;
      }
    }
    return zero.owing === 1 && zero.expecting === (zero.closing === ASKED ? 1 : 0);
  }

  /** The channel ceases to exist. */
  #remove(channel: Channel): void {
    const { channels, events, outbox } = this.#channel0;
    const { number } = channel;
    channels.remove(channel);
    outbox.remove(channel);
    if (channel.closing === ASKED) {
      // Crossing closes: the number stays in use until our own close is answered, too.
      channels.reserve(number, false);
    }
    this.#deferred?.delete(number);
    const requested = this.#requested?.get(number);
    this.#settled(number);
    events.push({ type: 'closed', channel: number });
    // The peer's close crossed ours and it has answered ok: it waits for our ok.
    if (requested !== undefined) {
      this.#channel0.reply(RPY, requested.msgno, OK);
    }
    this.settle();
  }
}

/** Part of the reply to each of our MSGs has been received (RFC 3080 §2.3.1.3), and the peer knows of the channel. */
function acknowledged(channel: Channel): boolean {
  return channel.unacknowledged === 0 && !channel.unannounced;
}
