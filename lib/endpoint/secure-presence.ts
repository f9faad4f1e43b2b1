/**
 * Presence that its publisher signed, or encrypted for those who may read it (RFC 3859 §4): a PIDF document secured by
 * S/MIME, carried within the entry as an element of another namespace, which presence services keep as it is.
 */

import { RemoteProtocolError } from '../errors.js';
import type { Presence } from '../imxp/vocabulary/presence.js';
import { isOpen } from '../imxp/vocabulary/presence.js';
import { type CpimPresence, PIDF_TYPE, type PidfDocument, readPidf, writePidf } from '../message/pidf.js';
import type { Signature } from '../message/smime/signature.js';
import { uriOfAddress } from '../message/uri.js';
import { decodedBody, entityType, parseEntity } from '../mime/entity.js';
import { parseXml, textOf } from '../xml/parse.js';
import { givenAddress } from './address.js';
import type { ContentSecurity } from './secure.js';

const NAMESPACE = 'urn:x-imxp:secured';
const ELEMENT = /^<([A-Za-z0-9_.-]+:)?secured[ />]/;
/** How far the clock of a publisher may differ from that of the service. */
const TOLERANCE_MS = 300_000;

/** How a publisher wants presence to be protected. */
export interface PresenceSealing {
  /** Sign it with the certificate in the endpoint's `secure` option, so that it cannot be changed on the way. */
  readonly sign?: boolean;
  /**
   * Encrypt it for these, whose certificates are in `secure`. Everybody else, the presence services included, sees the
   * entry closed and without destinations.
   */
  readonly encryptFor?: readonly string[];
}

/** How presence was protected. */
export interface PresenceProtection {
  readonly signed: Signature | undefined;
  readonly encrypted: boolean;
  /** What was signed or encrypted; undefined when it cannot be read here. */
  readonly presence: Presence | undefined;
}

/**
 * Protects an entry.
 *
 * @returns the entry with the secured document in it
 * @throws LocalError ARGUMENT as {@link Secure.seal}
 */
export function securedPresence(
  presence: Presence,
  { sign, encryptFor }: PresenceSealing,
  by: ContentSecurity,
): Presence {
  const { publisher, tuples, publisherInfo, extension } = presence;
  const encrypt = encryptFor !== undefined;
  const now = Date.now();
  const document: CpimPresence = {
    entityInfo: publisherInfo,
    tuples: tuples.map((tuple) => ({
      destination: tuple.destination,
      status: isOpen(tuple, now) ? ('open' as const) : ('closed' as const),
      info: tuple.tupleInfo,
      until: tuple.availableUntil,
    })),
  };
  const entity = writePidf(presentityOf(publisher), document);
  const { type, body } = by.seal(entity, { sign: sign === true, encrypt, from: publisher, to: encryptFor ?? [] });
  const octets = Buffer.concat([Buffer.from(`Content-Type: ${type}\r\n\r\n`), body]);
  const element = `<s:secured xmlns:s='${NAMESPACE}'>${octets.toString('base64')}</s:secured>`;
  const { attributes = [], elements = [] } = extension ?? {};
  const others = elements.filter((one) => securedIn(one) === undefined);
  const more = { attributes, elements: [...others, element] };
  if (!encrypt) return { ...presence, extension: more };
  // An entry has at least one tuple; this one says nothing.
  const hidden = {
    destination: presentityOf(publisher),
    availableUntil: CLOSED,
    tupleInfo: '',
    capabilities: [],
  };
  return { ...presence, publisherInfo: '', tuples: [hidden], extension: { attributes: [], elements: [element] } };
}

/** A view is published for a subaddress, and shown in the name of its owner (D-PRES-17). */
function presentityOf(publisher: string): string {
  return uriOfAddress('pres', givenAddress(publisher).base);
}

const CLOSED = '1970-01-01T00:00:00Z';

/** The octets in an element, if it is a secured document. */
function securedIn(element: string): Buffer | undefined {
  if (!ELEMENT.test(element) || !element.includes(NAMESPACE)) return undefined;
  const parsed = parseXml(Buffer.from(element));
  const [prefix = ''] = parsed.name.split(':');
  return parsed.attributes.get(`xmlns:${prefix}`) === NAMESPACE ? Buffer.from(textOf(parsed), 'base64') : undefined;
}

/**
 * Verifies and decrypts the document within an entry.
 *
 * @returns undefined when there is none
 * @throws LocalError CONFIGURATION | ARGUMENT when certificates on this side cannot be read
 */
export function openedPresence(presence: Presence, by: ContentSecurity): PresenceProtection | undefined {
  const octets = presence.extension?.elements.map(securedIn).find((one) => one !== undefined);
  if (octets === undefined) return undefined;
  try {
    const received = parseEntity(octets);
    const opened = by.read({ headers: received.headers, body: decodedBody(received) }, presence.publisher);
    const { signed, encrypted, entity } = opened;
    if (entityType(entity.headers).media.type !== PIDF_TYPE) return unreadable(encrypted);
    const document = readPidf(entity.body);
    const inner = presenceOf(document, presence);
    const reason = signed?.valid === true ? faultOf(document, presence, signed, encrypted) : undefined;
    const verdict =
      signed === undefined || reason === undefined ? signed : { ...signed, valid: false, reason, trust: undefined };
    return { signed: verdict, encrypted, presence: inner };
  } catch (error) {
    // Encrypted for others, or no document at all; the entry itself stands.
    if (!(error instanceof RemoteProtocolError)) throw error;
    return unreadable(error.code === 'SMIME_UNREADABLE');
  }
}

function unreadable(encrypted: boolean): PresenceProtection {
  return { signed: undefined, encrypted, presence: undefined };
}

/** What the document says, in the place of what the entry says. */
function presenceOf({ presence: { entityInfo, tuples } }: PidfDocument, entry: Presence): Presence {
  return {
    ...entry,
    publisherInfo: entityInfo,
    tuples: tuples.map(({ destination, info, until = CLOSED }) => {
      const said = entry.tuples.find((tuple) => tuple.destination === destination);
      return { destination, availableUntil: until, tupleInfo: info, capabilities: said?.capabilities ?? [] };
    }),
  };
}

/** A signature counts for this entry alone: of this publisher, saying the same, and made when the entry was published. */
function faultOf(
  { entity, presence }: PidfDocument,
  entry: Presence,
  { at }: Signature,
  encrypted: boolean,
): 'other sender' | 'altered' | 'stale' | undefined {
  if (entity !== presentityOf(entry.publisher)) return 'other sender';
  const said = presence.tuples.map(({ destination, info, until }) => [destination, info, until].join(' '));
  const shown = entry.tuples.map(({ destination, tupleInfo, availableUntil }) =>
    [destination, tupleInfo, availableUntil].join(' '),
  );
  if (!encrypted && (said.join('\n') !== shown.join('\n') || presence.entityInfo !== entry.publisherInfo))
    return 'altered';
  return at === undefined || Math.abs(at.getTime() - entry.lastUpdate) > TOLERANCE_MS ? 'stale' : undefined;
}
