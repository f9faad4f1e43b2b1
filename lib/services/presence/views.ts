/**
 * Different presence for different people: an access entry that names `presence:as-NAME` lets those it decides for subscribe,
 * and shows them the presence of the publisher's subaddress NAME in the publisher's name. Where nothing was published for that
 * subaddress they see what an endpoint has that never published, and never anything else: they are blocked politely. The
 * action is one of this program; on the wire nothing is different. Knows how views are named, not who is given which.
 */
import { parseAddress } from '../../imxp/address.js';
import type { Presence } from '../../imxp/vocabulary/presence.js';

/** Who is shown what. */
export interface Views {
  /** Whether anybody may be shown anything but the publisher's own presence. Cheap; never throws. */
  any(publisher: string): boolean;
  /** The name of the view somebody is given; undefined for the publisher's own presence. @throws LocalError STORE_FAILED */
  viewOf(publisher: string, subscriber: string): string | undefined;
}

export const NO_VIEWS: Views = { any: () => false, viewOf: () => undefined };

/** What a subscriber is shown. */
export interface Shown {
  readonly entry: Presence;
  readonly version: number;
  readonly view: string | undefined;
}

/** Where a publisher (normalised address) publishes for a view. */
export function placeOfView(publisher: string, view: string): string {
  const { base } = parseAddress(publisher);
  const at = base.lastIndexOf('@');
  return parseAddress(`${base.slice(0, at)}/${view}${base.slice(at)}`).key;
}

/** The view that an entry is for, and whose; undefined for an entry that is of no subaddress. */
export function viewAt(subject: string): { readonly publisher: string; readonly view: string } | undefined {
  const { base, local } = parseAddress(subject);
  const own = base.slice(0, base.lastIndexOf('@'));
  return local === own ? undefined : { publisher: base, view: local.slice(own.length + 1) };
}
