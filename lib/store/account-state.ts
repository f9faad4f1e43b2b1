/**
 * Decisions of the operator about single accounts: disabled, removed, limited. They are stored apart from the accounts,
 * because few accounts have any: a relay keeps all of them in memory and reads the store again only if they change.
 */
import { LocalError } from '../errors.js';
import { ABSENT, type Json, type Store } from './store.js';

/** Limits of an account; they override those of the configuration. */
export const QUOTAS = {
  attachments: 'endpoints attached at a time, subaddresses included; 0 for any number',
  dataPerSecond:
    "sustained rate of its Data operations per second, of which ten seconds' worth may come at once; 0 for any number",
  octetsPerSecond:
    "sustained rate of its Data in octets per second, of which ten seconds' worth may come at once; 0 for any number",
  heldData: 'messages held for it while it is not attached; 0 for none',
  heldOctets: 'octets of the messages held for it; 0 for none',
} as const;

export type QuotaName = keyof typeof QUOTAS;
export const QUOTA_NAMES = Object.keys(QUOTAS) as readonly QuotaName[];
export type Quota = { readonly [Name in QuotaName]?: number };

export interface Disabled {
  /** ISO 8601. */
  readonly since: string;
  /** For the operator and the log; empty if none was given. */
  readonly reason: string;
}

export interface AccountState {
  readonly disabled?: Disabled;
  /**
   * Time at which an account of that name was removed, ISO 8601; kept until a relay has ended its sessions and deleted
   * its data. There may be another account of that name now.
   */
  readonly removed?: string;
  readonly quota?: Quota;
}

export const ACTIVE: AccountState = Object.freeze({});

const PREFIX = 'account-state/';
const SCOPE = 'account-state';

export interface VersionedState {
  readonly state: AccountState;
  readonly version: number;
}

/** Account names have their canonical spelling. */
export class AccountStates {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Grows with any change, in whichever process. Cheap. */
  get revision(): number {
    return this.#store.revision(SCOPE);
  }

  /**
   * Returns the state of an account, whether it exists or not.
   *
   * @throws LocalError STORE_FAILED
   */
  of(account: string): VersionedState {
    const entry = this.#store.peek(PREFIX + account);
    return entry === undefined
      ? { state: ACTIVE, version: ABSENT }
      : { state: fromJson(account, entry.value), version: entry.version };
  }

  /** Returns every account with a state of its own. */
  async all(): Promise<Map<string, VersionedState>> {
    const found = new Map<string, VersionedState>();
    for await (const { key, value, version } of this.#store.list(PREFIX)) {
      const account = key.slice(PREFIX.length);
      found.set(account, { state: fromJson(account, value), version });
    }
    return found;
  }

  /** Returns the change that sets the state of an account; for a commit with others. */
  change(account: string, state: AccountState, expected: number) {
    const key = PREFIX + account;
    return Object.keys(state).length === 0 ? { key, expected } : { key, value: toJson(state), expected };
  }

  /**
   * Writes a state unless it has changed since.
   *
   * @returns whether it was written
   */
  replace(account: string, state: AccountState, version: number): Promise<boolean> {
    return this.#store.commit([this.change(account, state, version)]);
  }
}

/** Returns a state with another quota; undefined values mean those of the configuration. */
export function limited(state: AccountState, changes: { readonly [Name in QuotaName]?: number | undefined }) {
  const quota: { [Name in QuotaName]?: number } = {};
  for (const name of QUOTA_NAMES) {
    const value = name in changes ? changes[name] : state.quota?.[name];
    if (value !== undefined) quota[name] = value;
  }
  return assembled({ ...state, quota });
}

/** Returns a state without empty members, so that an account without decisions has no entry. */
export function assembled(state: { readonly [Key in keyof AccountState]?: AccountState[Key] | undefined }) {
  const { disabled, removed, quota } = state;
  return {
    ...(disabled === undefined ? {} : { disabled }),
    ...(removed === undefined ? {} : { removed }),
    ...(quota === undefined || Object.keys(quota).length === 0 ? {} : { quota }),
  };
}

function toJson({ disabled, removed, quota }: AccountState): Json {
  return {
    ...(disabled === undefined ? {} : { disabled: { ...disabled } }),
    ...(removed === undefined ? {} : { removed }),
    ...(quota === undefined ? {} : { quota: { ...quota } }),
  };
}

function fromJson(account: string, value: unknown): AccountState {
  if (isState(value)) return value;
  throw new LocalError('STORE_FAILED', `the state of ${account} was written by another version`);
}

function isState(value: unknown): value is AccountState {
  if (typeof value !== 'object' || value === null) return false;
  const { disabled, removed, quota } = value as Partial<AccountState>;
  return (
    (disabled === undefined || typeof disabled?.reason === 'string') &&
    (removed === undefined || typeof removed === 'string') &&
    (quota === undefined || typeof quota === 'object')
  );
}
