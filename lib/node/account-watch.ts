/**
 * Applies the operator's decisions about accounts to a running relay, whichever process wrote them into the store:
 * keeps them in memory, ends the sessions of disabled and removed accounts, deletes what removed accounts leave behind,
 * and records who attached when.
 *
 * A store on disk says when its file is written, so that a relay without traffic leaves it alone; now and then it is
 * looked at all the same. After a change only the accounts that are disabled, limited or just removed are read.
 */
import { accountsOf } from '../imxp/identity.js';
import { identityOf } from '../mesh/identity.js';
import type { Clock } from '../ops/clock.js';
import { events } from '../ops/events.js';
import type { AccountRules } from '../relay/accounts.js';
import type { Spool } from '../relay/offline/spool.js';
import type { OwnRates } from '../relay/rates.js';
import { type AccountState, assembled, type Quota, type VersionedState } from '../store/account-state.js';
import { type Accounts, disabledText } from '../store/accounts.js';
import { AttachmentNotes } from '../store/last-attached.js';
import type { Store } from '../store/store.js';
import type { Connection } from '../transport/connection.js';

/**
 * Deletes what was kept for an account that was removed.
 *
 * @param account an endpoint without subaddress, or `imxp=mesh@domain`
 * @param removal what is newer belongs to another account of that name
 */
export type Forget = (account: string, removal: Removal) => Promise<void>;

/** When an account was removed. */
export interface Removal {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The version that the store gave to it, which no step of the clock changes. */
  readonly version: number;
}

export interface AccountWatchOptions {
  /** Access entries: those who may do other things than before are told when another process has written some. */
  readonly access: { readonly writtenByOthers: number };
  readonly permissionsChanged: () => void;
  readonly store: Store;
  /** Absent in processes of a node that have none: the one that has it looks after the room on the disk. */
  readonly spool?: Spool | undefined;
  readonly accounts: Accounts;
  readonly clock: Clock;
  /** Sessions that peers opened. */
  readonly connections: () => Iterable<Connection>[];
  /** Ends the associations of accounts. */
  readonly expel: (accounts: ReadonlySet<string>) => void;
  /** The rates of accounts have changed. */
  readonly ratesChanged: () => void;
  readonly forget: readonly Forget[];
  readonly attachmentsPerAccount: number;
  /** Whether this process deletes what removed accounts leave behind; one does. */
  readonly forgets: boolean;
}

/** Number of accounts. */
export interface AccountCounts {
  readonly total: number;
  readonly disabled: number;
}

/** Interval, in looks at the store, at which the records are written. */
const WRITE_TICKS = 50;
/** Number of ticks between looks at a store that says when it changes. */
const FALLBACK_TICKS = 50;
/** Written while the store fails, to find out whether it still does. */
const PROBE = 'probe/disk';
/** Time for a peer to take its leave. */
const RELEASE_MS = 2000;
/** Burst of an account's rate, in seconds' worth of it. */
const BURST_SECONDS = 10;
/** Share of the time that reading many decisions may take: one part in so many. */
const SHARE = 10;
/** Number of sessions checked without a pause. */
const PORTION = 2000;

export class AccountWatch implements AccountRules {
  readonly #options: AccountWatchOptions;
  readonly #notes: AttachmentNotes;
  #states: ReadonlyMap<string, VersionedState> = new Map();
  /** Revision of the store that the states were read at. */
  #seen = 0;
  #looking: Promise<void> | undefined;
  /** Earliest time of the next look, on the clock of `performance.now`. */
  #lookAt = 0;
  #clearing: Promise<void> | undefined;
  #silence: (() => void) | undefined;
  #stopped = false;
  #ticks = 0;
  /** What others had written of the access entries at the last look. */
  #access = 0;
  /** The store may have changed since the last look. */
  #changed = true;
  #unwatch: (() => void) | undefined;
  #count: { readonly revision: number; readonly total: number } | undefined;

