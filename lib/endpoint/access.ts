/**
 * The endpoint's side of the access service (IMXP access §4): reading who may do what, and changing it. Knows how an
 * endpoint sends and is told, and nothing of connections.
 */
import { LocalError, RefusedError } from '../errors.js';
import {
  type Access,
  type AccessEntry,
  type AccessOperation,
  isAction,
  readAccessOperation,
  writeAccessOperation,
} from '../imxp/vocabulary/access.js';
import { parseActor } from '../imxp/vocabulary/actor.js';
import { readServiceReply } from '../imxp/vocabulary/reply.js';
import type { XmlElement } from '../xml/parse.js';
import { allowed, denied } from './access-list.js';
import { givenAddress } from './address.js';
import { Deferred } from './deferred.js';
import { checkKeys, type Keys } from './keys.js';
import type { Message } from './message.js';
import { inTime } from './patience.js';
import type { Transactions } from './transactions.js';

export interface AccessRequest {
  /** Whose list; default the first address attached. */
  readonly owner?: string;
  /** Who asks; default the first address attached. */
  readonly from?: string;
  readonly signal?: AbortSignal;
}

/** Who may do what to an owner: the first entry that matches an actor decides. */
export interface AccessInfo {
  readonly owner: string;
  readonly lastUpdate: Date;
  readonly entries: readonly AccessEntry[];
}

/** What the client needs of an endpoint. */
export interface AccessEndpoint {
  readonly addresses: readonly string[];
  send(message: Message): Promise<void>;
}

const KEYS: Keys<AccessRequest> = { owner: true, from: true, signal: true };

/** Somebody else may change the same list; so often in a row he hardly does. */
const ATTEMPTS = 5;
/** IMXP access §4.2 step 5: the list has been changed since it was read. */
const CHANGED = 555;

export class AccessClient {
  readonly #endpoint: AccessEndpoint;
  readonly #transactions: Transactions;
  readonly #timeoutMs: number;
  readonly #waiting = new Set<Deferred<XmlElement>>();

  /** See {@link Endpoint.access}. */
  constructor(endpoint: AccessEndpoint, transactions: Transactions, timeoutMs: number) {
    this.#endpoint = endpoint;
    this.#transactions = transactions;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Reads an access list.
   *
   * @throws RefusedError REFUSED: 537 not permitted, 550 unknown owner, 553 not of that domain; TransportError TIMED_OUT |
   * CONNECTION_LOST; LocalError ADDRESS_INVALID | CLOSED
   * @example
   * for (const { actor, actions } of (await fred.access.get()).entries) console.log(actor, actions.join(' '));
   */
  async get(request: AccessRequest = {}): Promise<AccessInfo> {
    return infoOf(await this.#present(this.#owner(request), request));
  }

  /**
   * Replaces an access list as a whole; only if nobody changed it since it was read.
   *
   * @param entries the new ones, in their order, at least one; or a function that makes them from the present list, called
   *   again when somebody else was faster
   * @returns the list as it was before
   * @throws as {@link get}; RefusedError 555 when somebody else was faster several times in a row; LocalError ARGUMENT
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
      const wanted = typeof entries === 'function' ? entries(present) : entries;
      check(wanted);
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
   * Lets an actor do more than before; for everybody else nothing changes.
   *
   * @param actor an address, or a pattern such as `*@rubble.com`
   * @param actions such as `core:data` (send messages) and `presence:subscribe`
   * @throws as {@link set}
   * @example
   * await fred.access.allow('barney@rubble.com', ['presence:subscribe']);
   */
  async allow(actor: string, actions: readonly string[], request: AccessRequest = {}): Promise<void> {
    await this.set(({ owner, entries }) => allowed(entries, owner, actor, actions), request);
  }

  /**
   * Takes something from an actor, or everything when no actions are given. A literal actor is that endpoint only, not its
   * subaddresses.
   *
   * @throws as {@link set}
   * @example
   * await fred.access.deny('mrslate@slate.example');
   */
  async deny(actor: string, actions: readonly string[] = [], request: AccessRequest = {}): Promise<void> {
    await this.set(({ owner, entries }) => denied(entries, owner, actor, actions), request);
  }

  /** The connection is gone: whether what was asked for is done is unknown, and nobody will say. */
  lose(error: Error): void {
    for (const answer of this.#waiting) answer.reject(error);
  }

  #owner(request: AccessRequest): string {
    checkKeys(request, KEYS, 'access');
    return request.owner ?? this.#endpoint.addresses[0] ?? '';
  }

  async #present(owner: string, request: AccessRequest): Promise<Access> {
    const answer = await this.#ask(owner, request, (transID) => ({ type: 'get', owner, transID }));
    const operation = answer.name === 'reply' ? undefined : readAccessOperation(answer);
    if (operation?.type === 'set') return operation.access;
    throw new RefusedError('REFUSED', replyIn(answer));
  }

  async #ask(
    owner: string,
    { from, signal }: AccessRequest,
    operation: (transID: number) => AccessOperation,
  ): Promise<XmlElement> {
    const service = `imxp=access@${givenAddress(owner).domain}`;
    const answer = new Deferred<XmlElement>();
    const transID = this.#transactions.begin(service, (element) => answer.resolve(element));
    this.#waiting.add(answer);
    try {
      await this.#endpoint.send({
        to: service,
        content: { xml: writeAccessOperation(operation(transID)) },
        ...(from === undefined ? {} : { from }),
        ...(signal === undefined ? {} : { signal }),
      });
      return await inTime(answer.promise, this.#timeoutMs, 'no answer of the access service', signal);
    } finally {
      this.#waiting.delete(answer);
      this.#transactions.end(transID);
    }
  }
}

function infoOf({ owner, lastUpdate, entries }: Access): AccessInfo {
  return { owner, lastUpdate: new Date(lastUpdate), entries };
}

function replyIn(element: XmlElement): { readonly code: number; readonly text: string } {
  if (element.name !== 'reply') return { code: 501, text: `the access service answered with ${element.name}` };
  const { code, text } = readServiceReply(element);
  return { code, text };
}

function check(entries: readonly AccessEntry[]): void {
  if (entries.length === 0) throw new LocalError('ARGUMENT', 'an access list has at least one entry');
  for (const { actor, actions } of entries) {
    if (parseActor(actor) === undefined) throw new LocalError('ARGUMENT', `${JSON.stringify(actor)} is no actor`);
    const wrong = actions.find((action) => !isAction(action));
    if (wrong !== undefined) throw new LocalError('ARGUMENT', `${JSON.stringify(wrong)} is no action`);
  }
}
