/**
 * Records of presence entries and running operations in the store. Promises here resolve when the data are on the disk.
 */
import { LocalError } from '../../errors.js';
import { addressOf } from '../../imxp/address.js';
import type { Extension } from '../../imxp/vocabulary/extension.js';
import type { Form } from '../../imxp/vocabulary/form.js';
import type { Presence, Tuple } from '../../imxp/vocabulary/presence.js';
import { formatTimestamp } from '../../imxp/vocabulary/timestamp.js';
import { ABSENT, type Json, type Listed, type Store } from '../../store/store.js';
import type { ActiveOperationKind } from './operation-table.js';

/** The accounts, as far as presence needs them. */
export interface Provisioning {
  /** Returns the time at which an endpoint was given an account, milliseconds since 1970; undefined if it has none. */
  created(address: string): Promise<number | undefined>;
  /** Distinguishes the account from earlier and later ones of the same name; undefined when there is none. */
  generation(address: string): Promise<string | undefined>;
}

export interface EntryRecord {
  readonly presence: Presence;
  /** {@link ABSENT} for an endpoint that never published. */
  readonly version: number;
  /** Open because an application is attached; to be closed when it is not. */
  readonly attached: boolean;
  /** Of the account; undefined where a version wrote the entry that did not say. */
  readonly generation: string | undefined;
}

/** A running operation as it is stored. */
export interface OperationRecord {
  readonly kind: ActiveOperationKind;
  /** Normalized address. */
  readonly subject: string;
  /** Normalized address. */
  readonly originator: string;
  readonly transID: number;
  /** The seconds that were asked for. */
  readonly duration: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
  readonly form: Form;
  readonly proof: string | undefined;
}

export type StoredOperation = OperationRecord & { readonly version: number };

const ENTRIES = 'presence/entry/';
const OPERATIONS = 'presence/operation/';

export class Records {
  readonly #store: Store;
  readonly #provisioning: Provisioning;

  constructor(store: Store, provisioning: Provisioning) {
    this.#store = store;
    this.#provisioning = provisioning;
  }

  /** Returns the time at which an endpoint was given its account; undefined if it has none. */
  created(address: string): Promise<number | undefined> {
    return this.#provisioning.created(address);
  }

  /**
   * @param publisher on whose behalf, if not the subject's
   * @returns undefined if there is no such endpoint
   */
  async entry(subject: string, publisher = subject): Promise<EntryRecord | undefined> {
    const [created, generation, stored] = await Promise.all([
      this.#provisioning.created(subject),
      this.#provisioning.generation(subject),
      this.#store.get(ENTRIES + subject),
    ]);
    if (created === undefined) return undefined;
    const since = wholeSeconds(created);
    const version = stored?.version ?? ABSENT;
    const entry = stored === undefined ? undefined : entryFrom(ENTRIES + subject, stored.value);
    // An entry of another account was left by an earlier one of that name.
    if (entry !== undefined && (entry.generation ?? generation) === generation) {
      return { presence: { ...entry.presence, publisher }, attached: entry.attached, version, generation };
    }
    return { presence: synthetic(publisher, since), version, attached: false, generation };
  }

  /** Writes an entry that was read as `version`. @returns the new version, undefined when another write came first */
  putEntry(
    subject: string,
    presence: Presence,
    attached: boolean,
    { version, generation }: Pick<EntryRecord, 'version' | 'generation'>,
  ): Promise<number | undefined> {
    return this.#store.put(ENTRIES + subject, entryJson(presence, attached, generation), version);
  }

  /** Returns the endpoints that were open because they were attached. */
  async attached(): Promise<string[]> {
    const found: string[] = [];
    for await (const { key, value } of this.#store.list(ENTRIES)) {
      if (entryFrom(key, value).attached) found.push(key.slice(ENTRIES.length));
    }
    return found;
  }

