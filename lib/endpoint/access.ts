/**
 * Client of the access service: reads who may do what, and changes it. An endpoint attached with IMXP changes the whole
 * list of an owner (access-01 §4); one attached with APEX changes single entries (RFC 3341 §4). Knows nothing of
 * connections.
 */
import { RefusedError } from '../errors.js';
import {
  type Access,
  type AccessEntry,
  type AccessOperation,
  readAccessOperation,
  writeAccessOperation,
} from '../imxp/vocabulary/access.js';
import type { XmlElement } from '../xml/parse.js';
import {
  allowed,
  checkActions,
  checkAllowed,
  checkDenied,
  checkEntries,
  denied,
  entryFor,
  granted,
  grants,
  less,
  more,
  replaced,
  withSubaddresses,
} from './access-list.js';
import {
  type AccessEndpoint,
  type AccessEntryInfo,
  AccessQuestions,
  type AccessRequest,
  replyIn,
} from './access-questions.js';
import { wireAddress } from './address.js';
import { ApexEntries } from './apex-entries.js';
import { checkKeys, type KnownKeys } from './keys.js';
import type { Transactions } from './transactions.js';

export type { AccessEntryInfo, AccessRequest } from './access-questions.js';

/** Who may do what to an owner: the first entry that matches an actor decides. */
export interface AccessInfo {
  readonly owner: string;
  readonly lastUpdate: Date;
  readonly entries: readonly AccessEntry[];
}

const KEYS: KnownKeys<AccessRequest> = { owner: true, from: true, signal: true };

/** Attempts at changing a list that somebody else changes at the same time. */
const ATTEMPTS = 5;
/** access-01 §4.3 step 5: the list has changed since it was read. */
const CHANGED = 555;

export class AccessClient {
  readonly #questions: AccessQuestions;
  readonly #apex: ApexEntries;

  /** See {@link Endpoint.access}. */
  constructor(endpoint: AccessEndpoint, transactions: Transactions, timeoutMs: number) {
    this.#questions = new AccessQuestions(endpoint, transactions, timeoutMs);
    this.#apex = new ApexEntries(this.#questions);
  }

  /**
   * Reads an access list. Only IMXP has lists: a service that speaks only APEX refuses with 501.
   *
   * @throws RefusedError REFUSED: 537 not permitted, 550 unknown owner, 553 not of that domain; TransportError
   *   TIMED_OUT | CONNECTION_LOST; LocalError ADDRESS_INVALID | CLOSED
   * @example
   * for (const { actor, actions } of (await fred.access.get()).entries) console.log(actor, actions.join(' '));
   */
  async get(request: AccessRequest = {}): Promise<AccessInfo> {
    return infoOf(await this.#present(this.#owner(request), request));
  }

  /**
   * Replaces a whole access list, provided that nobody has changed it since it was read.
   *
   * @param entries the new entries in order, at least one; or a function that makes them from the present list and is
   *   called again when somebody else changed the list in the meantime
   * @returns the list as it was before
   * @throws as {@link get}; RefusedError 555 when somebody else kept changing the list; LocalError ARGUMENT
   * @example
   * await fred.access.set([
   *   { actor: 'fred@example.com', actions: ['all:all'] },
   *   { actor: '*@*', actions: ['core:data'] },
   * ]);
   */
  async set(
    entries: readonly AccessEntry[] | ((present: AccessInfo) => readonly AccessEntry[]),
    request: AccessRequest = {},
  ): Promise<AccessInfo> {
    const owner = this.#owner(request);
    for (let attempt = 1; ; attempt += 1) {
      const present = infoOf(await this.#present(owner, request));
      const given = typeof entries === 'function' ? entries(present) : entries;
      const wanted = given.map(({ actor, actions }) => ({ actor: wireAddress(actor), actions }));
      checkEntries(wanted);
      const access = { owner, lastUpdate: present.lastUpdate.getTime(), entries: wanted };
      const answer = await this.#ask(owner, request, (transID) => {
        return { type: 'set', owner, transID, timeStamp: Date.now(), access };
      });
      const { code, text } = replyIn(answer);
      if (code === 250) return present;
      if (code !== CHANGED || attempt === ATTEMPTS) throw new RefusedError('REFUSED', { code, text });
    }
  }

  /**
   * Grants an actor further actions; nothing changes for other actors.
   *
   * @param actor an address, which includes its subaddresses, or a pattern such as `*@rubble.com`
   * @param actions such as `core:data` (send messages) and `presence:subscribe`
   * @throws as {@link set}
   * @example
   * await fred.access.allow('barney@rubble.com', ['presence:subscribe']);
   */
  async allow(actor: string, actions: readonly string[], request: AccessRequest = {}): Promise<void> {
    const owner = this.#owner(request);
    const who = wireAddress(actor);
    if (this.#apexSpoken) {
      checkAllowed(actions);
      await this.#apex.change(owner, who, (now) => more(now, actions), request);
    } else {
      await this.set(({ entries }) => allowed(entries, owner, who, actions), request);
    }
  }

