/** Sends requests to an access service and awaits the answers. Knows nothing of lists and entries. */
import type { AccessEntry } from '../imxp/vocabulary/access.js';
import type { Form } from '../imxp/vocabulary/form.js';
import { readServiceReply } from '../imxp/vocabulary/reply.js';
import type { XmlElement } from '../xml/parse.js';
import { givenAddress, wireAddress } from './address.js';
import { Deferred } from './deferred.js';
import type { Message } from './message.js';
import { withinTime } from './service-timeout.js';
import type { Transactions } from './transactions.js';

export interface AccessRequest {
  /** Whose list it is; default: {@link Endpoint.address}. */
  readonly owner?: string;
  /** Who asks; default: the first attached address. */
  readonly from?: string;
  readonly signal?: AbortSignal;
}

/** What one actor may do to an owner. */
export interface AccessEntryInfo extends AccessEntry {
  readonly lastUpdate: Date;
}

/** What the client needs of an endpoint. */
export interface AccessEndpoint {
  /** Whose list is meant by default. */
  readonly address: string;
  /** The first gets the answers by default. */
  readonly addresses: readonly string[];
  /** The dialect in which services are asked. */
  readonly dialect: Form;
  send(message: Message): Promise<void>;
}

export class AccessQuestions {
  readonly #endpoint: AccessEndpoint;
  readonly #transactions: Transactions;
  readonly #timeoutMs: number;
  readonly #waiting = new Set<Deferred<XmlElement>>();

  constructor(endpoint: AccessEndpoint, transactions: Transactions, timeoutMs: number) {
    this.#endpoint = endpoint;
    this.#transactions = transactions;
    this.#timeoutMs = timeoutMs;
  }

  get form(): Form {
    return this.#endpoint.dialect;
  }

  owner({ owner }: AccessRequest): string {
    return wireAddress(owner ?? this.#endpoint.address);
  }

  /** @throws TransportError TIMED_OUT | CONNECTION_LOST; RefusedError; LocalError ADDRESS_INVALID | CLOSED */
  async ask(
    { from = this.#endpoint.addresses[0] ?? this.#endpoint.address, signal, ...request }: AccessRequest,
    document: (transID: number) => string,
  ): Promise<XmlElement> {
    const service = `${this.form}=access@${givenAddress(this.owner(request)).domain}`;
    const answer = new Deferred<XmlElement>();
    const transID = this.#transactions.begin(service, (element) => answer.resolve(element));
    this.#waiting.add(answer);
    try {
      await this.#endpoint.send({
        to: service,
        content: { xml: document(transID) },
        from,
        ...(signal === undefined ? {} : { signal }),
      });
      return await withinTime(answer.promise, this.#timeoutMs, 'the access service did not answer', signal);
    } finally {
      this.#waiting.delete(answer);
      // RFC 3341 §4.4: the owner is also notified of a change that they asked for themselves.
      this.#transactions.retire(transID);
    }
  }

  /** Fails what is outstanding: the connection is gone, so whether the requests were carried out is unknown. */
  lose(error: Error): void {
    for (const answer of this.#waiting) answer.reject(error);
  }
}

/** The reply in a service's answer; any other element counts as 501. */
export function replyIn(element: XmlElement): { readonly code: number; readonly text: string } {
  if (element.name !== 'reply')
    return { code: 501, text: `the access service answered with an unexpected element, ${element.name}` };
  const { code, text } = readServiceReply(element);
  return { code, text };
}
