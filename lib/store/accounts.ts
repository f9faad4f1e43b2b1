/**
 * Accounts of a node: endpoints of its domains, and neighbour relays (`imxp=mesh@rubble.com`, whose domain is foreign).
 * Keeps verifiers, never passwords.
 */
import { randomUUID } from 'node:crypto';
import { LocalError } from '../errors.js';
import { ADDRESS_OCTETS, accountOf, addressOf } from '../imxp/address.js';
import type { Directory } from '../relay/target.js';
import { accountNames } from '../sasl/name.js';
import type { CredentialStore, Verifier } from '../sasl/verifier.js';
import { generationOf } from './account-generation.js';
import { accountName } from './account-name.js';
import { type AccountState, AccountStates, assembled, type Disabled, limited, type Quota } from './account-state.js';
import { attachedJson, attachedKey, forgetAttached, type LastAttached, lastAttached } from './last-attached.js';
import { ABSENT, type Change, type Json, type Store } from './store.js';

export interface Account {
  /** `local@domain` with the domain in lower case. */
  readonly address: string;
  readonly verifier: Verifier;
  /** ISO 8601. */
  readonly created: string;
  /** Random: distinguishes the account from earlier and later ones of the same name, and never changes. */
  readonly generation: string;
  /** Time at which the password was last set. */
  readonly changed: string;
}

const PREFIX = 'account/';

function toJson({ address, verifier, created, generation, changed }: Account): Json {
  const { account, digestMd5, scramSha256 } = verifier;
  const digests = digestMd5.map(({ username, realm, hashes }) => ({
    username,
    realm,
    hashes,
  }));
  const scram = scramSha256 === undefined ? {} : { scramSha256: { ...scramSha256 } };
  return {
    address,
    verifier: { account, digestMd5: digests, ...scram },
    created,
    generation,
    changed,
  };
}

function isAccount(value: unknown): value is Account {
  if (typeof value !== 'object' || value === null) return false;
  const { address, verifier } = value as Partial<Account>;
  return typeof address === 'string' && typeof verifier === 'object' && Array.isArray(verifier?.digestMd5);
}

function fromJson(key: string, value: unknown): Account {
  if (isAccount(value)) return { ...value, generation: generationOf(value) };
  throw new LocalError('STORE_FAILED', `the entry ${key} is not an account, or was written by another version`);
}

/** Everything about an account that is not secret, and its verifier. */
export interface AccountProfile extends Account {
  readonly state: AccountState;
  readonly lastAttached?: LastAttached;
}

/** An imported account: missing values are as for a new account, or stay as they are. */
export interface AccountRecord {
  readonly verifier: Verifier;
  readonly created?: string;
  readonly changed?: string;
  /** null: not disabled. */
  readonly disabled?: Disabled | null;
  readonly quota?: Quota;
  readonly lastAttached?: LastAttached;
}

export interface AccountsOptions {
  readonly now?: () => Date;
  readonly domains?: readonly string[];
}

export class Accounts implements CredentialStore, Directory {
  readonly #store: Store;
  readonly #now: () => Date;
  readonly #domains: readonly string[];
  readonly states: AccountStates;

  /** @param domains the node's: the first completes names without `@` if no realm does (SCRAM, PLAIN) */
  constructor(store: Store, { now = () => new Date(), domains = [] }: AccountsOptions = {}) {
    this.#store = store;
    this.#now = now;
    this.#domains = domains;
    this.states = new AccountStates(store);
  }

  /**
   * Adds the account that a verifier is for.
   *
   * @returns false if it exists already
   */
  async add(verifier: Verifier): Promise<boolean> {
    return (await this.write([{ verifier }])).length === 0;
  }

