/**
 * Access entries as they are kept: one ordered list for each owner that ever had it set, and the configuration's for all
 * other accounts. Knows what was stored, not what it grants.
 *
 * An account that is removed takes its list with it: a list names the account it was made for by its generation, and another
 * account of the same name does not have it.
 */
import { LocalError } from '../errors.js';
import type { Address } from '../imxp/address.js';
import type { AccessEntry } from '../imxp/vocabulary/access.js';
import { generationOf } from './account-generation.js';
import { ABSENT, type Entry, type Json, type Store } from './store.js';

const PREFIX = 'access/';
const ACCOUNT = 'account/';
/** A timestamp names a second, so two updates of one owner must be a second apart. */
const RESOLUTION_MS = 1000;

/** An entry with the time of its last update, for readers of single entries (RFC 3341 §3). */
export interface KeptEntry extends AccessEntry {
  /** Milliseconds since 1970, at whole seconds; undefined: that of the list. */
  readonly lastUpdate?: number;
}

/** The entries that hold for an owner. */
export interface OwnedEntries {
  /** Explicit entries; undefined or empty means that only the implicit ones apply. */
  readonly entries: readonly KeptEntry[];
  /** Milliseconds since 1970, at whole seconds. */
  readonly lastUpdate: number;
  /** Whether they are those of the endpoint that the owner is a subaddress of. */
  readonly inherited: boolean;
  /** Version of the owner's own entry in the store, for compare-and-set. */
  readonly version: number;
}

interface Stored {
  readonly entries: readonly KeptEntry[];
  readonly lastUpdate: number;
  /** The generation of the account that it belongs to; empty for an owner without account. */
  readonly account: string;
}

export class AccessEntries {
  readonly #store: Store;
  #initial: readonly AccessEntry[];
  #changes = 0;
  #replaced: (owner: string) => void = () => {};

  /** @param initial entries of accounts that never had theirs set; `owner` as actor stands for the account */
  constructor(store: Store, initial: readonly AccessEntry[]) {
    this.#store = store;
    this.#initial = initial;
  }

  /** The entries of accounts that never had theirs set are others from now on. */
  set initial(initial: readonly AccessEntry[]) {
    this.#initial = initial;
    this.#changes += 1;
  }

  /** Calls when entries of an owner (normalised address) were replaced by this process. */
  onReplaced(replaced: (owner: string) => void): void {
    this.#replaced = replaced;
  }

  /** Changes whenever another process may have written any entries. Cheap. */
  get writtenByOthers(): number {
    return this.#store.revisionByOthers('access');
  }

  /** Changes whenever any entry may have been changed, by any process. Cheap. */
  get revision(): number {
    // Each only grows, so their sum changes with any of them.
    return this.#store.revision('access') + this.#store.revision('account') + this.#changes;
  }

  /** What holds for an owner now. @throws LocalError STORE_FAILED */
  of(owner: Address): OwnedEntries {
    const account = this.#account(owner);
    const { generation } = account;
    const { stored, version } = this.#stored(owner.key, generation);
    if (stored !== undefined) return { ...stored, inherited: false, version };
    const inherited = owner.key !== owner.base;
    const base = inherited ? this.#stored(owner.base, generation).stored : undefined;
    if (base !== undefined) return { ...base, inherited, version };
    const lastUpdate = wholeSeconds(Date.parse(account.created) || 0);
    if (owner.service) return { entries: [], lastUpdate, inherited, version };
    const entries = this.#initial.map(({ actor, actions }) => ({
      actor: actor === 'owner' ? owner.base : actor,
      actions,
    }));
    return { entries, lastUpdate, inherited, version };
  }

  /**
   * Replaces the entries of an owner unless they have changed since `known` was read. Resolves when the disk has them.
   *
   * @param entries those without a time of their own are updated now
   * @param now milliseconds since 1970
   * @returns the time of the update, always later than the one before; undefined when they have changed
   * @throws LocalError STORE_FAILED
   */
  async replace(
    owner: Address,
    known: OwnedEntries,
    entries: readonly KeptEntry[],
    now: number,
  ): Promise<number | undefined> {
    const lastUpdate = Math.max(wholeSeconds(now), known.lastUpdate + RESOLUTION_MS);
    const value = toJson({ entries, lastUpdate, account: this.#account(owner).generation });
    const version = await this.#store.put(PREFIX + owner.key, value, known.version);
    if (version === undefined) return undefined;
    this.#replaced(owner.key);
    return lastUpdate;
  }

  /**
   * Removes the entries of an owner; those of new accounts hold then, or those of the endpoint that it is a subaddress of.
   * Resolves when the disk has it.
   *
   * @throws LocalError STORE_FAILED
   */
  async reset(owner: Address): Promise<void> {
    await this.#store.delete(PREFIX + owner.key);
  }

  /**
   * Deletes what was left of an account that was removed: its entries and those of its subaddresses. Entries of another
   * account of that name stay.
   *
   * @param account an endpoint without its subaddress
   */
  async forget(account: string): Promise<void> {
    const at = account.lastIndexOf('@');
    const [local, domain] = [account.slice(0, at), account.slice(at)];
    const { generation } = this.#account({ base: account });
    for await (const { key, value, version } of this.#store.list(PREFIX + local)) {
      const owner = key.slice(PREFIX.length);
      const own = owner === account || (owner.startsWith(`${local}/`) && owner.endsWith(domain));
      if (own && (!isStored(value) || value.account !== generation)) await this.#store.delete(key, version);
    }
  }

  #stored(key: string, account: string): { readonly stored: Stored | undefined; readonly version: number } {
    const entry = this.#store.peek(PREFIX + key);
    if (entry === undefined) return { stored: undefined, version: ABSENT };
    const stored = fromJson(key, entry);
    return { stored: stored.account === account ? stored : undefined, version: entry.version };
  }

  /** The account of an owner; empty when there is none. */
  #account({ base }: Pick<Address, 'base'>): { readonly generation: string; readonly created: string } {
    const value: unknown = this.#store.peek(ACCOUNT + base)?.value;
    const generation = generationOf(value);
    if (typeof value !== 'object' || value === null || !('created' in value)) return { generation, created: '' };
    return { generation, created: typeof value.created === 'string' ? value.created : '' };
  }
}

function wholeSeconds(ms: number): number {
  return ms - (ms % RESOLUTION_MS);
}

function toJson({ entries, lastUpdate, account }: Stored): Json {
  const written = entries.map((entry) => {
    const { actor, actions } = entry;
    return { actor, actions: [...actions], lastUpdate: entry.lastUpdate ?? lastUpdate };
  });
  return { entries: written, lastUpdate, account };
}

function fromJson(key: string, { value }: Entry): Stored {
  if (isStored(value)) return value;
  throw new LocalError('STORE_FAILED', `the access entry of ${key} was written by another version`);
}

function isStored(value: unknown): value is Stored {
  if (typeof value !== 'object' || value === null) return false;
  const { entries, lastUpdate, account } = value as Partial<Stored>;
  return Array.isArray(entries) && typeof lastUpdate === 'number' && typeof account === 'string';
}
