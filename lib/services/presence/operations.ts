/** Subscriptions and watches from their beginning to their end: in memory, in the store, and on the timer wheel. */
import { accountOf, addressOf } from '../../imxp/address.js';
import type { Form } from '../../imxp/vocabulary/form.js';
import type { Subscribe } from '../../imxp/vocabulary/presence.js';
import type { Clock } from '../../ops/clock.js';
import { events } from '../../ops/events.js';
import type { AccessPolicy } from '../../relay/target.js';
import { PartyShares } from '../party-shares.js';
import { Refusal } from '../refusal.js';
import { Counts } from './counts.js';
import { Entries } from './entries.js';
import { FanOut, type FanOutOwner } from './fan-out.js';
import type { OperationSender } from './operation-sender.js';
import { ActiveOperation, OperationTable, type Presentity } from './operation-table.js';
import type { Records, StoredOperation } from './records.js';
import { TimerWheel } from './timer-wheel.js';
import type { Shown, Views } from './views.js';

export interface OperationLimits {
  /** Subscriptions and watches in progress. */
  readonly operations: number;
  /** Those of one endpoint, subaddresses included; in no case more than are still free. */
  readonly operationsPerEndpoint: number;
  /** Octets of the proofs of all subscriptions; one subscriber may have as many as are free. */
  readonly proofTotalOctets: number;
}

/** transID of an operation that asks once and is never in progress. */
const NO_RECORD = -1;
/** Operations looked at in one turn of the event loop. */
const PORTION = 500;
/** Of an operation written by a version that did not say for how long it was asked for: 2³¹ - 1 seconds. */
const LONGEST_MS = 2_147_483_647_000;

export class Operations implements FanOutOwner {
  readonly registry = new OperationTable();
  readonly counts = new Counts();
  readonly fanOut: FanOut;
  readonly entries: Entries;
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #limits: OperationLimits;
  readonly #wheel: TimerWheel<ActiveOperation>;
  /** Operations, and octets of their proofs, by account. */
  readonly #shares: PartyShares;
  readonly #proofs: PartyShares;
  #due: ActiveOperation[] = [];
  /** Subjects whose permissions may have changed. */
  readonly #unchecked = new Set<Presentity>();
  #checking = false;
  #attending = false;
  #stopped = false;

  constructor(
    records: Records,
    sender: OperationSender,
    access: AccessPolicy,
    views: Views,
    clock: Clock,
    limits: OperationLimits,
  ) {
    this.fanOut = new FanOut(this.registry, sender, access, clock, this, this.counts, views);
    this.entries = new Entries(records, this.registry, this.fanOut, clock, this.counts, views);
    this.#records = records;
    this.#clock = clock;
    this.#limits = limits;
    this.#wheel = new TimerWheel(clock.now());
    this.#shares = new PartyShares({ all: limits.operations, perParty: limits.operationsPerEndpoint });
    this.#proofs = new PartyShares({ all: limits.proofTotalOctets, perParty: limits.proofTotalOctets });
  }

