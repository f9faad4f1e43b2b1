/**
 * An XMPP server as the CPIM peer of a gateway: dispatches the operations of the gateway and the stanzas of the
 * components. Messages, presence and requests have a file each.
 */
import { events } from '../../ops/events.js';
import type {
  CpimResponse,
  CpimService,
  LinkSecurity,
  MessageOperation,
  NotifyOperation,
  SubscribeOperation,
} from '../cpim-service.js';
import type { XmppElement } from './element.js';
import type { XmppLink } from './link.js';
import { type XmppContext, type XmppMessageOptions, XmppMessages } from './messages.js';
import type { XmppPresence } from './presence.js';
import { answerToQuery } from './queries.js';

export class XmppPeer implements CpimService {
  /** The server proves nothing, but it is on this machine and knows the secret of the component. */
  readonly security: LinkSecurity = { authenticated: true, confidential: true };
  readonly #messages: XmppMessages;
  readonly #presence: XmppPresence;

  constructor(context: XmppContext, messages: XmppMessageOptions, presence: XmppPresence) {
    this.#messages = new XmppMessages(context, messages);
    this.#presence = presence;
  }

  async message(operation: MessageOperation): Promise<CpimResponse> {
    return await this.#messages.fromGateway(operation);
  }

  async subscribe(operation: SubscribeOperation): Promise<CpimResponse> {
    return await this.#presence.subscribe(operation);
  }

  notify(operation: NotifyOperation): void {
    this.#presence.notify(operation);
  }

  /** Handles a stanza of a component. A fault in one does not concern the others. */
  received(element: XmppElement, link: XmppLink): void {
    this.#dispatch(element, link).catch((error: unknown) => events.fault.publish({ session: link.domain, error }));
  }

  async #dispatch(element: XmppElement, link: XmppLink): Promise<void> {
    if (element.name === 'message') return await this.#messages.received(element, link);
    if (element.name === 'presence') return await this.#presence.received(element, link);
    if (element.name !== 'iq' || this.#messages.answered(element)) return;
    const answer = answerToQuery(element);
    if (answer !== undefined) await link.send(answer);
  }
}
