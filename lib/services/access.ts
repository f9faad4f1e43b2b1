/**
 * The access service, `imxp=access` or `apex=access` (access-01 §4): the steps of get and set in their order, and their
 * answers. Owns what is answered when; refuses to know how entries are kept and what else consults them.
 *
 * An owner has one list of entries, in order. IMXP reads and replaces it as a whole; APEX (RFC 3341) sees each entry of it by
 * itself and changes one at a time (`apex-access.ts`), which is put where the closest match is also the first
 * (`access-order.ts`). Whichever dialect entries were set in, the first that matches decides for both.
 */
import { ImxpError, type Reply } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import type { Data } from '../imxp/operation.js';
import {
  type AccessEntry,
  type AccessGet,
  type AccessOperation,
  type AccessSet,
  readAccessOperation,
  writeAccessOperation,
} from '../imxp/vocabulary/access.js';
import { isApexAccess } from '../imxp/vocabulary/apex-access.js';
import { type Form, serviceIn } from '../imxp/vocabulary/form.js';
import { writeServiceReply } from '../imxp/vocabulary/reply.js';
import { events } from '../ops/events.js';
import { REPLIES } from '../relay/answer.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../relay/target.js';
import type { AccessEntries, KeptEntry, OwnedEntries } from '../store/access.js';
import { implicitEntries } from './access-rules.js';
import { type SubjectOptions, subjectOf } from './access-subject.js';
import { ApexAccessSteps, type ApexAnswer, ENTRIES } from './apex-access.js';
import { documentData, type Submit, UNHEARD } from './outgoing.js';
import { Refusal } from './refusal.js';
import { requestOf, type ServiceRequest } from './request.js';

/** The local part of the service. */
export const ACCESS = 'imxp=access';

/** Octets of a request: {@link ENTRIES} with room for long addresses. */
const DOCUMENT_OCTETS = 262_144;
/** Elements that answer or report something: whoever answered them might answer each other for ever. */
const ANSWERS: ReadonlySet<string> = new Set(['reply', 'statusResponse', 'allow', 'deny']);

const DONE: Reply = { code: 250, text: '' };

export interface AccessServiceOptions extends SubjectOptions {
  readonly entries: AccessEntries;
  readonly submit: Submit;
  /** Requests under way at one time; past it the Data is refused with 450. */
  readonly outstanding: number;
  /** Milliseconds since 1970. */
  now?(): number;
}

export class AccessService implements DeliveryTarget {
  readonly #options: AccessServiceOptions;
  readonly #apex: ApexAccessSteps;
  readonly #now: () => number;
  #outstanding = 0;

  constructor(options: AccessServiceOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#apex = new ApexAccessSteps({ ...options, serves: (local) => options.serves(local), now: this.#now });
  }

