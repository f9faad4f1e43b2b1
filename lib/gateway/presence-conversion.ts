/**
 * Converts presence information between IMXP and CPIM (presence-01 Appendix A, with D-PRES-05, D-PRES-06 and D-CPIM-09). Pure
 * functions.
 */

import type { Extension } from '../imxp/vocabulary/extension.js';
import type { Presence, Tuple } from '../imxp/vocabulary/presence.js';
import { isOpen } from '../imxp/vocabulary/presence.js';
import { formatTimestamp, LATEST_MS } from '../imxp/vocabulary/timestamp.js';
import { availabilityOf, type CpimPresence, type CpimTuple } from '../message/pidf.js';
import { addressOfUri } from '../message/uri.js';
import { parseXml, textOf } from '../xml/parse.js';
import { escapeText } from '../xml/write.js';

const PIDF = 'urn:ietf:params:xml:ns:pidf';
/** Of elements that only XMPP has. */
const XMPP = 'jabber:client';

/** An absolute URI that an IMXP document can carry. */
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[!$-;=?-Z_a-z~]+(?:#[!$-;=?-Z_a-z~]*)?$/;

/** @param now milliseconds since 1970: a tuple that is no longer available at that time is closed */
export function toCpimPresence({ publisherInfo, tuples }: Presence, now: number): CpimPresence {
  return {
    entityInfo: publisherInfo,
    tuples: tuples.map(
      (tuple): CpimTuple => ({
        destination: tuple.destination,
        // The draft says lastUpdate, which a tuple does not have.
        status: isOpen(tuple, now) ? 'open' : 'closed',
        info: tuple.tupleInfo,
        ...saidIn(tuple.extension),
      }),
    ),
  };
}

/**
 * @param target the `pres:` URI of the notification
 * @param now milliseconds since 1970, at which it was received
 * @throws RemoteProtocolError ADDRESS_INVALID, reply 553
 */
export function fromCpimPresence({ entityInfo, tuples }: CpimPresence, target: string, now: number): Presence {
  const publisher = addressOfUri(target);
  const known = tuples.filter(({ destination }) => URI.test(destination));
  // IMXP requires at least one tuple; an inbox of which nothing is known is closed.
  const complete = known.length > 0 ? known : [{ destination: `im:${publisher}`, status: 'closed' as const, info: '' }];
  return {
    publisher,
    lastUpdate: Math.floor(now / 1000) * 1000,
    publisherInfo: uriOrNothing(entityInfo),
    tuples: complete.map((tuple) => tupleOf(tuple, now)),
  };
}

function tupleOf(given: CpimTuple, now: number): Tuple {
  const { destination, status, info } = given;
  const until = status === 'open' ? LATEST_MS : now;
  const tuple = {
    destination,
    availableUntil: formatTimestamp(until),
    tupleInfo: uriOrNothing(info),
    capabilities: [],
  };
  const elements = elementsFor(given);
  return elements.length === 0 ? tuple : { ...tuple, extension: { attributes: [], elements } };
}

/** What a tuple says about availability, as elements of other namespaces in an entry (D-PRES-18, D-CPIM-09). */
function elementsFor({ show, note, priority }: CpimTuple): string[] {
  const element = (name: string, namespace: string, text: string | undefined): string[] =>
    text === undefined || text === '' ? [] : [`<${name} xmlns='${namespace}'>${escapeText(text)}</${name}>`];
  return [
    ...element('show', XMPP, show),
    ...element('note', PIDF, note),
    ...element('priority', XMPP, priority === undefined ? undefined : String(priority)),
  ];
}

/** Reads what {@link elementsFor} writes; what else others have published is not for CPIM. */
function saidIn(extension: Extension | undefined): Pick<CpimTuple, 'show' | 'note' | 'priority'> {
  const said: { -readonly [Key in 'show' | 'note' | 'priority']?: CpimTuple[Key] } = {};
  for (const text of extension?.elements ?? []) {
    const { name, namespace, data } = elementOf(text);
    const show = namespace === XMPP && name === 'show' ? availabilityOf(data) : undefined;
    if (show !== undefined) said.show = show;
    if (namespace === PIDF && name === 'note' && data !== '') said.note = data;
    const number = namespace === XMPP && name === 'priority' && /^-?[0-9]{1,3}$/.test(data) ? Number(data) : undefined;
    if (number !== undefined && number >= -128 && number <= 127) said.priority = number;
  }
  return said;
}

/** The name of an element without its prefix, its namespace and its text; extensions declare their own namespaces. */
function elementOf(text: string): { readonly name: string; readonly namespace: string; readonly data: string } {
  const element = parseXml(Buffer.from(text));
  const colon = element.name.indexOf(':');
  const declared = colon < 0 ? 'xmlns' : `xmlns:${element.name.slice(0, colon)}`;
  const namespace = element.attributes.get(declared) ?? '';
  return { name: element.name.slice(colon + 1), namespace, data: textOf(element).trim() };
}

function uriOrNothing(text: string): string {
  return URI.test(text) ? text : '';
}
