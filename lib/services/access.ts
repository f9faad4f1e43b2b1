/**
 * The access service, `imxp=access` (IMXP access §4): the steps of get and set in their order, and their answers. Owns
 * what is answered when; refuses to know how entries are kept and what else consults them.
 */
import { ImxpError, type Reply } from '../errors.js';
import { type Address, addressOf } from '../imxp/address.js';
import type { Data } from '../imxp/operation.js';
import {
  type AccessGet,
  type AccessOperation,
  type AccessSet,
  readAccessOperation,
  writeAccessOperation,
} from '../imxp/vocabulary/access.js';
import { writeServiceReply } from '../imxp/vocabulary/reply.js';
import { events } from '../ops/events.js';
import { REPLIES } from '../relay/answer.js';
import type { AccessPolicy, Delivery, DeliverySink, DeliveryTarget, Directory } from '../relay/target.js';
import type { AccessEntries } from '../store/access.js';
import { implicitEntries } from './access-rules.js';
import { documentData, type Submit, UNHEARD } from './outgoing.js';
import { Refusal } from './refusal.js';
import { requestOf, type ServiceRequest } from './request.js';

/** The local part of the service. */
export const ACCESS = 'imxp=access';

/** Entries of one owner; a decision may look at all of them. */
const ENTRIES = 1000;
/** Octets of a request: {@link ENTRIES} with room for long addresses. */
const DOCUMENT_OCTETS = 262_144;
/** Elements that answer or report something: whoever answered them might answer each other for ever. */
const ANSWERS: ReadonlySet<string> = new Set(['reply', 'statusResponse']);

const DONE: Reply = { code: 250, text: '' };

export interface AccessServiceOptions {
  readonly entries: AccessEntries;
  readonly access: AccessPolicy;
  readonly directory: Directory;
  /** Whether a well-known local part, such as `imxp=presence`, is served here. */
  serves(local: string): boolean;
  readonly submit: Submit;
  /** Requests under way at one time; past it the Data is refused with 450. */
  readonly outstanding: number;
  /** Milliseconds since 1970. */
  now?(): number;
}

export class AccessService implements DeliveryTarget {
  readonly #options: AccessServiceOptions;
  readonly #now: () => number;
  #outstanding = 0;

  constructor(options: AccessServiceOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Takes a request: the Data is answered ok when the request is one that will have its answer as Data (IMXP access §4).
   */
  deliver({ data }: Delivery, sink: DeliverySink): void {
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
    const { domain, originator } = request;
    let document: string;
    try {
      document = await this.#answer(request, transID);
    } catch (error) {
      document = writeServiceReply({ transID, ...replyOf(error), lang: undefined });
    }
    this.#options.submit(documentData(`${ACCESS}@${domain}`, originator.key, document), UNHEARD);
  }

  async #answer(request: ServiceRequest, transID: number): Promise<string> {
    const operation = readAccessOperation(request.element);
    if (operation === undefined) throw new Refusal(504, 'the access service knows get and set');
    if (operation.type === 'get') return writeAccessOperation(await this.#get(operation, request));
    await this.#set(operation, request);
    return writeServiceReply({ transID, ...DONE, lang: undefined });
  }

  /** IMXP access §4.1. */
  async #get(operation: AccessGet, request: ServiceRequest): Promise<AccessOperation> {
    const owner = await this.#subject(operation, request, 'access:get');
    const { entries, lastUpdate } = this.#options.entries.of(owner);
    return {
      type: 'set',
      owner: operation.owner,
      transID: operation.transID,
      timeStamp: this.#now(),
      // The DTD wants one entry at least; those that are there anyway say the same (ACC-8).
      access: {
        owner: operation.owner,
        lastUpdate,
        entries: entries.length > 0 ? entries : implicitEntries(owner),
      },
    };
  }

  /** IMXP access §4.2. */
  async #set(operation: AccessSet, request: ServiceRequest): Promise<void> {
    const { access } = operation;
    if (!sameOwner(operation.owner, access.owner)) throw new Refusal(503, 'set and access name different owners');
    const owner = await this.#subject(operation, request, 'access:set');
    if (access.entries.length > ENTRIES) throw new Refusal(554, `more than ${ENTRIES} entries`);
    const { entries } = this.#options;
    for (;;) {
      const known = entries.of(owner);
      if (known.lastUpdate !== access.lastUpdate) {
        throw new Refusal(555, 'the entry was updated in the meantime: get it again');
      }
      if ((await entries.replace(owner, known, access.entries, this.#now())) !== undefined) return;
    }
  }

  /** The steps that get and set have in common. */
  async #subject({ owner }: AccessOperation, { domain, originator }: ServiceRequest, action: string): Promise<Address> {
    const name = addressOf(owner);
    if (name?.domain !== domain) throw new Refusal(553, `the owner is not an endpoint of ${domain}`);
    const { directory, access, serves } = this.#options;
    const valid = name.wellKnown === undefined ? await directory.known(name.base) : serves(name.wellKnown);
    if (!valid) throw new Refusal(550, 'unknown endpoint identity');
    if (!(await access.allowed(name.key, originator.key, action))) throw new Refusal(537, `${action} is not granted`);
    return name;
  }
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
