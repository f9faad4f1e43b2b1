/**
 * Access service, `imxp=access` or `apex=access` (access-01 §4): processes get and set in the order of the draft, and
 * answers them.
 *
 * An owner has one ordered list of entries. IMXP reads and replaces it as a whole; APEX (RFC 3341) reads and changes
 * single entries (`apex-access.ts`), which are put where the closest match is also the first (`access-order.ts`). In
 * whichever dialect entries were set, the first that matches decides for both.
 */
import { ImxpError, type Reply } from '../errors.js';
import { accountOf, addressOf } from '../imxp/address.js';
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
import { PartyShares } from './party-shares.js';
import { Refusal } from './refusal.js';
import { requestOf, type ServiceRequest } from './request.js';

/** Local part of the service. */
export const ACCESS = 'imxp=access';

/** Largest request in octets: {@link ENTRIES} with room for long addresses. */
const DOCUMENT_OCTETS = 262_144;
/** Elements that answer or report. They are never answered, because two services could continue for ever. */
const ANSWERS: ReadonlySet<string> = new Set(['reply', 'statusResponse', 'allow', 'deny']);

const DONE: Reply = { code: 250, text: '' };

export interface AccessServiceOptions extends SubjectOptions {
  readonly entries: AccessEntries;
  readonly submit: Submit;
  /** Number of requests in progress at a time; further ones are refused with 450. */
  readonly outstanding: number;
  /** Those of one endpoint, subaddresses included. */
  readonly outstandingPerEndpoint: number;
  /** Milliseconds since 1970. */
  now?(): number;
}

export class AccessService implements DeliveryTarget {
  readonly #options: AccessServiceOptions;
  readonly #apex: ApexAccessSteps;
  readonly #now: () => number;
  readonly #requests: PartyShares;

  constructor(options: AccessServiceOptions) {
    this.#options = options;
    this.#requests = new PartyShares({ all: options.outstanding, perParty: options.outstandingPerEndpoint });
    this.#now = options.now ?? Date.now;
    this.#apex = new ApexAccessSteps({ ...options, serves: (local) => options.serves(local), now: this.#now });
  }

  /**
   * Takes a request. The Data operation is answered `ok` if the request will have its own answer as a Data operation
   * (access-01 §4).
   */
  deliver({ data }: OutboundDelivery, sink: DeliverySink): void {
    const request = this.#requestOf(data);
    if ('code' in request) {
      sink.failed(request);
      return;
    }
    if (request.transID === undefined || ANSWERS.has(request.element.name)) {
      sink.delivered();
      return;
    }
    const party = accountOf(request.originator.key);
    if (!this.#requests.take(party)) {
      sink.failed(REPLIES.busy);
      return;
    }
    sink.delivered();
    void this.#serve(request, request.transID).finally(() => this.#requests.release(party));
  }

  /**
   * @returns the reason why the Data operation is refused if no answer could be sent: its reply is then the only answer
   */
  #requestOf(data: Data): ServiceRequest | Reply {
    try {
      const request = requestOf(data, DOCUMENT_OCTETS);
      const { name } = request.element;
      if (request.transID !== undefined || ANSWERS.has(name)) return request;
      return { code: 501, text: `element ${name.slice(0, 40)}: attribute transID must be a number from 1` };
    } catch (error) {
      return replyOf(error);
    }
  }

  /** Resolves when the answer has been sent. Never rejects. */
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
    // REQ-ACC-015; a service has no user who would read the notice.
    if (notice !== undefined && !notice.owner.service) this.#send(request, form, notice.owner.key, notice.document);
  }

  #send({ domain }: ServiceRequest, form: Form, to: string, document: string): void {
    this.#options.submit(documentData(`${serviceIn(ACCESS, form)}@${domain}`, to, document), UNHEARD);
  }

  async #answer(request: ServiceRequest, transID: number): Promise<string> {
    const operation = readAccessOperation(request.element);
    if (operation === undefined) throw new Refusal(504, 'the access service supports get and set');
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
      // The DTD requires at least one entry; the entries that are always appended say the same (D-ACCESS-06).
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

/**
 * Returns the form of the answer: that of the document, since relays of either dialect pass it on unchanged
 * (D-APEX-01).
 */
function formFor({ element, form }: ServiceRequest): Form {
  if (isApexAccess(element)) return 'apex';
  return element.name === 'get' || element.name === 'set' ? 'imxp' : form;
}

/** Entries that say the same as before have not been updated. */
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