  /**
   * Writes several accounts at once, or none if some of them exist.
   *
   * @param update existing accounts receive the new verifier and the other fields of the record
   * @returns the addresses of the existing accounts that prevented it
   */
  async write(records: readonly AccountRecord[], update = false): Promise<string[]> {
    for (;;) {
      const present = records
        .map(({ verifier }) => accountName(verifier.account))
        .filter((address) => this.exists(address));
      if (present.length > 0 && !update) return present;
      const changes = records.flatMap((record) => this.#changesFor(record));
      if (await this.#store.commit(changes)) return [];
    }
  }

  /**
   * Replaces the verifier of an account, that is, its password.
   *
   * @returns false if there is no such account
   */
  async change(verifier: Verifier): Promise<boolean> {
    const key = PREFIX + accountName(verifier.account);
    for (;;) {
      const entry = await this.#store.get(key);
      if (entry === undefined) return false;
      const account = {
        ...fromJson(key, entry.value),
        verifier,
        changed: this.#now().toISOString(),
      };
      if ((await this.#store.put(key, toJson(account), entry.version)) !== undefined) return true;
    }
  }

  /**
   * Removes an account with its state. The removal is recorded, so that the relay ends its sessions and deletes its
   * data.
   *
   * @returns false if there is no such account
   */
  async remove(name: string): Promise<boolean> {
    const address = accountName(name);
    for (;;) {
      const entry = await this.#store.get(PREFIX + address);
      if (entry === undefined) return false;
      const removed = { removed: this.#now().toISOString() };
      const changes = [
        { key: PREFIX + address, expected: entry.version },
        this.states.change(address, removed, this.states.of(address).version),
        forgetAttached(address),
      ];
      if (await this.#store.commit(changes)) return true;
    }
  }

  /**
   * Disables an account: it cannot log in or be reached any more.
   *
   * @returns false if there is no such account
   */
  disable(name: string, reason = ''): Promise<boolean> {
    return this.#restate(name, (state) => ({ ...state, disabled: { since: this.#now().toISOString(), reason } }));
  }

  /**
   * Enables an account again.
   *
   * @returns false if there is no such account
   */
  enable(name: string): Promise<boolean> {
    return this.#restate(name, (state) => assembled({ ...state, disabled: undefined }));
  }

  /**
   * Limits an account; undefined values mean those of the configuration.
   *
   * @returns false if there is no such account
   */
  limit(name: string, changes: { readonly [Name in keyof Quota]?: number | undefined }): Promise<boolean> {
    return this.#restate(name, (state) => limited(state, changes));
  }

  /**
   * Returns the reason why an account must not be let in, for the log; undefined if it may.
   *
   * @throws LocalError STORE_FAILED
   */
  suspended(name: string): string | undefined {
    const account = baseOf(name);
    if (!usable(account)) return undefined;
    const { disabled } = this.states.of(account).state;
    return disabled === undefined ? undefined : disabledText(account, disabled);
  }

  /**
   * Whether there is an account of exactly that name, without waiting.
   *
   * @throws LocalError STORE_FAILED
   */
  exists(address: string): boolean {
    return this.#store.peek(PREFIX + address) !== undefined;
  }

  async find(name: string): Promise<Account | undefined> {
    const key = PREFIX + accountName(name);
    const entry = await this.#store.get(key);
    return entry === undefined ? undefined : fromJson(key, entry.value);
  }

  async profile(name: string): Promise<AccountProfile | undefined> {
    const account = await this.find(name);
    return account === undefined ? undefined : this.#profileOf(account);
  }

  /** Counts the accounts. */
  count(): Promise<number> {
    return this.#store.count(PREFIX);
  }

  /** Lists all accounts by address. */
  async *list(): AsyncIterable<Account> {
    for await (const { key, value } of this.#store.list(PREFIX)) yield fromJson(key, value);
  }

  /** Lists all accounts by address, with everything about them. */
  async *profiles(): AsyncIterable<AccountProfile> {
    for await (const account of this.list()) yield this.#profileOf(account);
  }

  /** Returns the verifier for a user name at login. */
  async lookup(username: string, realm: string | undefined): Promise<Verifier | undefined> {
    for (const name of accountNames(username, realm, realm === undefined ? this.#domains : [])) {
      if (!usable(name)) continue;
      const account = await this.find(name);
      if (account !== undefined) return account.verifier;
    }
    return undefined;
  }

  /** Whether an endpoint, or the endpoint that a subaddress belongs to, has an account. Relays are no endpoints. */
  async known(address: string): Promise<boolean> {
    const name = addressOf(address);
    if (name === undefined || name.service) return false;
    return (await this.#store.get(PREFIX + name.base)) !== undefined;
  }

  /** When the account of an endpoint, or of the endpoint that a subaddress belongs to, was added: milliseconds since 1970. */
  async created(address: string): Promise<number | undefined> {
    const account = await this.#accountOf(address);
    return account === undefined ? undefined : Date.parse(account.created);
  }

  /**
   * Distinguishes the account of an endpoint, or of the endpoint that a subaddress belongs to, from others of its name.
   */
  async generation(address: string): Promise<string | undefined> {
    return (await this.#accountOf(address))?.generation;
  }

  async #accountOf(address: string): Promise<Account | undefined> {
    const name = addressOf(address);
    return name === undefined || name.service ? undefined : this.find(name.base);
  }

  #profileOf(account: Account): AccountProfile {
    const { state } = this.states.of(account.address);
    const last = lastAttached(this.#store, account.address);
    return { ...account, state, ...(last === undefined ? {} : { lastAttached: last }) };
  }

  async #restate(name: string, change: (state: AccountState) => AccountState): Promise<boolean> {
    const address = accountName(name);
    for (;;) {
      if (!this.exists(address)) return false;
      const { state, version } = this.states.of(address);
      if (await this.states.replace(address, change(state), version)) return true;
    }
  }

  #changesFor(record: AccountRecord): Change[] {
    const { verifier, disabled, quota } = record;
    const address = accountName(verifier.account);
    const key = PREFIX + address;
    const entry = this.#store.peek(key);
    const known = entry === undefined ? undefined : fromJson(key, entry.value);
    const now = this.#now().toISOString();
    const { created = known?.created ?? now, changed = now } = record;
    // What is kept for the account names its generation, so that an update from elsewhere leaves all of it.
    const generation = known?.generation ?? randomUUID();
    const account = toJson({ address, verifier, created, generation, changed });
    const changes: Change[] = [{ key, value: account, expected: entry?.version ?? ABSENT }];
    const { state, version } = this.states.of(address);
    if (disabled !== undefined || quota !== undefined) {
      const next = {
        ...state,
        ...(disabled === undefined ? {} : { disabled: disabled ?? undefined }),
        ...(quota === undefined ? {} : { quota }),
      };
      changes.push(this.states.change(address, assembled(next), version));
    }
    if (record.lastAttached !== undefined) {
      changes.push({ key: attachedKey(address), value: attachedJson(record.lastAttached) });
    } else if (known === undefined) {
      changes.push(forgetAttached(address));
    }
    return changes;
  }
}

/** Describes a disabled account for the operator. */
export function disabledText(account: string, { since, reason }: Disabled): string {
  return `${account} is disabled since ${since}${reason === '' ? '' : `: ${reason}`}`;
}

/** Returns the account that an address or a relay's name belongs to. */
function baseOf(name: string): string {
  return accountOf(accountName(name));
}

/** Unauthenticated peers try any name; names that no account can have are not an error of the store. */
function usable(name: string): boolean {
  return name !== '' && Buffer.byteLength(name) <= ADDRESS_OCTETS && !name.includes('\0');
}
