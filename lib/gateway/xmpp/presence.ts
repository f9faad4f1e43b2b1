/** Presence between CPIM and XMPP (RFC 6121 §3 and §4): gives each stanza to the direction that it belongs to. */
import { events } from '../../ops/events.js';
import type { CpimResponse, NotifyOperation, SubscribeOperation } from '../cpim-service.js';
import type { XmppElement } from './element.js';
import { parseJid } from './jid.js';
import type { XmppLink } from './link.js';
import { MeshWatchers } from './mesh-watchers.js';
import { publishRefusal, type XmppContext } from './messages.js';
import type { PresenceContext, XmppPresenceOptions, XmppSubscriptionStore } from './subscriptions.js';
import { XmppWatchers } from './xmpp-watchers.js';

const NOTHING: XmppSubscriptionStore = { all: () => [], put: () => {}, remove: () => {} };

export class XmppPresence {
  readonly #mesh: MeshWatchers;
  readonly #xmpp: XmppWatchers;

  /** @param store without it subscriptions are lost when the process ends */
  constructor(
    context: XmppContext,
    options: XmppPresenceOptions,
    leaving: AbortSignal,
    store: XmppSubscriptionStore = NOTHING,
  ) {
    const whole: PresenceContext = { ...context, store, leaving };
    this.#mesh = new MeshWatchers(whole, options);
    this.#xmpp = new XmppWatchers(whole, options);
  }

  subscribe(operation: SubscribeOperation): Promise<CpimResponse> {
    return this.#mesh.subscribe(operation);
  }

  notify(operation: NotifyOperation): void {
    this.#xmpp.notified(operation);
  }

  /** Handles a stanza of type `presence`. */
  async received(presence: XmppElement, link: XmppLink): Promise<void> {
    const { type, from: sender = '', to: recipient = '' } = presence.attributes;
    const [from, to] = [parseJid(sender), parseJid(recipient)];
    if (from === undefined || to === undefined) {
      publishRefusal(link, sender, 'stanza', { code: 501, text: 'a stanza without valid addresses' });
      return;
    }
    if (type === 'subscribe' || type === 'unsubscribe' || type === 'probe')
      await this.#xmpp.received(type, from, to, link);
    else this.#mesh.received(presence, from, to);
  }

  /** The component of that domain is connected, for the first time or again. */
  connected(domain: string): void {
    void this.#mesh.connected(domain);
    void this.#xmpp.connected(domain);
  }

  disconnected(domain: string): void {
    this.#mesh.disconnected(domain);
  }

  /** The relay is connected, for the first time or again. */
  attached(): void {
    void this.#xmpp.renew();
  }

  /** Tells both sides that nobody on the other can be seen any more. */
  close(domains: Iterable<string>): void {
    this.#xmpp.close();
    for (const domain of domains) this.#mesh.disconnected(domain);
  }
}

/** Sends stanzas whose loss is no failure: what a lost connection takes away is made good when there is another. */
export function tellVia(linkOf: XmppContext['linkOf']): XmppContext['tell'] {
  return async (domain, stanza) => {
    const link = linkOf(domain);
    if (link?.online === undefined) return;
    await link.send(stanza).catch((error: unknown) => events.fault.publish({ session: domain, error }));
  };
}
