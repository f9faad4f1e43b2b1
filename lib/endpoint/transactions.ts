/**
 * Transactions with services: recognises answers by the service and the transID (core-01 §6.1.1) and keeps them out of
 * the application's deliveries. A message with an unknown transID is an ordinary delivery. Knows nothing of the
 * services' vocabularies.
 */
import { RefusedError } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import { contentOf } from '../imxp/content.js';
import type { Data, Option } from '../imxp/operation.js';
import { newTransId } from '../imxp/trans-id.js';
import { serviceIn } from '../imxp/vocabulary/form.js';
import { parseXml, type XmlElement } from '../xml/parse.js';

/** Receives an element with the transaction's transID, the service that sent it, and the options of its Data operation. */
export type ElementHandler = (element: XmlElement, service: string, options: readonly Option[]) => void;

const PRESENCE = 'imxp=presence';

/** Ended transactions that are remembered, so that late answers do not reach the application. */
const REMEMBERED = 256;

interface Transaction {
  /** Normalised address of the service, as IMXP names it; undefined when any service may answer. */
  readonly service: string | undefined;
  readonly handler: ElementHandler;
}

export class Transactions {
  readonly #byTransId = new Map<number, Transaction>();
  readonly #over: number[] = [];

  /**
   * Begins a transaction.
   *
   * @param service the service that will answer; undefined where the handler itself judges who answers
   * @returns its transID, unpredictable and used by no other
   */
  begin(service: string | undefined, handler: ElementHandler): number {
    const transID = newTransId(this.#byTransId);
    const key = service === undefined ? undefined : keyOf(addressOf(service)?.key ?? service);
    this.#byTransId.set(transID, { service: key, handler });
    return transID;
  }

  end(transID: number): void {
    this.#byTransId.delete(transID);
  }

  /** Ends a transaction to which answers may still arrive; those are dropped for a while. */
  retire(transID: number): void {
    const transaction = this.#byTransId.get(transID);
    if (transaction === undefined) return;
    this.#byTransId.set(transID, { ...transaction, handler: () => {} });
    this.#over.push(transID);
    if (this.#over.length > REMEMBERED) this.#byTransId.delete(this.#over.shift() ?? 0);
  }

  /**
   * Handles a Data operation that answers a transaction. An answer is told by its transID and the service it comes from
   * (RFC 2779 §5.3).
   *
   * @returns false when it is for the application
   * @throws RefusedError 537 when another service answers than the one that was asked
   */
  take(data: Data): boolean {
    if (this.#byTransId.size === 0) return false;
    const originator = addressOf(data.originator);
    if (originator?.service !== true) return false;
    const element = elementOf(data);
    const transaction = this.#byTransId.get(Number(element?.attributes.get('transID')));
    if (element === undefined || transaction === undefined) return false;
    if (transaction.service !== undefined && transaction.service !== keyOf(originator.key)) throw notAsked();
    transaction.handler(element, data.originator, data.options);
    return true;
  }
}

const NOTIFICATIONS = new Set(['publish', 'notify']);

/**
 * Whether an operation is a notification of a presence service (presence-01 §4.2, §4.3). One that answers no transaction
 * was not asked for: a subscriber receives only notifications that they subscribed to (RFC 2779 §5.3.2).
 */
export function isNotification(data: Data): boolean {
  const originator = addressOf(data.originator);
  if (originator?.wellKnown === undefined || keyOf(originator.wellKnown) !== PRESENCE) return false;
  return NOTIFICATIONS.has(elementOf(data)?.name ?? '');
}

/** The refusal of an element from a service that was not asked, or about something that it cannot know. */
export function notAsked(): RefusedError {
  return new RefusedError('REFUSED', { code: 537, text: 'only the service that was asked may answer' });
}

/** D-APEX-01: services are named differently in each dialect. */
function keyOf(service: string): string {
  return serviceIn(service, 'imxp');
}

/** The XML element that an operation carries; undefined for any other content. */
function elementOf(data: Data): XmlElement | undefined {
  try {
    const content = contentOf(data);
    if (content.kind === 'inline') return parseXml(content.inner);
    const xml = content.kind === 'part' && /^(?:text\/xml|application\/(?:beep\+)?xml)$/.test(content.type);
    return xml ? parseXml(content.body) : undefined;
  } catch {
    return undefined;
  }
}
