/**
 * Held Data with time limits (RFC 3342 §2): looked at when they are due, whether or not anybody attaches. Owns the alarms and
 * who is told; refuses to know queues.
 */
import type { Reply } from '../../errors.js';
import type { Data } from '../../imxp/operation.js';
import { REPLIES } from '../answer.js';
import { fault } from '../events.js';
import { reportOn } from '../timed.js';
import { dueOf, type Held, joined, timingsOf, withoutReportAfter } from './held.js';
import type { HoldKeeper } from './holds.js';

/** The queue as its times see it. */
export interface TimesOwner {
  /** @returns undefined for what cannot be read and is forgotten */
  read(held: Held): Data | undefined;
  /** It will not be delivered. */
  conclude(held: Held, data: Data, reply: Reply): void;
  /** Something may have changed. */
  looked(): void;
}

export class HoldTimes {
  readonly #keeper: HoldKeeper;
  readonly #owner: TimesOwner;

  constructor(keeper: HoldKeeper, owner: TimesOwner) {
    this.#keeper = keeper;
    this.#owner = owner;
  }

  /** A Data is written, or back from an application: it waits, and is looked at when it is due. */
  watch(held: Held): void {
    held.state = 'waiting';
    const { due } = held.entry;
    const { time } = this.#keeper;
    held.off?.();
    held.off = due > 0 ? time.after(due - time.wall(), () => this.#due(held)) : undefined;
  }

  #due(held: Held): void {
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

  #look(held: Held, data: Data): void {
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
  #postpone(held: Held, data: Data): void {
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
