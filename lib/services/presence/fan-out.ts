/**
 * Fan-out of presence (presence-01 §4.4 to §4.6): sends changed presence to subscribers, new subscribers to watchers,
 * and the end of operations to both, each in the form of the request. Each subject has one queue, so that everybody
 * hears of changes in order; many receivers are served in batches with a bounded number outstanding.
 */
import type { Reply } from '../../errors.js';
import type { Option } from '../../imxp/operation.js';
import { isTransientCode } from '../../imxp/reply-code.js';
import { proofOption } from '../../imxp/subscriber-proof.js';
import {
  type NotifyAction,
  type Presence,
  type PublishAround,
  publishAround,
  writePresenceOperation,
} from '../../imxp/vocabulary/presence.js';
import type { Clock } from '../../ops/clock.js';
import type { AccessPolicy } from '../../relay/target.js';
import type { Counts } from './counts.js';
import type { OperationSender, SendListener } from './operation-sender.js';
import type { ActiveOperation, OperationTable, Presentity } from './operation-table.js';
import type { Shown, Views } from './views.js';

/** Keeps the operations. */
export interface FanOutOwner {
  /** The last publish to a subscriber did not arrive; `again` is the time for another attempt. */
  missed(running: ActiveOperation, again: number): void;
  /** Returns what a subscriber is to see now. */
  shown(running: ActiveOperation): Promise<Shown>;
  /** The operation has ended; `tell` says whether the application is to be told. */
  over(running: ActiveOperation, tell: boolean): void;
  fault(error: unknown): void;
}

/** Delays of attempts after so many failures in a row; after the last one the next change is awaited. */
const AGAIN_MS = [2000, 8000, 30_000];
/** Missing answers in a row after which a watcher is no longer told of earlier subscribers. */
const MISSES = 3;
/** Permanent refusals in a row that end an operation. */
const REFUSALS = 5;

/** What watchers are told of a subscription. */
interface Happened {
  readonly subscriber: string;
  readonly duration: number;
  readonly action: NotifyAction;
  readonly proof: string | undefined;
}

/** Something to send to many. */
type Job =
  | { readonly type: 'changed'; readonly shown: Shown; readonly document: Changed }
  /** A subscription began or ended: the watchers are told. */
  | ({ readonly type: 'happened' } & Happened)
  /** A watch began: its originator is told of all subscribers. */
  | { readonly type: 'watching'; readonly watch: ActiveOperation };

/** A publish to many, written once in each form that is needed. */
class Changed {
  readonly #entry: Presence;
  readonly #timeStamp: number;
  #imxp: PublishAround | undefined = undefined;
  #apex: PublishAround | undefined = undefined;

  constructor(entry: Presence, timeStamp: number) {
    this.#entry = entry;
    this.#timeStamp = timeStamp;
  }

  for({ form, transID }: ActiveOperation): string {
    const { head, tail } = form === 'apex' ? this.#inApex() : this.#inImxp();
    return `${head}${transID}${tail}`;
  }

  #inImxp(): PublishAround {
    this.#imxp ??= publishAround(this.#entry, this.#timeStamp, 'imxp');
    return this.#imxp;
  }

  #inApex(): PublishAround {
    this.#apex ??= publishAround(this.#entry, this.#timeStamp, 'apex');
    return this.#apex;
  }
}

/** Jobs of one subject that may wait; further callers wait themselves. */
const QUEUED = 16;

interface Queue {
  readonly jobs: Job[];
  waiting: (() => void)[];
}

export class FanOut {
  readonly #registry: OperationTable;
  readonly #sender: OperationSender;
  readonly #access: AccessPolicy;
  readonly #clock: Clock;
  readonly #owner: FanOutOwner;
  readonly #counts: Counts;
  readonly #views: Views;
  readonly #queues = new Map<Presentity, Queue>();
  #stopped = false;