  /**
   * Takes actions from an actor, or all of them when none are given. For an endpoint that includes its subaddresses,
   * even those that have entries of their own.
   *
   * @throws as {@link set}
   * @example
   * await fred.access.deny('mrslate@slate.example');
   */
  async deny(actor: string, actions: readonly string[] = [], request: AccessRequest = {}): Promise<void> {
    const owner = this.#owner(request);
    const who = wireAddress(actor);
    if (this.#apexSpoken) {
      checkDenied(owner, who, actions);
      await this.#apex.change(owner, who, (now) => less(now, actions), request);
    } else {
      await this.set(({ entries }) => denied(entries, owner, who, actions), request);
    }
  }

  /**
   * Whether an endpoint may perform all of these actions.
   *
   * @param actor an address, not a pattern
   * @throws as {@link get}
   * @example
   * if (!(await fred.access.query('barney@rubble.com', ['core:data']))) console.log('barney cannot write to me');
   */
  async query(actor: string, actions: readonly string[], request: AccessRequest = {}): Promise<boolean> {
    const owner = this.#owner(request);
    const who = wireAddress(actor);
    checkActions(actions);
    if (this.#apexSpoken) return this.#apex.query(owner, who, actions, request);
    const present = granted((await this.#present(owner, request)).entries, owner, who);
    return actions.every((action) => grants(present, action));
  }

  /**
   * The entry whose actor is exactly this one; undefined when there is none, so that other entries decide.
   *
   * @throws as {@link get}
   * @example
   * console.log((await fred.access.entry('*@rubble.com'))?.actions);
   */
  async entry(actor: string, request: AccessRequest = {}): Promise<AccessEntryInfo | undefined> {
    const owner = this.#owner(request);
    const who = wireAddress(actor);
    if (this.#apexSpoken) return this.#apex.entry(owner, who, request);
    const { entries, lastUpdate } = await this.#present(owner, request);
    const found = entryFor(entries, who);
    return found && { ...found, lastUpdate: new Date(lastUpdate) };
  }

  /**
   * Grants an actor exactly these actions; none when the list is empty. For an endpoint that includes its subaddresses.
   *
   * @throws as {@link set}
   * @example
   * await fred.access.put('*@rubble.com', ['core:data', 'presence:subscribe']);
   */
  async put(actor: string, actions: readonly string[], request: AccessRequest = {}): Promise<void> {
    const owner = this.#owner(request);
    const who = wireAddress(actor);
    checkActions(actions);
    if (this.#apexSpoken) await this.#apex.change(owner, who, () => actions, request);
    else await this.set(({ entries }) => replaced(entries, owner, who, actions), request);
  }

  /**
   * Removes the entry of an actor, and for an endpoint also that of its subaddresses. Other entries then decide, which
   * may allow more.
   *
   * @throws as {@link set}
   * @example
   * await fred.access.remove('*@rubble.com');
   */
  async remove(actor: string, request: AccessRequest = {}): Promise<void> {
    const owner = this.#owner(request);
    const who = wireAddress(actor);
    if (this.#apexSpoken) await this.#apex.remove(owner, who, request);
    else await this.set(({ entries }) => without(entries, who), request);
  }

  /** Fails what is outstanding: the connection is gone, so whether the requests were carried out is unknown. */
  lose(error: Error): void {
    this.#questions.lose(error);
  }

  get #apexSpoken(): boolean {
    return this.#questions.form === 'apex';
  }

  #owner(request: AccessRequest): string {
    checkKeys(request, KEYS, 'access');
    return this.#questions.owner(request);
  }

  async #present(owner: string, request: AccessRequest): Promise<Access> {
    const answer = await this.#ask(owner, request, (transID) => ({ type: 'get', owner, transID }));
    const operation = answer.name === 'reply' ? undefined : readAccessOperation(answer);
    if (operation?.type === 'set') return operation.access;
    throw new RefusedError('REFUSED', replyIn(answer));
  }

  #ask(owner: string, request: AccessRequest, operation: (transID: number) => AccessOperation): Promise<XmlElement> {
    return this.#questions.ask({ ...request, owner }, (transID) => writeAccessOperation(operation(transID)));
  }
}

/** The list without the entries that {@link AccessClient.allow} and its like write for an actor. */
function without(entries: readonly AccessEntry[], actor: string): readonly AccessEntry[] {
  const gone = withSubaddresses(actor).map((one) => entryFor(entries, one));
  return entries.filter((one) => !gone.includes(one));
}

function infoOf({ owner, lastUpdate, entries }: Access): AccessInfo {
  return { owner, lastUpdate: new Date(lastUpdate), entries };
}
