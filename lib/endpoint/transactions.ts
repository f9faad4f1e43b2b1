/**
 * What services send because this endpoint asked them: recognised by the service and the transID (core-01 §6.1.1), and kept
 * from the application's deliveries. What carries a transID that nobody here knows is a delivery like any other. Knows no
 * vocabulary.
 */
import { addressOf } from '../imxp/address.js';
import { contentOf } from '../imxp/content.js';
import type { Data } from '../imxp/operation.js';
import { newTransId } from '../imxp/trans-id.js';
import { serviceIn } from '../imxp/vocabulary/form.js';
import { parseXml, type XmlElement } from '../xml/parse.js';

/** Takes an element with the transaction's transID, and the service it came from. */
export type ElementHandler = (element: XmlElement, service: string) => void;

/** Transactions that are over and still known, so that what comes late does not surprise the application. */
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
   * @param service who will answer; undefined for any service
   * @param given for a transaction that is to have a certain transID
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

  /** Ends a transaction after which something may still come that nobody waits for: it is taken and dropped for a while. */
  retire(transID: number): void {
    const transaction = this.#byTransId.get(transID);
    if (transaction === undefined) return;
    this.#byTransId.set(transID, { ...transaction, handler: () => {} });
    this.#over.push(transID);
    if (this.#over.length > REMEMBERED) this.#byTransId.delete(this.#over.shift() ?? 0);
  }

  /** @returns false when the Data is for the application */
  take(data: Data): boolean {
    if (this.#byTransId.size === 0) return false;
    const originator = addressOf(data.originator);
    if (originator?.service !== true) return false;
    const element = elementOf(data);
    const transaction = this.#byTransId.get(Number(element?.attributes.get('transID')));
    if (element === undefined || transaction === undefined) return false;
    if (transaction.service !== undefined && transaction.service !== keyOf(originator.key)) return false;
    transaction.handler(element, data.originator);
    return true;
  }
}

/** D-APEX-01: on the way a service is named as each dialect names it. */
function keyOf(service: string): string {
  return serviceIn(service, 'imxp');
}

/** The one element a Data carries, if that is what it carries. */
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
