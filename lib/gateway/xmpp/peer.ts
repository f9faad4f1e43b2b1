/**
 * An XMPP server as the CPIM peer of a gateway: dispatches the operations of the gateway and the stanzas of the
 * components. Messages, presence and requests have a file each.
 */
import { events } from '../../ops/events.js';
import {
  type CpimResponse,
  type CpimService,
  type LinkSecurity,
  type MessageOperation,
  type NotifyOperation,
  responseTo,
  type SubscribeOperation,
} from '../cpim-service.js';
import { stanza, type XmppElement } from './element.js';
import type { XmppLink } from './link.js';
import { type XmppContext, type XmppMessageOptions, XmppMessages } from './messages.js';
import { answerToQuery } from './queries.js';

export class XmppPeer implements CpimService {
  /** The server proves nothing, but it is on this machine and knows the secret of the component. */
  readonly security: LinkSecurity = { authenticated: true, confidential: true };
  readonly #messages: XmppMessages;

  constructor(context: XmppContext, options: XmppMessageOptions) {
    this.#messages = new XmppMessages(context, options);
  }

  async message(operation: MessageOperation): Promise<CpimResponse> {
    return await this.#messages.fromGateway(operation);
  }

  async subscribe(operation: SubscribeOperation): Promise<CpimResponse> {
    return responseTo(operation, 'failure', 'this gateway does not pass on presence');
  }

  notify(_operation: NotifyOperation): void {}

  /** Handles a stanza of a component. A fault in one does not concern the others. */
  received(element: XmppElement, link: XmppLink): void {
    this.#dispatch(element, link).catch((error: unknown) => events.fault.publish({ session: link.domain, error }));
  }

  async #dispatch(element: XmppElement, link: XmppLink): Promise<void> {
    if (element.name === 'message') return await this.#messages.received(element, link);
    if (element.name === 'presence') return await this.#presence(element, link);
    if (element.name !== 'iq' || this.#messages.answered(element)) return;
    const answer = answerToQuery(element);
    if (answer !== undefined) await link.send(answer);
  }

  /** Refuses a subscription, which would stay open for ever; everything else about presence is not for this gateway. */
  async #presence({ attributes: { type, from, to } }: XmppElement, link: XmppLink): Promise<void> {
    if (type === 'subscribe') await link.send(stanza('presence', { from: to, to: from, type: 'unsubscribed' }));
  }
}
