/**
 * Table of running subscriptions and watches, in memory: by subject and by originator. Compact, because there may be
 * hundreds of thousands.
 */
import type { Form } from '../../imxp/vocabulary/form.js';
import type { Presence } from '../../imxp/vocabulary/presence.js';
import type { TimerWheelItem } from './timer-wheel.js';

export type ActiveOperationKind = 'subscribe' | 'watch';

/** What an operation is started with. */
export type ActiveOperationInit = Pick<
  ActiveOperation,
  'kind' | 'subject' | 'originator' | 'transID' | 'duration' | 'expires' | 'form' | 'version' | 'proof'
>;

/** A subscription or watch in progress. */
export class ActiveOperation implements TimerWheelItem<ActiveOperation> {
  readonly kind: ActiveOperationKind;
  readonly subject: Presentity;
  /** Normalized address of the originator. */
  readonly originator: string;
  readonly transID: number;
  /** The seconds that were asked for. */
  readonly duration: number;
  /** When it ends, milliseconds on the monotonic clock. */
  readonly expires: number;
  /** In which form it was asked for; all that is sent because of it has that form. */
  readonly form: Form;
  /** Version of its record in the store. */
  readonly version: number;
  /** By which its originator proves who they are, for the watchers; undefined for a watch. */
  readonly proof: string | undefined;
  /** Version of the entry sent last. */
  sent = 0;
  /** Whether that was the subject's own entry, or the view of it. */
  view: string | undefined = undefined;
  /** The last publish did not arrive, as far as is known: a fresh one is owed. */
  stale = false;
  /** Waits until its originator has answered some of what it was sent. */
  postponed = false;
  /** Failures in a row that may pass (4xx). */
  misses = 0;
  /** Permanent failures in a row (550, 537). */
  refusals = 0;
  live = true;
  due: number;
  before: ActiveOperation | undefined = undefined;
  after: ActiveOperation | undefined = undefined;
  slot = -1;

  constructor(made: ActiveOperationInit) {
    this.kind = made.kind;
    this.subject = made.subject;
    this.originator = made.originator;
    this.transID = made.transID;
    this.duration = made.duration;
    this.expires = made.expires;
    this.form = made.form;
    this.version = made.version;
    this.proof = made.proof;
    this.due = made.expires;
  }
}

/** An endpoint with subscriptions to its presence. */
export class Presentity {
  /** Normalized address. */
  readonly key: string;
  readonly domain: string;
  /** The entry as of `version`, once it was needed. */
  entry: Presence | undefined;
  version = 0;
  /** By originator, in the order of their start. */
  readonly subscriptions = new Map<string, ActiveOperation>();
  #watches: Map<string, ActiveOperation> | undefined;
  /**
   * Number of users that keep it in memory besides the operations above: sending in progress, and requests in progress.
   */
  pins = 0;

  constructor(key: string, domain: string) {
    this.key = key;
    this.domain = domain;
  }

  get watches(): Map<string, ActiveOperation> {
    this.#watches ??= new Map();
    return this.#watches;
  }

  get watched(): boolean {
    return this.#watches !== undefined && this.#watches.size > 0;
  }

  /** Whether any watcher asked in that form. */
  watchedIn(form: Form): boolean {
    for (const watch of this.#watches?.values() ?? []) if (watch.form === form) return true;
    return false;
  }

  get idle(): boolean {
    return this.pins === 0 && this.subscriptions.size === 0 && !this.watched;
  }

  of(kind: ActiveOperationKind): Map<string, ActiveOperation> {
    return kind === 'subscribe' ? this.subscriptions : this.watches;
  }

  /** Takes an entry unless there is a newer one. */
  learn(entry: Presence, version: number): void {
    if (this.entry !== undefined && version <= this.version) return;
    this.entry = entry;
    this.version = version;
  }
}

export class OperationTable {
  readonly #subjects = new Map<string, Presentity>();
  /** Most originators have asked for one thing only; then there is no map. */
  readonly #byOriginator = new Map<string, ActiveOperation | Map<number, ActiveOperation>>();
  #size = 0;
  #watches = 0;

  /** Number of operations in progress. */
  get size(): number {
    return this.#size;
  }

  /** Number of watches among them. */
  get watches(): number {
    return this.#watches;
  }

  subject(key: string): Presentity | undefined {
    return this.#subjects.get(key);
  }

  /** Returns the subject, pinned: it stays until it is unpinned. */
  pin(key: string, domain: string): Presentity {
    let subject = this.#subjects.get(key);
    if (subject === undefined) {
      subject = new Presentity(key, domain);
      this.#subjects.set(key, subject);
    }
    subject.pins += 1;
    return subject;
  }

  unpin(subject: Presentity): void {
    subject.pins -= 1;
    this.#forget(subject);
  }

  /** Returns an operation of an originator in progress. */
  find(originator: string, transID: number): ActiveOperation | undefined {
    const found = this.#byOriginator.get(originator);
    if (found instanceof Map) return found.get(transID);
    return found?.transID === transID ? found : undefined;
  }

  /** The subjects that a list of entries of this owner (normalised address) may be about; all without an owner. */
  subjectsOf(owner: string | undefined): Presentity[] {
    const all = [...this.#subjects.values()];
    if (owner === undefined) return all;
    const at = owner.lastIndexOf('@');
    const [below, domain] = [`${owner.slice(0, at)}/`, owner.slice(at)];
    return all.filter(({ key }) => key === owner || (key.startsWith(below) && key.endsWith(domain)));
  }

  /** All operations an originator has in progress. */
  all(originator: string): ActiveOperation[] {
    const found = this.#byOriginator.get(originator);
    return found instanceof Map ? [...found.values()] : found === undefined ? [] : [found];
  }

  /** Adds an operation; the originator must have no other to that subject, nor with that transID. */
  add(running: ActiveOperation): void {
    const { subject, originator, kind, transID } = running;
    subject.of(kind).set(originator, running);
    const found = this.#byOriginator.get(originator);
    if (found === undefined) this.#byOriginator.set(originator, running);
    else if (found instanceof Map) found.set(transID, running);
    else {
      this.#byOriginator.set(
        originator,
        new Map([
          [found.transID, found],
          [transID, running],
        ]),
      );
    }
    this.#size += 1;
    if (kind === 'watch') this.#watches += 1;
  }

  /** @returns false if it was not in progress any more */
  remove(running: ActiveOperation): boolean {
    if (!running.live) return false;
    running.live = false;
    const { subject, originator, kind, transID } = running;
    subject.of(kind).delete(originator);
    const found = this.#byOriginator.get(originator);
    if (!(found instanceof Map)) this.#byOriginator.delete(originator);
    else if (found.delete(transID) && found.size === 0) this.#byOriginator.delete(originator);
    this.#size -= 1;
    if (kind === 'watch') this.#watches -= 1;
    this.#forget(subject);
    return true;
  }

  #forget(subject: Presentity): void {
    if (subject.idle) this.#subjects.delete(subject.key);
  }
}
