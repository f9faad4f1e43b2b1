/**
 * Presence of XMPP resources as presence of CPIM, and back: a resource is a tuple, with its availability, text and
 * priority. Pure.
 */
import { availabilityOf, type CpimPresence, type CpimTuple } from '../../message/pidf.js';
import { addressOfUri, uriOfAddress } from '../../message/uri.js';
import { beginningOf } from '../../xml/write.js';
import { childOf, dataIn, stanza, type XmppElement, xmppElement } from './element.js';
import { type BareJid, PLAIN_RESOURCE, writeJid } from './jid.js';

/** What an available resource says of itself (RFC 6121 §4.7.2). */
export type ResourceState = Pick<CpimTuple, 'show' | 'note' | 'priority'>;

/** By resource. */
export type Resources = ReadonlyMap<string, ResourceState>;

const CLIENT_NAMESPACE = 'jabber:component:accept';
/** Resources of a user that are looked at; each is a stanza to everybody who watches. */
export const RESOURCES = 32;
/** A text for people is shorter. */
const NOTE_CHARACTERS = 1000;

/** Reads the state of a resource from its presence stanza. */
export function resourceStateOf(presence: XmppElement): ResourceState {
  const show = availabilityOf(dataIn(childOf(presence, 'show')));
  const note = beginningOf(dataIn(childOf(presence, 'status'))?.trim() ?? '', NOTE_CHARACTERS);
  const written = dataIn(childOf(presence, 'priority'))?.trim() ?? '';
  const priority = /^[+-]?[0-9]{1,3}$/.test(written) ? Math.max(-128, Math.min(127, Number(written))) : 0;
  return { ...(show === undefined ? {} : { show }), ...(note === '' ? {} : { note }), priority };
}

/**
 * Makes a presence stanza.
 *
 * @param resource of the sender; undefined for all of it
 * @param state undefined when it is not available
 */
export function presenceStanza(
  from: BareJid,
  resource: string | undefined,
  to: BareJid,
  state: ResourceState | undefined,
): XmppElement {
  const child = (name: string, text: string | undefined) =>
    text === undefined ? undefined : xmppElement(name, CLIENT_NAMESPACE, {}, text);
  return stanza(
    'presence',
    {
      from: resource === undefined ? writeJid(from) : `${writeJid(from)}/${resource}`,
      to: writeJid(to),
      type: state === undefined ? 'unavailable' : undefined,
    },
    child('show', state?.show),
    child('status', state?.note),
    child('priority', state?.priority === undefined ? undefined : String(state.priority)),
  );
}

/** Makes a stanza about a subscription. */
export function subscriptionStanza(
  type: 'subscribe' | 'subscribed' | 'unsubscribe' | 'unsubscribed' | 'probe',
  from: BareJid,
  to: BareJid,
): XmppElement {
  return stanza('presence', { type, from: writeJid(from), to: writeJid(to) });
}

/**
 * Makes the presence of an XMPP user: the address in the mesh, as available as the most available resource that takes
 * messages, and a tuple for each resource.
 */
export function presenceOfResources(address: string, jid: BareJid, resources: Resources): CpimPresence {
  const ranked = [...resources].sort(([, one], [, other]) => (other.priority ?? 0) - (one.priority ?? 0));
  // RFC 6121 §4.7.2.3: a resource with a negative priority takes no messages that are for the user.
  const first = ranked.find(([, { priority = 0 }]) => priority >= 0);
  const im = { destination: uriOfAddress('im', address), info: '' };
  const whole: CpimTuple = first === undefined ? { ...im, status: 'closed' } : { ...im, status: 'open', ...first[1] };
  const tuples = ranked.map(
    ([resource, state]): CpimTuple => ({
      destination: `xmpp:${encodeURI(writeJid(jid))}/${encodeURIComponent(resource)}`,
      status: 'open',
      info: '',
      ...state,
    }),
  );
  return { entityInfo: '', tuples: [whole, ...tuples] };
}

/**
 * The resources that a user of the mesh has in XMPP: one for each open tuple at which the user takes instant messages.
 *
 * @param address of that user
 */
export function resourcesOf({ tuples }: CpimPresence, address: string): Map<string, ResourceState> {
  const found = new Map<string, ResourceState>();
  for (const { destination, status, show, note, priority } of tuples) {
    const resource = status === 'open' ? resourceOf(destination, address) : undefined;
    if (resource === undefined || (found.size >= RESOURCES && !found.has(resource))) continue;
    found.set(resource, {
      ...(show === undefined ? {} : { show }),
      ...(note === undefined ? {} : { note: beginningOf(note, NOTE_CHARACTERS) }),
      ...(priority === undefined ? {} : { priority }),
    });
  }
  return found;
}

/** The address in a destination; undefined for other URIs, and for those of nobody or several, which anybody may publish. */
function inboxOf(destination: string): string | undefined {
  if (!/^im:/i.test(destination)) return undefined;
  try {
    return addressOfUri(destination);
  } catch {
    return undefined;
  }
}

function resourceOf(destination: string, address: string): string | undefined {
  const named = inboxOf(destination);
  if (named === undefined) return undefined;
  const own = named.toLowerCase();
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, at).toLowerCase(), address.slice(at).toLowerCase()];
  if (own === local + domain) return PLAIN_RESOURCE;
  if (!own.startsWith(`${local}/`) || !own.endsWith(domain)) return undefined;
  return own.slice(local.length + 1, own.length - domain.length) || undefined;
}