  /**
   * Resumes the operations that were in progress when the node ended.
   *
   * @throws LocalError STORE_FAILED
   */
  async load(): Promise<void> {
    for await (const stored of this.#records.operations()) await this.#takeUp(stored);
  }

  async #takeUp({ subject: key, ...stored }: StoredOperation): Promise<void> {
    const subject = this.registry.pin(key, addressOf(key)?.domain ?? '');
    // However the clock was set in the meantime, it does not last longer than was asked for.
    const left = Math.min(
      stored.expires - this.#clock.wall(),
      stored.duration === 0 ? LONGEST_MS : stored.duration * 1000,
    );
    const running = new ActiveOperation({ ...stored, expires: this.#clock.now() + left, subject });
    const earlier = subject.of(stored.kind).get(stored.originator);
    // The process was killed between writing one and deleting the one before: the later one stands.
    if (earlier !== undefined && earlier.version > stored.version) {
      await this.#records.deleteOperation(running);
    } else {
      if (earlier !== undefined) await this.end(earlier);
      running.stale = stored.kind === 'subscribe';
      // D-PRES-10: one fresh publish, since it may have missed changes
      if (running.stale) running.due = Math.min(this.#clock.now(), running.expires);
      const account = accountOf(running.originator);
      this.#shares.add(account);
      this.#proofs.add(account, sizeOf(running.proof));
      this.registry.add(running);
      this.#wheel.add(running);
    }
    this.registry.unpin(subject);
  }

  /**
   * Starts an operation of an originator that has no other to the subject; it is in the store then.
   *
   * @param proof by which a subscriber proves who they are
   * @throws Refusal 450, 554 for the limits; LocalError STORE_FAILED
   */
  async begin(
    originator: string,
    subject: Presentity,
    { type, transID, duration }: Subscribe,
    form: Form,
    proof?: string,
  ): Promise<ActiveOperation> {
    const [account, octets] = [accountOf(originator), sizeOf(proof)];
    if (!this.#shares.take(account)) throw this.#tooMany(account);
    if (octets > 0 && !this.#proofs.take(account, octets)) {
      this.#shares.release(account);
      throw new Refusal(450, 'too many signed subscriptions of yours here; end some, or subscribe without signing');
    }
    const expires = this.#clock.wall() + duration * 1000;
    const record = { kind: type, subject: subject.key, originator, transID, duration, expires, form, proof };
    let version: number;
    try {
      version = await this.#records.putOperation(record);
    } catch (error) {
      this.#shares.release(account);
      this.#proofs.release(account, octets);
      throw error;
    }
    const running = new ActiveOperation({
      ...record,
      expires: this.#clock.now() + duration * 1000,
      subject,
      version,
    });
    this.registry.add(running);
    this.#wheel.add(running);
    return running;
  }

  #tooMany(account: string): Refusal {
    const { operationsPerEndpoint: most } = this.#limits;
    return this.#shares.count(account) < most
      ? new Refusal(450, 'too many subscriptions and watches here')
      : new Refusal(554, `an endpoint may have ${most} subscriptions and watches, those of its subaddresses included`);
  }

  /** Returns an operation that only asks, and is never in progress. */
  once(originator: string, subject: Presentity, { type, transID, duration }: Subscribe, form: Form): ActiveOperation {
    const expires = Number.POSITIVE_INFINITY;
    return new ActiveOperation({
      kind: type,
      subject,
      originator,
      transID,
      duration,
      expires,
      form,
      version: NO_RECORD,
      proof: undefined,
    });
  }

  /** Ends an operation silently; it is gone from the store then. */
  async end(running: ActiveOperation): Promise<void> {
    this.#forget(running);
    await this.#records.deleteOperation(running);
  }

  /**
   * Removes everything of a removed account: ends its operations silently, ends the operations about it and tells their
   * originators, and deletes its presence.
   *
   * @param removal version that the store gave to the removal: what has a later one belongs to another account of that name
   */
  async forget(account: string, removal: number): Promise<void> {
    for (const stored of await this.#records.operationsOf(account)) {
      if (stored.version > removal) continue;
      const running = this.registry.find(stored.originator, stored.transID);
      if (running !== undefined && this.#forget(running)) this.fanOut.ended(running);
      await this.#records.deleteOperation(stored);
    }
    for (const key of new Set([account, ...(await this.#records.deleteEntries(account, removal))])) {
      const subject = this.registry.subject(key);
      if (subject === undefined) continue;
      for (const running of [...subject.subscriptions.values(), ...subject.watches.values()]) {
        if (running.version <= removal) this.over(running, true);
      }
    }
  }

  /** The originator is reachable: sends now what its operations missed. */
  returned(originator: string): void {
    for (const running of this.registry.all(originator)) {
      if (!running.stale || !this.#wheel.remove(running)) continue;
      running.misses = 0;
      running.due = this.#clock.now();
      this.#wheel.add(running);
    }
  }

  /**
   * Ends operations that are not permitted any more, which those who asked for them are told, and sends subscribers what they
   * are shown now, when that is something else (RFC 2779 §5.1.9, §5.1.16).
   *
   * @param owner whose permissions may have changed (normalised address); everybody's unless given
   */
  recheck(owner?: string): void {
    for (const subject of this.registry.subjectsOf(owner)) this.#unchecked.add(subject);
    if (!this.#checking) void this.#check();
  }

  /** A few at a time: there may be very many. */
  async #check(): Promise<void> {
    this.#checking = true;
    let seen = 0;
    for (const subject of this.#unchecked) {
      this.#unchecked.delete(subject);
      for (const running of [...subject.subscriptions.values(), ...subject.watches.values()]) {
        seen += 1;
        if (seen % PORTION === 0) await new Promise((resolve) => setImmediate(resolve));
        if (this.#stopped) return;
        if (running.live) await this.#checkOne(running);
      }
    }
    this.#checking = false;
  }

  async #checkOne(running: ActiveOperation): Promise<void> {
    try {
      const permitted = this.fanOut.permitted(running);
      if (permitted !== true && (permitted === false || !(await permitted))) return;
      if (!this.fanOut.seesOther(running)) return;
      await this.fanOut.room(undefined);
      const shown = await this.shown(running);
      if (running.live) this.fanOut.publish(running, shown);
    } catch (error) {
      this.fault(error);
    }
  }

  /** Does what is due. */
  tick(): void {
    const due = this.#wheel.take(this.#clock.now());
    if (due.length === 0) return;
    this.#due = this.#due.length === 0 ? due : this.#due.concat(due);
    if (!this.#attending) void this.#attend();
  }

  stop(): void {
    this.#stopped = true;
    this.fanOut.stop();
  }

  // ---- FanOutOwner

  missed(running: ActiveOperation, again: number): void {
    if (running.kind !== 'subscribe' || !this.#wheel.remove(running)) return;
    running.due = Math.min(again, running.expires);
    this.#wheel.add(running);
  }

  shown({ subject, originator }: ActiveOperation): Promise<Shown> {
    return this.entries.shown(subject, originator);
  }

  over(running: ActiveOperation, tell: boolean): void {
    if (running.version === NO_RECORD) {
      running.live = false;
      return;
    }
    if (!this.#forget(running)) return;
    this.fanOut.ended(running);
    // The record is deleted when the application has been told, or will not be: after a crash in between it is told
    // again.
    const settled = (): void => {
      if (this.#stopped) return;
      this.#records.deleteOperation(running).catch((error: unknown) => this.fault(error));
    };
    if (tell) this.fanOut.terminate(running, { settled });
    else settled();
  }

  fault(error: unknown): void {
    events.fault.publish({ session: 'imxp=presence', error });
  }

  // ----

  /** Ends operations one after the other, because after a restart there may be very many. */
  async #attend(): Promise<void> {
    this.#attending = true;
    while (this.#due.length > 0 && !this.#stopped) {
      const due = this.#due;
      this.#due = [];
      for (const running of due) {
        await this.fanOut.room(undefined);
        if (this.#stopped) break;
        if (!running.live) continue;
        if (this.#clock.now() >= running.expires) this.over(running, true);
        else await this.#refresh(running);
      }
    }
    this.#attending = false;
  }

  /** Sends a subscriber the entry again if an earlier publish was missed. */
  async #refresh(running: ActiveOperation): Promise<void> {
    running.due = running.expires;
    this.#wheel.add(running);
    running.postponed = false;
    if (!running.stale) return;
    if (!this.fanOut.admits(running)) {
      this.fanOut.postpone(running);
      return;
    }
    try {
      const shown = await this.shown(running);
      if (!running.live || !(await this.fanOut.permitted(running))) return;
      if (running.live) this.fanOut.publish(running, shown);
    } catch (error) {
      // The account no longer exists: there will be no further publication.
      if (error instanceof Refusal) this.over(running, true);
      else this.fault(error);
    }
  }

  #forget(running: ActiveOperation): boolean {
    this.#wheel.remove(running);
    if (!this.registry.remove(running)) return false;
    const account = accountOf(running.originator);
    this.#shares.release(account);
    this.#proofs.release(account, sizeOf(running.proof));
    return true;
  }
}

function sizeOf(proof: string | undefined): number {
  return proof?.length ?? 0;
}
