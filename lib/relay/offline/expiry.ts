/**
 * Held Data with time limits (RFC 3342 §2): looked at when they are due, whether or not anybody attaches. Owns the alarms and
 * who is told; refuses to know queues.
 */
import type { Reply } from '../../errors.js';
import type { Data } from '../../imxp/operation.js';
import type { Clock } from '../../ops/clock.js';
import { REPLIES } from '../answer.js';
import { reportOn, type TimedView } from '../data-timing.js';
import { fault } from '../events.js';
import type { OptionRegistry } from '../options.js';
import { dueOf, joined, type OfflineMessage, timingsOf, withoutReportAfter } from './message.js';
import type { Spool } from './spool.js';

/** The queue as its times see it. */
export interface OfflineExpiryOwner {
  /** @returns undefined for what cannot be read and is forgotten */
  read(held: OfflineMessage): Data | undefined;
  /** It will not be delivered. */
  conclude(held: OfflineMessage, data: Data, reply: Reply): void;
  /** Something may have changed. */
  looked(): void;
}

/** What looking at held Data needs of the relay. */
export interface OfflineExpiryContext {
  readonly spool: Spool;
  readonly time: Clock;
  readonly view: TimedView;
  readonly understood: OptionRegistry;
  /** The dialect in which a Data is written down that came in none, by its profile. */
  readonly profile: string;
}

export class OfflineExpiry {
  readonly #keeper: OfflineExpiryContext;
  readonly #owner: OfflineExpiryOwner;

  constructor(keeper: OfflineExpiryContext, owner: OfflineExpiryOwner) {
    this.#keeper = keeper;
    this.#owner = owner;
  }

  /** A Data is written, or back from an application: it waits, and is looked at when it is due. */
  watch(held: OfflineMessage): void {
    held.state = 'waiting';
    const { due } = held.entry;
    const { time } = this.#keeper;
    held.off?.();
    held.off = due > 0 ? time.after(due - time.wall(), () => this.#due(held)) : undefined;
  }

  #due(held: OfflineMessage): void {
    if (held.state !== 'waiting') return;
    // An alarm may ring a moment too early.
    if (this.#keeper.time.wall() < held.entry.due) {
      this.watch(held);
      return;
    }
    const data = this.#owner.read(held);
    if (data !== undefined) this.#look(held, data);
    this.#owner.looked();
  }

  #look(held: OfflineMessage, data: Data): void {
    const { time, understood, view } = this.#keeper;
    const asked = timingsOf(data, understood);
    const waited = time.wall() - held.entry.at;
    if (asked.some(({ content: { noLaterThan } }) => noLaterThan > 0 && noLaterThan <= waited)) {
      this.#owner.conclude(held, data, REPLIES.expired);
      for (const { option, content } of asked) {
        if (content.reportErrors) reportOn(data, option, REPLIES.expired, view);
      }
      return;
    }
    const late = asked.filter(({ content: { reportAfter } }) => reportAfter > 0 && reportAfter <= waited);
    for (const { option } of late) reportOn(data, option, REPLIES.delayed, view);
    this.#postpone(held, withoutReportAfter(data, late));
  }

  /** Writes down that the originator has been told. */
  #postpone(held: OfflineMessage, data: Data): void {
    const { spool, understood, view, profile: own } = this.#keeper;
    const { entry } = held;
    const profile = data.source?.profile ?? own;
    held.entry = { ...entry, due: dueOf(timingsOf(data, understood), entry.at) };
    held.state = 'writing';
    spool.replace(entry, held.entry, { profile, payload: joined(view.encode(data, profile)) }, (error) => {
      if (held.state === 'writing') {
        if (error === undefined) this.watch(held);
        else {
          // It stays as it was, and is looked at when it is delivered.
          fault('hold', error);
          held.entry = entry;
          held.state = 'waiting';
        }
      }
      this.#owner.looked();
    });
  }
}