  constructor(
    registry: OperationTable,
    sender: OperationSender,
    access: AccessPolicy,
    clock: Clock,
    owner: FanOutOwner,
    counts: Counts,
    views: Views,
  ) {
    this.#registry = registry;
    this.#sender = sender;
    this.#access = access;
    this.#clock = clock;
    this.#owner = owner;
    this.#counts = counts;
    this.#views = views;
  }

  /** Subjects with sending in progress. */
  get busy(): number {
    return this.#queues.size;
  }

  /** Ends sending; after a restart everybody receives the present state anyway. */
  stop(): void {
    this.#stopped = true;
  }

  /** Waits until one more operation may be sent and one more job taken. */
  async room(subject: Presentity | undefined): Promise<void> {
    for (let wait = this.#sender.room(); wait !== undefined; wait = this.#sender.room()) await wait;
    for (;;) {
      const queue = subject === undefined ? undefined : this.#queues.get(subject);
      if (queue === undefined || queue.jobs.length < QUEUED) return;
      await new Promise<void>((resolve) => queue.waiting.push(resolve));
    }
  }

  /** Sends a subscriber what they are shown (presence-01 §4.2 step 6.1), unless they were sent something newer. */
  publish(running: ActiveOperation, { entry, version, view }: Shown): void {
    if (view === running.view && version < running.sent) return;
    running.sent = version;
    running.view = view;
    this.#counts.publish += 1;
    const document = new Changed(entry, this.#clock.wall()).for(running);
    this.#send(running, document, new Published(this, running, version));
  }

  /** Sends a changed entry of a subject, or of a view of it, to all who are shown it (presence-01 §4.2 step 6.3). */
  changed(subject: Presentity, shown: Shown): void {
    if (subject.subscriptions.size === 0) return;
    this.#queue(subject, { type: 'changed', shown, document: new Changed(shown.entry, this.#clock.wall()) });
  }

  /**
   * Tells the watchers of a subscription (presence-01 §4.2 step 6.2).
   *
   * @param duration the seconds that were asked for
   * @param proof by which the subscriber proves who they are
   */
  subscribed(subject: Presentity, subscriber: string, duration: number, proof: string | undefined): void {
    if (subject.watched) this.#queue(subject, { type: 'happened', subscriber, duration, action: 'subscribe', proof });
  }

  /** Tells the watchers that asked in the form of APEX; IMXP has no element for it (RFC 3343 §4.6). */
  ended({ kind, subject, originator }: ActiveOperation): void {
    if (kind === 'subscribe' && subject.watchedIn('apex')) {
      const what = { subscriber: originator, duration: 0, action: 'terminate', proof: undefined } as const;
      this.#queue(subject, { type: 'happened', ...what });
    }
  }

  /**
   * Tells one who watches about those subscribed (presence-01 §4.3 step 6.2), at the pace of its answers; nobody else waits
   * for that. Ends when several answers in a row do not come.
   *
   * @returns resolves when all was sent
   */
  async watching(watch: ActiveOperation): Promise<void> {
    const subject = this.#registry.pin(watch.subject.key, watch.subject.domain);
    try {
      await this.#tell(subject, { type: 'watching', watch });
    } catch (error) {
      this.#owner.fault(error);
    } finally {
      this.#registry.unpin(subject);
    }
  }

  /** Tells the application that an operation has ended (presence-01 §4.5). */
  terminate(running: ActiveOperation, outcome: SendListener): void {
    const { transID, form } = running;
    this.#counts.terminate += 1;
    this.#send(running, writePresenceOperation({ type: 'terminate', transID }, form), outcome);
  }

  /** Whether a subscriber is shown something else than it was sent. @throws LocalError STORE_FAILED */
  seesOther({ subject, originator, kind, view }: ActiveOperation): boolean {
    if (kind !== 'subscribe') return false;
    return (view !== undefined || this.#views.any(subject.key)) && this.#views.viewOf(subject.key, originator) !== view;
  }

  /** Whether the subject still permits an operation; one it does not permit is over (RFC 2779 §5.1.9, §5.1.16). */
  permitted(running: ActiveOperation): boolean | Promise<boolean> {
    const { subject, originator, kind } = running;
    const allowed = this.#access.allowed(subject.key, originator, `presence:${kind}`);
    if (typeof allowed === 'boolean') return this.#granted(running, allowed);
    return allowed.then(
      (granted) => this.#granted(running, granted),
      (error: unknown) => this.#unknown(running, error),
    );
  }

  #granted(running: ActiveOperation, granted: boolean): boolean {
    if (granted) return true;
    const { subject, originator, kind } = running;
    if (kind === 'subscribe' && this.#views.viewOf(subject.key, originator) !== undefined) return true;
    this.#owner.over(running, true);
    return false;
  }

  /** No subscriber is told what they may not see, or loses a subscription because of an internal error. */
  #unknown(running: ActiveOperation, error: unknown): false {
    this.#owner.fault(error);
    running.stale = true;
    return false;
  }

  /** Processes the answer to a publish. */
  published(running: ActiveOperation, version: number, reply: Reply | undefined): void {
    if (reply === undefined) {
      running.misses = 0;
      running.refusals = 0;
      if (running.sent === version && !running.postponed) running.stale = false;
      return;
    }
    if (!running.live) {
      this.#counts.failed += 1;
      return;
    }
    running.stale = true;
    this.#counted(running, reply);
  }

  /** Processes the answer to a notify. */
  notified(running: ActiveOperation, reply: Reply | undefined): void {
    if (reply === undefined) {
      running.refusals = 0;
      running.misses = 0;
      return;
    }
    if (isTransientCode(reply.code)) running.misses += 1;
    if (running.live && !isTransientCode(reply.code)) this.#counted(running, reply);
    else this.#counts.failed += 1;
  }

  #counted(running: ActiveOperation, reply: Reply): void {
    this.#counts.failed += 1;
    if (!isTransientCode(reply.code)) {
      running.refusals += 1;
      if (running.refusals >= REFUSALS) this.#owner.over(running, false);
      return;
    }
    const after = AGAIN_MS[running.misses];
    running.misses += 1;
    if (after !== undefined) this.#owner.missed(running, this.#clock.now() + after);
  }

  #send(running: ActiveOperation, document: string, outcome: SendListener, option?: Option): void {
    this.#sender.send(running.subject.domain, running.originator, document, running.form, outcome, option);
  }