  /** @returns the version of the record */
  async putOperation(record: OperationRecord): Promise<number> {
    const { kind, subject, originator, transID, duration, expires, form, proof } = record;
    // There may be very many, and nearly all are of IMXP and not signed.
    const more = { ...(form === 'imxp' ? {} : { form }), ...(proof === undefined ? {} : { proof }) };
    const value = { kind, subject, originator, transID, duration, expires, ...more };
    return (await this.#store.put(keyOf(originator, transID), value)) ?? ABSENT;
  }

  /** Deletes the record of an operation unless a later one has replaced it. */
  async deleteOperation({ originator, transID, version }: Pick<StoredOperation, 'originator' | 'transID' | 'version'>) {
    await this.#store.delete(keyOf(originator, transID), version);
  }

  /** Returns the operations that an account and its subaddresses have asked for. */
  async operationsOf(account: string): Promise<StoredOperation[]> {
    const found: StoredOperation[] = [];
    for await (const { key, value, version } of this.#under(OPERATIONS, account, `${account}/`)) {
      const record = operationFrom(key, value);
      if (addressOf(record.originator)?.base === account) found.push({ ...record, version });
    }
    return found;
  }

  /**
   * Deletes the entries of an account that is gone, and of its subaddresses.
   *
   * @param removal version that the store gave to the removal: for entries that name no account
   * @returns whose there were
   */
  async deleteEntries(account: string, removal: number): Promise<string[]> {
    const generation = await this.#provisioning.generation(account);
    const gone: string[] = [];
    for await (const { key, value, version } of this.#under(ENTRIES, account, account)) {
      const subject = key.slice(ENTRIES.length);
      if (addressOf(subject)?.base !== account) continue;
      // There may be another account of that name now.
      const entry = entryFrom(key, value);
      const own = entry.generation === undefined ? version > removal : entry.generation === generation;
      if (generation !== undefined && own) continue;
      await this.#store.delete(key, version);
      gone.push(subject);
    }
    return gone;
  }

  /** Returns the keys under which an account and its subaddresses may have entries. */
  async *#under(prefix: string, account: string, own: string): AsyncIterable<Listed> {
    yield* this.#store.list(prefix + own);
    yield* this.#store.list(`${prefix}${account.slice(0, account.lastIndexOf('@'))}/`);
  }

  async *operations(): AsyncIterable<StoredOperation> {
    for await (const { key, value, version } of this.#store.list(OPERATIONS)) {
      yield { ...operationFrom(key, value), version };
    }
  }
}

/** D-PRES-11: the entry of an endpoint that never published, because `presence` needs a tuple. */
function synthetic(publisher: string, since: number): Presence {
  const availableUntil = formatTimestamp(since);
  const tuple: Tuple = { destination: imUri(publisher), availableUntil, tupleInfo: '', capabilities: [] };
  return { publisher, lastUpdate: since, publisherInfo: '', tuples: [tuple] };
}

/**
 * Returns the URI where an endpoint takes messages; characters that a URI cannot contain are escaped (RFC 2396 §2.4).
 */
export function imUri(address: string): string {
  return `im:${address.replace(/[^!$&-;=?-Z_a-z~]/gu, (character) => encodeURIComponent(character))}`;
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

function keyOf(originator: string, transID: number): string {
  return `${OPERATIONS}${originator}/${transID}`;
}

function entryJson(
  { publisher, lastUpdate, publisherInfo, tuples, extension }: Presence,
  attached: boolean,
  generation: string | undefined,
): Json {
  const written = tuples.map(({ destination, availableUntil, tupleInfo, capabilities, extension: more }) => ({
    destination,
    availableUntil,
    tupleInfo,
    capabilities: capabilities.map(({ baseline, text }) => ({ baseline, text })),
    ...extensionJson(more),
  }));
  const entry = { publisher, lastUpdate, publisherInfo, tuples: written, attached, ...extensionJson(extension) };
  return generation === undefined ? entry : { ...entry, generation };
}

function extensionJson(extension: Extension | undefined) {
  if (extension === undefined) return {};
  const { attributes, elements } = extension;
  return {
    extension: {
      attributes: attributes.map(({ name, namespace, value }) => ({ name, namespace, value })),
      elements: [...elements],
    },
  };
}

function isEntry(value: unknown): value is Presence & Pick<EntryRecord, 'attached'> & { readonly generation?: string } {
  if (typeof value !== 'object' || value === null) return false;
  const { publisher, lastUpdate, tuples } = value as Partial<Presence>;
  return typeof publisher === 'string' && typeof lastUpdate === 'number' && Array.isArray(tuples);
}

function entryFrom(key: string, value: unknown): Omit<EntryRecord, 'version'> {
  if (!isEntry(value))
    throw new LocalError('STORE_FAILED', `the entry ${key} is not presence, or was written by another version`);
  const { attached, generation, ...presence } = value;
  return { presence, attached, generation };
}

function operationFrom(key: string, value: unknown): OperationRecord {
  // Written before there was more than one form; the duration is not known.
  if (isOperation(value)) {
    return { ...value, duration: value.duration ?? 0, form: value.form ?? 'imxp', proof: value.proof };
  }
  throw new LocalError('STORE_FAILED', `the entry ${key} is not an operation, or was written by another version`);
}

type EarlierRecord = Omit<OperationRecord, 'duration' | 'form' | 'proof'> & Partial<OperationRecord>;

function isOperation(value: unknown): value is EarlierRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, subject, originator, transID, expires, proof } = value as Partial<OperationRecord>;
  return (
    (kind === 'subscribe' || kind === 'watch') &&
    typeof subject === 'string' &&
    typeof originator === 'string' &&
    typeof transID === 'number' &&
    typeof expires === 'number' &&
    (proof === undefined || typeof proof === 'string')
  );
}