  /**
   * Takes a request: the Data is answered ok when the request is one that will have its answer as Data (access-01 §4).
   */
  deliver({ data }: OutboundDelivery, sink: DeliverySink): void {
    const request = this.#requestOf(data);
    if ('code' in request) {
      sink.failed(request);
      return;
    }
    sink.delivered();
    if (request.transID === undefined || ANSWERS.has(request.element.name)) return;
    this.#outstanding += 1;
    void this.#serve(request, request.transID).finally(() => {
      this.#outstanding -= 1;
    });
  }

  /** @returns why the Data is not taken where no answer could be sent: its answer is the only one there will be */
  #requestOf(data: Data): ServiceRequest | Reply {
    if (this.#outstanding >= this.#options.outstanding) return REPLIES.busy;
    try {
      const request = requestOf(data, DOCUMENT_OCTETS);
      const { name } = request.element;
      if (request.transID !== undefined || ANSWERS.has(name)) return request;
      return { code: 501, text: `element ${name.slice(0, 40)}: attribute transID must be a number from 1` };
    } catch (error) {
      return replyOf(error);
    }
  }

  /** Resolves when the answer is on its way. Never rejects. */
  async #serve(request: ServiceRequest, transID: number): Promise<void> {
    const { originator } = request;
    const form = formFor(request);
    let answer: ApexAnswer;
    try {
      answer = form === 'apex' ? await this.#apex.answer(request) : { document: await this.#answer(request, transID) };
    } catch (error) {
      answer = { document: writeServiceReply({ transID, ...replyOf(error), lang: undefined }) };
    }
    this.#send(request, form, originator.key, answer.document);
    const { notice } = answer;
    // REQ-ACC-015; services have nobody who would read it.
    if (notice !== undefined && !notice.owner.service) this.#send(request, form, notice.owner.key, notice.document);
  }

  #send({ domain }: ServiceRequest, form: Form, to: string, document: string): void {
    this.#options.submit(documentData(`${serviceIn(ACCESS, form)}@${domain}`, to, document), UNHEARD);
  }

  async #answer(request: ServiceRequest, transID: number): Promise<string> {
    const operation = readAccessOperation(request.element);
    if (operation === undefined) throw new Refusal(504, 'the access service knows get and set');
    if (operation.type === 'get') return writeAccessOperation(await this.#get(operation, request));
    await this.#set(operation, request);
    return writeServiceReply({ transID, ...DONE, lang: undefined });
  }

  /** access-01 §4.2. */
  async #get(operation: AccessGet, request: ServiceRequest): Promise<AccessOperation> {
    const owner = await subjectOf(operation.owner, request, 'access:get', this.#options);
    const { entries, lastUpdate } = this.#options.entries.of(owner);
    return {
      type: 'set',
      owner: operation.owner,
      transID: operation.transID,
      timeStamp: this.#now(),
      // The DTD wants one entry at least; those that are there anyway say the same (D-ACCESS-06).
      access: {
        owner: operation.owner,
        lastUpdate,
        entries: entries.length > 0 ? entries : implicitEntries(owner),
      },
    };
  }

  /** access-01 §4.3. */
  async #set(operation: AccessSet, request: ServiceRequest): Promise<void> {
    const { access } = operation;
    if (!sameOwner(operation.owner, access.owner)) throw new Refusal(503, 'set and access name different owners');
    const owner = await subjectOf(operation.owner, request, 'access:set', this.#options);
    if (access.entries.length > ENTRIES) throw new Refusal(554, `more than ${ENTRIES} entries`);
    const { entries } = this.#options;
    for (;;) {
      const known = entries.of(owner);
      if (known.lastUpdate !== access.lastUpdate) {
        throw new Refusal(555, 'the entry was updated in the meantime: get it again');
      }
      const wanted = unchanged(access.entries, known);
      if ((await entries.replace(owner, known, wanted, this.#now())) !== undefined) return;
    }
  }
}

/** The form to answer in: that of the document, since relays of either dialect pass it on unchanged (D-APEX-01). */
function formFor({ element, form }: ServiceRequest): Form {
  if (isApexAccess(element)) return 'apex';
  return element.name === 'get' || element.name === 'set' ? 'imxp' : form;
}

/** Entries that say what they said before have not been updated. */
function unchanged(wanted: readonly AccessEntry[], { entries, lastUpdate }: OwnedEntries): KeptEntry[] {
  const before = new Map(entries.map((entry) => [textOf(entry), entry.lastUpdate ?? lastUpdate]));
  return wanted.map((entry) => {
    const since = before.get(textOf(entry));
    return since === undefined ? entry : { ...entry, lastUpdate: since };
  });
}

function textOf({ actor, actions }: AccessEntry): string {
  return `${actor} ${actions.join(' ')}`;
}

function sameOwner(first: string, second: string): boolean {
  return first === second || (addressOf(first)?.key ?? 0) === addressOf(second)?.key;
}

function replyOf(error: unknown): Reply {
  if (error instanceof Refusal) return error.reply;
  if (error instanceof ImxpError && error.reply !== undefined) return error.reply;
  events.fault.publish({ session: ACCESS, error });
  return REPLIES.internal;
}