  constructor(options: AccountWatchOptions) {
    this.#options = options;
    this.#notes = new AttachmentNotes(options.store, (account) => options.accounts.exists(account));
  }

  /**
   * Reads the decisions made so far; must be called before anybody is let in.
   *
   * @throws LocalError STORE_FAILED
   */
  async load(): Promise<void> {
    this.#access = this.#options.access.writtenByOthers;
    await this.#look();
  }

  /** Starts looking for changes. */
  start(): void {
    this.#silence = this.#options.clock.ticking(() => this.#tick());
    this.#unwatch = this.#options.store.watch?.(() => {
      this.#changed = true;
    });
    this.#clear();
  }

  /** Writes the records. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#silence?.();
    this.#unwatch?.();
    await Promise.all([this.#looking, this.#clearing]);
    await this.#notes.write().catch(fault);
  }

  // ---- AccountRules

  suspended(account: string): string | undefined {
    const disabled = this.#states.get(account)?.state.disabled;
    if (disabled === undefined) return undefined;
    try {
      // An account that was enabled since the last look may have logged in already, and must not be refused.
      return this.#options.accounts.suspended(account);
    } catch (error) {
      fault(error);
      return disabledText(account, disabled);
    }
  }

  attachments(account: string): number {
    return this.#quota(account).attachments ?? this.#options.attachmentsPerAccount;
  }

  joined(account: string, from: string): void {
    this.#notes.note(account, from, new Date(this.#options.clock.wall()));
  }

  /** Returns the rates of an account that differ from the configuration. */
  rates(account: string): OwnRates {
    const { dataPerSecond, octetsPerSecond } = this.#quota(account);
    return {
      ...(dataPerSecond === undefined ? {} : { data: rate(dataPerSecond) }),
      ...(octetsPerSecond === undefined ? {} : { octets: rate(octetsPerSecond) }),
    };
  }

  /** Returns the offline limits of an account that differ from the configuration. */
  heldQuota(account: string): Pick<Quota, 'heldData' | 'heldOctets'> {
    return this.#quota(account);
  }

  /**
   * Counts the accounts if they have changed since the last count.
   *
   * @throws LocalError STORE_FAILED
   */
  async counts(): Promise<AccountCounts> {
    const { store, accounts } = this.#options;
    const revision = store.revision('account');
    if (this.#count?.revision !== revision) this.#count = { revision, total: await accounts.count() };
    let disabled = 0;
    for (const { state } of this.#states.values()) if (state.disabled !== undefined) disabled += 1;
    return { total: this.#count.total, disabled };
  }

  #quota(account: string): Quota {
    return this.#states.get(account)?.state.quota ?? {};
  }

  #tick(): void {
    this.#ticks += 1;
    if (this.#ticks % WRITE_TICKS === 0) {
      this.#notes.write().catch(fault);
      this.#checkDisk();
    }
    if (this.#looking !== undefined || performance.now() < this.#lookAt) return;
    if (this.#unwatch !== undefined && !this.#changed && this.#ticks % FALLBACK_TICKS !== 0) return;
    this.#changed = false;
    try {
      this.#lookAtAccess();
      if (this.#options.accounts.states.revision === this.#seen) return;
    } catch (error) {
      fault(error);
      return;
    }
    const begin = performance.now();
    this.#looking = this.#look()
      .catch(fault)
      .finally(() => {
        this.#looking = undefined;
        const end = performance.now();
        this.#lookAt = end + (end - begin) * SHARE;
      });
  }

  /** Where nothing else is written, nobody would notice that the disk is full, or that there is room on it again. */
  #checkDisk(): void {
    const { store, spool } = this.#options;
    spool?.probe?.();
    try {
      if (spool !== undefined) store.checkRoom?.();
    } catch (error) {
      fault(error);
      return;
    }
    if (store.failing !== undefined) store.put(PROBE, this.#ticks).catch(fault);
  }

  #lookAtAccess(): void {
    const written = this.#options.access.writtenByOthers;
    if (written === this.#access) return;
    this.#access = written;
    this.#options.permissionsChanged();
  }

  async #look(): Promise<void> {
    const { states } = this.#options.accounts;
    // Read before the states: a change in between is found the next time.
    const revision = states.revision;
    const before = this.#states;
    const now = await states.all();
    this.#states = now;
    this.#seen = revision;
    if (differentQuotas(before, now)) this.#options.ratesChanged();
    await this.#end(endings(before, now));
    this.#clear();
  }

  /** Cleans up after removed accounts, one after the other, in the background. */
  #clear(): void {
    if (this.#silence === undefined || !this.#options.forgets) return;
    this.#clearing ??= this.#clearAll().finally(() => {
      this.#clearing = undefined;
    });
  }

  async #clearAll(): Promise<void> {
    const tried = new Set<number>();
    for (;;) {
      const left = [...this.#states].filter(
        ([, { state, version }]) => state.removed !== undefined && !tried.has(version),
      );
      if (left.length === 0) return;
      for (const [account, { state, version }] of left) {
        if (this.#stopped) return;
        tried.add(version);
        await this.#forget(account, state, version);
      }
    }
  }

  /** Ends attachments, bindings and sessions; the reason goes to the log. */
  async #end(reasons: ReadonlyMap<string, string>): Promise<void> {
    if (reasons.size === 0) return;
    this.#options.expel(new Set(reasons.keys()));
    let seen = 0;
    for (const connection of this.#options.connections().flatMap((some) => [...some])) {
      seen += 1;
      if (seen % PORTION === 0) await new Promise((resolve) => setImmediate(resolve));
      const account = accountsOf(identityOf(connection.identity)).find((one) => reasons.has(one));
      if (account === undefined || connection.ended) continue;
      const { id: session, remote } = connection;
      events.expelled.publish({ session, remote: remote.address, account, reason: reasons.get(account) ?? '' });
      void connection.release('your account was disabled or removed', RELEASE_MS);
    }
  }

  async #forget(account: string, state: AccountState, version: number): Promise<void> {
    const { removed = '' } = state;
    try {
      for (const forget of this.#options.forget) await forget(account, { at: Date.parse(removed), version });
      // If it has been changed in the meantime, it is looked at again.
      await this.#options.accounts.states.replace(account, assembled({ ...state, removed: undefined }), version);
      events.forgotten.publish({ account, removed });
    } catch (error) {
      fault(error);
    }
  }
}

