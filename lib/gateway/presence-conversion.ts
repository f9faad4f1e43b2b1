/**
 * Converts presence information between IMXP and CPIM (presence-01 Appendix A, with D-PRES-05 and D-PRES-06). Pure
 * functions.
 */
import type { Presence, Tuple } from '../imxp/vocabulary/presence.js';
import { isOpen } from '../imxp/vocabulary/presence.js';
import { formatTimestamp, LATEST_MS } from '../imxp/vocabulary/timestamp.js';
import type { CpimPresence, CpimTuple } from '../message/pidf.js';
import { addressOfUri } from '../message/uri.js';

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

function tupleOf({ destination, status, info }: CpimTuple, now: number): Tuple {
  const until = status === 'open' ? LATEST_MS : now;
  return { destination, availableUntil: formatTimestamp(until), tupleInfo: uriOrNothing(info), capabilities: [] };
}

function uriOrNothing(text: string): string {
  return URI.test(text) ? text : '';
}