  #queue(subject: Presentity, job: Job): void {
    const queue = this.#queues.get(subject);
    if (queue !== undefined) {
      queue.jobs.push(job);
      return;
    }
    const begun: Queue = { jobs: [job], waiting: [] };
    this.#queues.set(subject, begun);
    void this.#work(subject, begun);
  }

  async #work(subject: Presentity, queue: Queue): Promise<void> {
    this.#registry.pin(subject.key, subject.domain);
    for (let job = queue.jobs[0]; job !== undefined; job = queue.jobs[0]) {
      try {
        await this.#tell(subject, job);
      } catch (error) {
        this.#owner.fault(error);
      }
      queue.jobs.shift();
      for (const resolve of queue.waiting.splice(0)) resolve();
    }
    this.#queues.delete(subject);
    this.#registry.unpin(subject);
  }

  /** The maps may change in the meantime: receivers that are gone are skipped, and later ones were told already. */
  async #tell(subject: Presentity, job: Job): Promise<void> {
    const receivers = job.type === 'happened' ? subject.watches : subject.subscriptions;
    // Hardly any publisher has views; without them nothing has to be looked up.
    const viewed = job.type === 'changed' && (job.shown.view !== undefined || this.#views.any(subject.key));
    for (const receiver of receivers.values()) {
      const running = job.type === 'watching' ? job.watch : receiver;
      if (job.type === 'changed' && running.view === job.shown.view && running.sent >= job.shown.version) continue;
      if (job.type === 'happened' && job.action === 'terminate' && running.form !== 'apex') continue;
      for (let wait = this.#sender.room(); wait !== undefined; wait = this.#sender.room()) await wait;
      if (this.#stopped) return;
      if (job.type === 'watching') {
        while (running.misses < MISSES && !this.#sender.admits(running.originator)) {
          await new Promise<void>((resolve) => this.#sender.later(running.originator, resolve));
        }
        if (!running.live || running.misses >= MISSES) return;
      }
      if (!running.live || this.#clock.now() >= running.expires) continue;
      if (job.type !== 'watching' && this.#postponed(running)) continue;
      if (viewed && !(await this.#seesThat(job, running))) continue;
      const permitted = this.permitted(running);
      if (permitted !== true && (permitted === false || !(await permitted))) continue;
      if (running.live) this.#say(job, running, receiver);
    }
  }

  /** Whether a receiver has too much unanswered to be sent more; a subscriber gets the newest state when it has answered. */
  #postponed(running: ActiveOperation): boolean {
    if (this.#sender.admits(running.originator)) return false;
    if (running.kind === 'subscribe') this.postpone(running);
    else this.#counts.failed += 1;
    return true;
  }

  /** Sends a subscriber the newest state as soon as it has answered some of what it was sent. */
  postpone(running: ActiveOperation): void {
    // Once is enough: it gets the newest state.
    if (running.postponed) return;
    running.stale = true;
    running.postponed = true;
    this.#sender.later(running.originator, () => this.#owner.missed(running, this.#clock.now()));
  }

  /** Whether more may be sent to a receiver. */
  admits(running: ActiveOperation): boolean {
    return this.#sender.admits(running.originator);
  }

  /** Whether the change is one that this subscriber may see; if they see something else by now, that is sent here. */
  async #seesThat(job: Job, running: ActiveOperation): Promise<boolean> {
    if (job.type !== 'changed') return true;
    try {
      const view = this.#views.viewOf(running.subject.key, running.originator);
      if (view === job.shown.view) return true;
      if (view === running.view || !(await this.permitted(running))) return false;
      const shown = await this.#owner.shown(running);
      if (running.live) this.publish(running, shown);
      return false;
    } catch (error) {
      return this.#unknown(running, error);
    }
  }

  #say(job: Job, running: ActiveOperation, receiver: ActiveOperation): void {
    if (job.type === 'changed') {
      const { version, view } = job.shown;
      // Something newer may have been sent while permission was looked up.
      if (running.view === view && running.sent >= version) return;
      running.sent = version;
      running.view = view;
      this.#counts.publish += 1;
      this.#send(running, job.document.for(running), new Published(this, running, version));
      return;
    }
    this.#counts.notify += 1;
    const { subscriber, duration, action, proof } = job.type === 'happened' ? job : presentOf(receiver);
    const notify = { type: 'notify', subscriber, transID: running.transID, duration, action } as const;
    const option = proof === undefined ? undefined : proofOption(proof);
    this.#send(running, writePresenceOperation(notify, running.form), new Notified(this, running), option);
  }
}

/** Returns what a watcher is told of an existing subscription. */
function presentOf({ originator, duration, proof }: ActiveOperation): Happened {
  return { subscriber: originator, duration, action: 'subscribe', proof };
}

class Published implements SendListener {
  readonly #fanOut: FanOut;
  readonly #running: ActiveOperation;
  readonly #version: number;

  constructor(fanOut: FanOut, running: ActiveOperation, version: number) {
    this.#fanOut = fanOut;
    this.#running = running;
    this.#version = version;
  }

  settled(reply: Reply | undefined): void {
    this.#fanOut.published(this.#running, this.#version, reply);
  }
}

class Notified implements SendListener {
  readonly #fanOut: FanOut;
  readonly #running: ActiveOperation;

  constructor(fanOut: FanOut, running: ActiveOperation) {
    this.#fanOut = fanOut;
    this.#running = running;
  }

  settled(reply: Reply | undefined): void {
    this.#fanOut.notified(this.#running, reply);
  }
}
