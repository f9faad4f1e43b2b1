/**
 * Expiry of offline messages with time limits (RFC 3342 §2): looks at each when it is due, whether or not an
 * application attaches, sets the alarms and reports to the originators.
 */

import type { Reply } from '../../errors.js';
import type { Data } from '../../imxp/operation.js';
import { contiguous } from '../../mime/payload.js';
import type { Clock } from '../../ops/clock.js';
import { REPLIES } from '../answer.js';
import { reportOn, type TimedView } from '../data-timing.js';
import { fault } from '../events.js';
import type { OptionRegistry } from '../options.js';
import { dueOf, type OfflineMessage, timingsOf, withoutReportAfter } from './message.js';
import type { Spool } from './spool.js';

/** The queue of the messages. */
export interface OfflineExpiryOwner {
  /**
   * Reads a message that waits; it leaves the queue by no other way meanwhile.
   *
   * @param use called with its data, at once where the store can; never for one that cannot be read, which is dropped
   */
  read(message: OfflineMessage, use: (data: Data) => void): void;
  /** It will not be delivered. */
  drop(message: OfflineMessage, data: Data, reply: Reply): void;
  /** Something may have changed. */
  looked(): void;
}

/** What the expiry needs of the relay. */
export interface OfflineExpiryContext {
  readonly spool: Spool;
  readonly time: Clock;
  readonly view: TimedView;
  readonly understood: OptionRegistry;
  /** Profile of the dialect in which Data operations without an original payload are stored. */
  readonly profile: string;
}

export class OfflineExpiry {
  readonly #relay: OfflineExpiryContext;
  readonly #owner: OfflineExpiryOwner;

  constructor(relay: OfflineExpiryContext, owner: OfflineExpiryOwner) {
    this.#relay = relay;
    this.#owner = owner;
  }

  /** A message was stored, or returned by an application: it waits, and is looked at when it is due. */
  watch(message: OfflineMessage): void {
    message.state = 'waiting';
    message.off?.();
    const { entry } = message;
    message.off = entry.due > 0 ? this.#relay.time.after(this.#left(message), () => this.#due(message)) : undefined;
  }

  /** Until it is due, by the monotonic clock, so that setting the wall clock changes nothing. */
  #left({ entry: { at, due }, since }: OfflineMessage): number {
    return due - at - (this.#relay.time.now() - since);
  }

  #due(message: OfflineMessage): void {
    if (message.state !== 'waiting') return;
    // An alarm may ring a moment too early.
    if (this.#left(message) > 0) {
      this.watch(message);
      return;
    }
    this.#owner.read(message, (data) => {
      this.#look(message, data);
      this.#owner.looked();
    });
    this.#owner.looked();
  }

  #look(message: OfflineMessage, data: Data): void {
    const { time, understood, view } = this.#relay;
    const asked = timingsOf(data, understood);
    const waited = time.now() - message.since;
    if (asked.some(({ content: { noLaterThan } }) => noLaterThan > 0 && noLaterThan <= waited)) {
      this.#owner.drop(message, data, REPLIES.expired);
      for (const { option, content } of asked) {
        if (content.reportErrors) reportOn(data, option, REPLIES.expired, view);
      }
      return;
    }
    const late = asked.filter(({ content: { reportAfter } }) => reportAfter > 0 && reportAfter <= waited);
    for (const { option } of late) reportOn(data, option, REPLIES.delayed, view);
    this.#postpone(message, withoutReportAfter(data, late));
  }

  /** Stores that the originator has been told. */
  #postpone(message: OfflineMessage, data: Data): void {
    const { spool, understood, view, profile: own } = this.#relay;
    const { entry } = message;
    const profile = data.source?.profile ?? own;
    message.entry = { ...entry, due: dueOf(timingsOf(data, understood), entry.at) };
    message.state = 'writing';
    spool.replace(entry, message.entry, { profile, payload: contiguous(view.encode(data, profile)) }, (error) => {
      if (message.state === 'writing') {
        if (error === undefined) this.watch(message);
        else {
          // The stored entry is unchanged, and is looked at when it is delivered.
          fault('offline', error);
          message.entry = entry;
          message.state = 'waiting';
        }
      }
      this.#owner.looked();
    });
  }
}