/** Returns the accounts whose use ends, with the reason. */
function endings(
  before: ReadonlyMap<string, VersionedState>,
  now: ReadonlyMap<string, VersionedState>,
): Map<string, string> {
  const reasons = new Map<string, string>();
  for (const [account, { state }] of now) {
    const earlier = before.get(account)?.state;
    if (state.disabled !== undefined && earlier?.disabled === undefined) {
      reasons.set(account, disabledText(account, state.disabled));
    } else if (state.removed !== undefined && state.removed !== earlier?.removed) {
      reasons.set(account, `${account} was removed at ${state.removed}`);
    }
  }
  return reasons;
}

function differentQuotas(
  before: ReadonlyMap<string, VersionedState>,
  now: ReadonlyMap<string, VersionedState>,
): boolean {
  for (const account of new Set([...before.keys(), ...now.keys()])) {
    const [earlier, later] = [before.get(account), now.get(account)];
    if (earlier?.version === later?.version) continue;
    if (earlier?.state.quota !== undefined || later?.state.quota !== undefined) return true;
  }
  return false;
}

function rate(perSecond: number): { perSecond: number; burst: number } {
  return { perSecond, burst: Math.max(1, perSecond * BURST_SECONDS) };
}

function fault(error: unknown): void {
  events.fault.publish({ session: 'accounts', error });
}
