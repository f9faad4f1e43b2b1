/** What a gateway needs of a component's connection to its XMPP server. */
import type { XmppElement } from './element.js';

export interface XmppLink {
  /** The domain of the component. */
  readonly domain: string;
  /** Aborted when the connection that is there now is lost; undefined while there is none. */
  readonly online: AbortSignal | undefined;
  /**
   * Resolves when the octets are handed to the system.
   *
   * @throws LocalError ARGUMENT for a character that XML cannot carry; TransportError, with `sent: false` when nothing was
   *   written
   */
  send(stanza: XmppElement): Promise<void>;
}

/** The component that stands for a domain. */
export type FindLink = (domain: string) => XmppLink | undefined;
