/**
 * Makes what an operator decides about accounts count in a relay that runs, whichever process wrote it into the store: keeps
 * the decisions in memory, ends what disabled and removed accounts have, throws away what removed ones leave behind, and
 * notes who attached when. Decides nothing itself.
 *
 * A look at the store's revision ten times a second costs a microsecond or two; what is looked through after a change are
 * only the accounts that are disabled, limited or just removed.
 */
import { accountsOf } from '../imxp/identity.js';
import { identityOf } from '../mesh/identity.js';
import type { Clock } from '../ops/clock.js';
import { events } from '../ops/events.js';
import type { AccountRules } from '../relay/accounts.js';
import type { OwnRates } from '../relay/rates.js';
import { type AccountState, assembled, type Quota, type VersionedState } from '../store/account-state.js';
import { type Accounts, disabledText } from '../store/accounts.js';
import { AttachmentNotes } from '../store/last-attached.js';
import type { Store } from '../store/store.js';
import type { Connection } from '../transport/connection.js';

/**
 * Throws away what was kept for an account that was removed.
 *
 * @param account an endpoint without subaddress, or `imxp=mesh@domain`
 * @param before what is newer belongs to another account of that name; milliseconds since 1970
 */
export type Forget = (account: string, before: number) => Promise<void>;

export interface AccountWatchOptions {
  readonly store: Store;
  readonly accounts: Accounts;
  readonly clock: Clock;
  /** The sessions that peers began. */
  readonly connections: () => Iterable<Connection>[];
  /** Ends what accounts have toward their applications. */
  readonly expel: (accounts: ReadonlySet<string>) => void;
  /** Accounts have other rates than before. */
  readonly ratesChanged: () => void;
  readonly forget: readonly Forget[];
  readonly attachmentsPerAccount: number;
}

/** How many accounts there are. */
export interface AccountCounts {
  readonly total: number;
  readonly disabled: number;
}

/** Of the clock: how often the notes are written. */
const WRITE_TICKS = 50;
/** How long a peer may take to say good-bye. */
const RELEASE_MS = 2000;
/** Seconds' worth of a rate that may be used at once. */
const BURST_SECONDS = 10;
/** Of its time, what looking through many decisions may take: one part in so many. */
const SHARE = 10;
/** Sessions looked at in one go. */
const PORTION = 2000;

export class AccountWatch implements AccountRules {
  readonly #options: AccountWatchOptions;
  readonly #notes: AttachmentNotes;
  #states: ReadonlyMap<string, VersionedState> = new Map();
  /** The revision that the states are of. */
  #seen = 0;
  #looking: Promise<void> | undefined;
  /** When to look again at the earliest, on the clock of `performance.now`. */
  #lookAt = 0;
  #clearing: Promise<void> | undefined;
  #silence: (() => void) | undefined;
  #stopped = false;
  #ticks = 0;
  #count: { readonly revision: number; readonly total: number } | undefined;

  constructor(options: AccountWatchOptions) {
    this.#options = options;
    this.#notes = new AttachmentNotes(options.store, (account) => options.accounts.exists(account));
  }

  /** Reads what was decided so far; before anybody is let in. @throws LocalError STORE_FAILED */
  async load(): Promise<void> {
    await this.#look();
  }

  /** Looks for changes from now on. */
  start(): void {
    this.#silence = this.#options.clock.ticking(() => this.#tick());
    this.#clear();
  }

  /** Writes what was noted. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#silence?.();
    await Promise.all([this.#looking, this.#clearing]);
    await this.#notes.write().catch(fault);
  }

  // ---- AccountRules

  suspended(account: string): string | undefined {
    const disabled = this.#states.get(account)?.state.disabled;
    if (disabled === undefined) return undefined;
    try {
      // Who was enabled since the last look has logged in by now, and is not to be turned away.
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

  /** The rates of one account, where they are not those of everybody. */
  rates(account: string): OwnRates {
    const { dataPerSecond, octetsPerSecond } = this.#quota(account);
    return {
      ...(dataPerSecond === undefined ? {} : { data: rate(dataPerSecond) }),
      ...(octetsPerSecond === undefined ? {} : { octets: rate(octetsPerSecond) }),
    };
  }

  /** What may be held for an account, where that is not what the configuration says. */
  held(account: string): Pick<Quota, 'heldData' | 'heldOctets'> {
    return this.#quota(account);
  }

  /** Counts the accounts when there are others than the last time. @throws LocalError STORE_FAILED */
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
    if (this.#ticks % WRITE_TICKS === 0) this.#notes.write().catch(fault);
    if (this.#looking !== undefined || performance.now() < this.#lookAt) return;
    try {
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

  async #look(): Promise<void> {
    const { states } = this.#options.accounts;
    // Read before the states: what changes in between is found the next time.
    const revision = states.revision;
    const before = this.#states;
    const now = await states.all();
    this.#states = now;
    this.#seen = revision;
    if (differentQuotas(before, now)) this.#options.ratesChanged();
    await this.#end(endings(before, now));
    this.#clear();
  }

  /** Clears up after removed accounts, one after the other; nobody waits for it. */
  #clear(): void {
    if (this.#silence === undefined) return;
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

  /** Ends attachments, bindings and sessions; with the reason for the log. */
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
      for (const forget of this.#options.forget) await forget(account, Date.parse(removed));
      // Unless somebody has changed it by now: then it is looked at again.
      await this.#options.accounts.states.replace(account, assembled({ ...state, removed: undefined }), version);
      events.forgotten.publish({ account, removed });
    } catch (error) {
      fault(error);
    }
  }
}

/** The accounts whose use ends, with the reason. */
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
