/**
 * The accounts of a node: endpoints of its domains, and neighbour relays (`imxp=mesh@rubble.com`, whose domain is foreign).
 * Keeps verifiers, never passwords; does not know how they are made or used.
 */
import { LocalError } from '../errors.js';
import { ADDRESS_OCTETS, addressOf } from '../imxp/address.js';
import type { Directory } from '../relay/target.js';
import { accountNames, canonicalAccount, relayDomain } from '../sasl/name.js';
import type { CredentialStore, Verifier } from '../sasl/verifier.js';
import { ABSENT, type Json, type Store } from './store.js';

export interface Account {
  /** `local@domain` with the domain in lower case. */
  readonly address: string;
  readonly verifier: Verifier;
  /** ISO 8601. */
  readonly created: string;
  /** When the password was last set. */
  readonly changed: string;
}

const PREFIX = 'account/';

function toJson({ address, verifier, created, changed }: Account): Json {
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
    changed,
  };
}

function isAccount(value: unknown): value is Account {
  if (typeof value !== 'object' || value === null) return false;
  const { address, verifier } = value as Partial<Account>;
  return typeof address === 'string' && typeof verifier === 'object' && Array.isArray(verifier?.digestMd5);
}

function fromJson(key: string, value: unknown): Account {
  if (isAccount(value)) return value;
  throw new LocalError('STORE_FAILED', `the entry ${key} is not an account of this version`);
}

/** The key of an account: relays as `imxp=mesh@domain`, endpoints in the one spelling of their address. */
function keyOf(name: string): string {
  const account = canonicalAccount(name);
  return PREFIX + (relayDomain(account) === undefined ? (addressOf(account)?.key ?? account) : account);
}

export interface AccountsOptions {
  readonly now?: () => Date;
  readonly domains?: readonly string[];
}

export class Accounts implements CredentialStore, Directory {
  readonly #store: Store;
  readonly #now: () => Date;
  readonly #domains: readonly string[];

  /** @param domains the node's: the first completes names without `@` where no realm does (SCRAM, PLAIN) */
  constructor(store: Store, { now = () => new Date(), domains = [] }: AccountsOptions = {}) {
    this.#store = store;
    this.#now = now;
    this.#domains = domains;
  }

  /** Adds the account that a verifier is for. @returns false when there is one already. */
  async add(verifier: Verifier): Promise<boolean> {
    const key = keyOf(verifier.account);
    const now = this.#now().toISOString();
    const account = { address: key.slice(PREFIX.length), verifier, created: now, changed: now };
    return (await this.#store.put(key, toJson(account), ABSENT)) !== undefined;
  }

  /** Replaces the verifier of an account, that is, its password. @returns false when there is no such account. */
  async change(verifier: Verifier): Promise<boolean> {
    const key = keyOf(verifier.account);
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

  /** @returns false when there is no such account. */
  remove(address: string): Promise<boolean> {
    return this.#store.delete(keyOf(address));
  }

  async find(address: string): Promise<Account | undefined> {
    const key = keyOf(address);
    const entry = await this.#store.get(key);
    return entry === undefined ? undefined : fromJson(key, entry.value);
  }

  /** All accounts by address. */
  async *list(): AsyncIterable<Account> {
    for await (const { key, value } of this.#store.list(PREFIX)) yield fromJson(key, value);
  }

  /** The verifier of whoever logs in with that name. */
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

  /** When an endpoint, or the endpoint that a subaddress belongs to, was given its account: milliseconds since 1970. */
  async created(address: string): Promise<number | undefined> {
    const name = addressOf(address);
    if (name === undefined || name.service) return undefined;
    const account = await this.find(name.base);
    return account === undefined ? undefined : Date.parse(account.created);
  }
}

/** Strangers log in with any name; those no account can have are not worth a fault of the store. */
function usable(name: string): boolean {
  return name !== '' && Buffer.byteLength(name) <= ADDRESS_OCTETS && !name.includes('\0');
}
