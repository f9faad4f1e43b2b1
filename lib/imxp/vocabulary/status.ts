/**
 * `statusResponse`, the document of report services (core-01 §5.1, §6.2): what became of the recipients of a Data
 * operation.
 */
import type { XmlElement } from '../../xml/parse.js';
import { escapeAttribute } from '../../xml/write.js';
import { addressOf } from '../address.js';
import { checkAttributes, childrenOf, invalid, required, transIdOf } from '../dialect/document.js';
import { readServiceReply, type ServiceReply, writeServiceReply } from './reply.js';

export interface Destination {
  /** The recipient as the request named it (D-CORE-28). */
  readonly identity: string;
  readonly reply: Omit<ServiceReply, 'type' | 'transID'>;
}

export interface StatusResponse {
  readonly type: 'statusResponse';
  /** transID of the statusRequest. */
  readonly transID: number;
  readonly destinations: readonly Destination[];
}

/** @throws RemoteProtocolError XML_INVALID, reply 501 */
export function readStatusResponse(element: XmlElement): StatusResponse {
  if (element.name !== 'statusResponse') throw invalid('a report must be a statusResponse');
  checkAttributes(element, ['transID']);
  const transID = transIdOf(element);
  const destinations = childrenOf(element).map((child) => readDestination(child, transID));
  if (destinations.length === 0) throw invalid('element statusResponse: at least one destination is needed');
  return { type: 'statusResponse', transID, destinations };
}

function readDestination(element: XmlElement, transID: number): Destination {
  if (element.name !== 'destination') throw invalid('element statusResponse: only destination is allowed in it');
  checkAttributes(element, ['identity']);
  const identity = required(element, 'identity');
  const [reply, ...others] = childrenOf(element);
  if (reply?.name !== 'reply' || others.length > 0) throw invalid('element destination: exactly one reply is needed');
  const { code, text, lang } = readServiceReply(reply, transID);
  return { identity, reply: { code, text, lang } };
}

/**
 * Writes the element, without white space around it.
 *
 * @throws LocalError ARGUMENT for an identity that XML cannot represent
 */
export function writeStatusResponse({ transID, destinations }: Omit<StatusResponse, 'type'>): string {
  const inner = destinations.map(({ identity, reply }) => {
    // D-CORE-29: strict readers need a transID there, although the draft's examples have none.
    const document = writeServiceReply({ transID, ...reply });
    return `<destination identity='${escapeAttribute(identity)}'>${document}</destination>`;
  });
  return `<statusResponse transID='${transID}'>${inner.join('')}</statusResponse>`;
}

/**
 * Selects the recipients that a report may speak for: a relay knows the recipients in its own domain, the relay of the
 * originator knows all of them, and a relay in between, which is neither, may tell what became of them on the way. A
 * report from the domain of one recipient says nothing about recipients elsewhere (RFC 2779 §5.3).
 *
 * @param service the originator of the report
 * @param home the domain of the originator of the Data operation
 * @param recipients the domains of its recipients
 * @returns the destinations that count; none if the originator is no report service
 */
export function credible(
  destinations: readonly Destination[],
  service: string,
  home: string,
  recipients: ReadonlySet<string>,
): readonly Destination[] {
  const from = addressOf(service);
  if (from === undefined || !REPORT_SERVICES.has(from.wellKnown ?? '')) return [];
  if (from.domain === home || !recipients.has(from.domain)) return destinations;
  return destinations.filter(({ identity }) => addressOf(identity)?.domain === from.domain);
}

const REPORT_SERVICES: ReadonlySet<string> = new Set(['imxp=report', 'apex=report']);

const PROLOGUE = /^(?:\uFEFF|\s|<\?[\s\S]*?\?>|<!--[\s\S]*?-->)*<statusResponse[\s/>]/;
/** Octets that are searched; a comment before the element may be longer, but a report service writes none. */
const LOOKED_AT = 4096;

/** Whether octets begin like a statusResponse, valid or not. */
export function looksLikeStatusResponse(octets: Buffer): boolean {
  return PROLOGUE.test(octets.toString('utf8', 0, LOOKED_AT));
}
