/**
 * Views of presence, which show different people different presence. An access entry that names `presence:as-NAME` lets
 * the actors it decides for subscribe, and shows them the presence of the publisher's subaddress NAME as the
 * publisher's. If nothing was published for that subaddress they see the same as for an endpoint that never published,
 * and never anything else: they are politely blocked. The action is specific to this program; nothing differs on the
 * wire.
 */
import { parseAddress } from '../../imxp/address.js';
import type { Presence } from '../../imxp/vocabulary/presence.js';

/** Decides who is shown what. */
export interface Views {
  /** Whether anybody may be shown anything but the publisher's own presence. Cheap; never throws. */
  any(publisher: string): boolean;
  /**
   * Returns the name of the view that a subscriber is given; undefined for the publisher's own presence.
   *
   * @throws LocalError STORE_FAILED
   */
  viewOf(publisher: string, subscriber: string): string | undefined;
}

export const NO_VIEWS: Views = { any: () => false, viewOf: () => undefined };

/** What a subscriber is shown. */
export interface Shown {
  readonly entry: Presence;
  readonly version: number;
  readonly view: string | undefined;
}

/** Returns the address under which a publisher (normalized address) publishes a view. */
export function placeOfView(publisher: string, view: string): string {
  const { base } = parseAddress(publisher);
  const at = base.lastIndexOf('@');
  return parseAddress(`${base.slice(0, at)}/${view}${base.slice(at)}`).key;
}

/** Returns the view that an entry belongs to, and the publisher; undefined for an entry without a subaddress. */
export function viewAt(subject: string): { readonly publisher: string; readonly view: string } | undefined {
  const { base, local } = parseAddress(subject);
  const own = base.slice(0, base.lastIndexOf('@'));
  return local === own ? undefined : { publisher: base, view: local.slice(own.length + 1) };
}
