/**
 * Access service in the form of APEX (RFC 3341 §4): processes query, get and set in the order of the document. The
 * entries are those of the owner's one ordered list: get and set concern one entry, query asks the rules that
 * everything else uses.
 */
import type { Reply } from '../errors.js';
import type { Address } from '../imxp/address.js';
import {
  type ApexAccess,
  type ApexAccessOperation,
  type ApexGet,
  type ApexQuery,
  readApexAccess,
  writeApexAccess,
} from '../imxp/vocabulary/apex-access.js';
import { writeServiceReply } from '../imxp/vocabulary/reply.js';
import type { AccessEntries, KeptEntry, OwnedEntries } from '../store/access.js';
import { entryOf, withEntry, withoutEntry } from './access-order.js';
import { type SubjectOptions, subjectOf } from './access-subject.js';
import { Refusal } from './refusal.js';
import type { ServiceRequest } from './request.js';

/** Entries of one owner; a decision may look at all of them. */
export const ENTRIES = 1000;

export interface ApexAnswer {
  /** For the originator. */
  readonly document: string;
  /** For the owner, whose entries have changed. */
  readonly notice?: { readonly owner: Address; readonly document: string };
}

export interface ApexAccessOptions extends SubjectOptions {
  readonly entries: AccessEntries;
  /** Milliseconds since 1970. */
  now(): number;
}

const DONE: Reply = { code: 250, text: '' };
const CHANGED = 'the entry was updated in the meantime: get it again';

export class ApexAccessSteps {
  readonly #options: ApexAccessOptions;

  constructor(options: ApexAccessOptions) {
    this.#options = options;
  }

  /** @throws Refusal and RemoteProtocolError, whose reply is the answer */
  async answer(request: ServiceRequest): Promise<ApexAnswer> {
    const operation = readApexAccess(request.element);
    switch (operation?.type) {
      case 'query':
        return { document: writeApexAccess(await this.#query(operation, request)) };
      case 'get':
        return { document: writeApexAccess(await this.#get(operation, request)) };
      case 'set':
        return this.#set(operation.transID, operation.access, request);
      default:
        throw new Refusal(504, 'the access service supports query, get and set');
    }
  }

  /** RFC 3341 §4.2. */
  async #query({ owner, actor, actions, transID }: ApexQuery, request: ServiceRequest): Promise<ApexAccessOperation> {
    const subject = await this.#subject(owner, request, 'access:query');
    const { access } = this.#options;
    for (const action of actions) {
      if (!(await access.allowed(subject.key, actor.key, action))) return { type: 'deny', transID };
    }
    return { type: 'allow', transID };
  }

  /** RFC 3341 §4.3: actors are compared literally, without wildcards. */
  async #get({ owner, actor, transID }: ApexGet, request: ServiceRequest): Promise<ApexAccessOperation> {
    const subject = await this.#subject(owner, request, 'access:get');
    const known = this.#options.entries.of(subject);
    const entry = entryOf(known.entries, actor);
    if (entry === undefined) throw new Refusal(551, 'there is no entry for this actor');
    const access = { owner, actor, actions: entry.actions, lastUpdate: updateOf(entry, known) };
    return { type: 'set', transID, access };
  }

  /** RFC 3341 §4.4. */
  async #set(transID: number, wanted: ApexAccess, request: ServiceRequest): Promise<ApexAnswer> {
    const subject = await this.#subject(wanted.owner, request, 'access:set');
    for (;;) {
      const known = this.#options.entries.of(subject);
      const entry = entryOf(known.entries, wanted.actor);
      const document = writeServiceReply({ transID, ...DONE, lang: undefined });
      // D-ACCESS-10: an entry that does not exist can be deleted.
      if (entry === undefined && wanted.actions === undefined && wanted.lastUpdate === undefined) return { document };
      if (wanted.lastUpdate !== (entry && updateOf(entry, known))) throw new Refusal(555, CHANGED);
      const lastUpdate = await this.#replace(subject, known, wanted);
      if (lastUpdate === undefined) continue;
      // RFC 3341 §4.4: a deleted entry is reported with the time of its last update.
      const access = { ...wanted, lastUpdate: wanted.actions === undefined ? wanted.lastUpdate : lastUpdate };
      return { document, notice: { owner: subject, document: writeApexAccess({ type: 'set', transID, access }) } };
    }
  }

  /** @returns the time of the update; undefined if another writer was faster */
  #replace(subject: Address, known: OwnedEntries, { actor, actions }: ApexAccess): Promise<number | undefined> {
    const dated = known.entries.map((entry) => ({ ...entry, lastUpdate: updateOf(entry, known) }));
    const entries = actions === undefined ? withoutEntry(dated, actor) : withEntry(dated, actor, actions);
    if (entries.length > ENTRIES) throw new Refusal(554, `more than ${ENTRIES} entries`);
    return this.#options.entries.replace(subject, known, entries, this.#options.now());
  }

  #subject(owner: string, request: ServiceRequest, action: string): Promise<Address> {
    return subjectOf(owner, request, action, this.#options);
  }
}

function updateOf({ lastUpdate }: KeptEntry, known: OwnedEntries): number {
  return lastUpdate ?? known.lastUpdate;
}
